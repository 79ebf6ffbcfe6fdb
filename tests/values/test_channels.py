"""Channels used from Python, with Go's goroutines at the other end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from emuplugin.errors import (
    ChannelClosed,
    ChannelTimeout,
    ConversionError,
    GoPanic,
    OutOfRangeError,
    WouldDeadlock,
)
from tests.values.symbols import Symbols


def test_a_buffer(faces: Symbols) -> None:
    numbers = faces.Numbers
    assert (len(numbers), numbers.cap, bool(numbers)) == (0, 3, True)
    for number in range(3):
        numbers.send(number)
    assert len(numbers) == 3
    with pytest.raises(ChannelTimeout, match="send to chan int: nothing after 0 seconds"):
        numbers.send(3, timeout=0)
    with pytest.raises(WouldDeadlock, match="send to chan int: all goroutines are asleep"):
        numbers.send(3)
    assert [numbers.recv(), faces.Receive.recv(), numbers.recv_ok()] == [0, 1, (2, True)]
    assert numbers == faces.Numbers
    assert numbers != faces.Make(1)


def test_waiting_for_goroutines(faces: Symbols) -> None:
    assert list(faces.Count(200)) == list(range(200))
    assert faces.Later(5, timedelta(hours=30)).recv() == 5
    with pytest.raises(ChannelTimeout):
        faces.Later(5, timedelta(seconds=10)).recv(timeout=9.5)
    assert faces.Later(6, timedelta(seconds=10)).recv(timeout=10.5) == 6
    assert faces.Busy(3_000_000).recv() == faces.Busy(3_000_000).recv()


def test_sending_to_goroutines(faces: Symbols) -> None:
    channel = faces.Make(0)
    total = faces.Collect(channel)
    for number in range(50):
        channel.send(number)
    with pytest.raises(WouldDeadlock):
        total.recv()
    channel.close()
    assert total.recv() == sum(range(50))
    with pytest.raises(ChannelClosed, match="chan int is closed"):
        channel.recv()
    assert channel.recv_ok() == (0, False)
    assert list(channel) == []
    with pytest.raises(GoPanic, match="send on closed channel"):
        channel.send(1)
    with pytest.raises(GoPanic, match="close of closed channel"):
        channel.close()


def test_elements_of_all_sorts(faces: Symbols) -> None:
    faces.Structs.send({"X": 1, "Y": 2})
    assert faces.Structs.recv() == faces.plugin.type("main.Point")(1, 2)
    inner = faces.Make(1)
    faces.Channels.send(inner)
    assert faces.Channels.recv() == inner
    faces.Empty.send({})
    assert len(faces.Empty) == 1
    faces.Empty.recv()
    with pytest.raises(ConversionError, match=r"chan main.Point: .X: expected int, got str"):
        faces.Structs.send({"X": "1"})


def test_directions(faces: Symbols) -> None:
    with pytest.raises(ConversionError, match=r"cannot send to receive-only channel \(<-chan int"):
        faces.Receive.send(1)
    with pytest.raises(ConversionError, match="cannot close receive-only"):
        faces.Receive.close()
    with pytest.raises(ConversionError, match="cannot receive from send-only"):
        faces.Send.recv()
    faces.Send = faces.Make(2)
    faces.Send.send(1)
    with pytest.raises(ConversionError, match=r"NoChan: expected chan int, got chan<- int"):
        faces.NoChan = faces.Send
    assert faces.NoChan is None


def test_made_in_python(faces: Symbols) -> None:
    channel = faces.plugin.make("chan int", 2)
    channel.send(1)
    assert faces.Print(channel).startswith("0xc")
    assert (channel.cap, channel.recv()) == (2, 1)
    with pytest.raises(OutOfRangeError, match=r"make\(chan int\): expected a buffer of at least 0"):
        faces.plugin.make("chan int", -1)
