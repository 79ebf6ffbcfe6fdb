"""Sleeping for real until something happens outside of the machine."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from time import monotonic

import pytest

from emuplugin.runtime_shims.kernel import linux
from emuplugin.runtime_shims.kernel.kernel import AllAsleepError
from emuplugin.runtime_shims.kernel.outside import Outside
from tests.kernel.raw import DATA, Raw

NANOSLEEP, FUTEX = 35, 202
LONG = 60.0


def test_what_ends_a_sleep() -> None:
    outside = Outside()
    assert not outside.active
    one, two = socket.socketpair()
    outside.add(one, selectors.EVENT_READ)
    assert outside.active
    assert outside.wait(0) == []
    two.send(b"x")
    assert outside.wait(LONG) == [(one, selectors.EVENT_READ)]
    outside.add(one, selectors.EVENT_WRITE)
    assert outside.wait(LONG) == [(one, selectors.EVENT_WRITE)]
    outside.remove(one)
    outside.remove(one)
    assert not outside.active
    # A call of wake that came before counts; several count once.
    outside.wake()
    outside.wake()
    start = monotonic()
    assert outside.wait(LONG) == []
    timer = threading.Timer(0.05, outside.wake)
    timer.start()
    assert outside.wait(LONG) == []
    assert monotonic() - start < LONG / 2
    timer.join()
    outside.close()
    outside.wake()
    for end in (one, two):
        end.close()


def test_nobody_sleeps_for_real_without_a_reason(raw: Raw) -> None:
    raw.put(struct.pack("<qq", 100_000, 0))
    start = monotonic()
    assert raw.syscall(NANOSLEEP, DATA, 0) == 0
    assert monotonic() - start < LONG
    with pytest.raises(AllAsleepError):
        raw.syscall(FUTEX, DATA + 64, linux.FUTEX_WAIT, 0, 0)


def test_time_passes_while_python_is_awaited(raw: Raw) -> None:
    raw.kernel.outside.keep = 1
    raw.put(struct.pack("<qq", 0, 50_000_000))
    before, start = raw.kernel.clock.monotonic(), monotonic()
    assert raw.syscall(NANOSLEEP, DATA, 0) == 0
    assert raw.kernel.clock.monotonic() - before >= 50_000_000
    assert monotonic() - start >= 0.049


def test_a_thread_that_waits_for_python(raw: Raw) -> None:
    raw.kernel.outside.keep = 1

    def answer() -> None:
        raw.kernel.signals.post(linux.SIGUSR1)

    timer = threading.Timer(0.05, answer)
    timer.start()
    raw.put(struct.pack("<Q", 1 << linux.SIGUSR1 - 1))
    # Blocked, or it would end the process.
    assert raw.syscall(14, linux.SIG_BLOCK, DATA, 0, 8) == 0
    assert raw.syscall(128, DATA, 0, 0, 8) == linux.SIGUSR1  # rt_sigtimedwait
    timer.join()


def test_the_host_clock_sleeps() -> None:
    raw = Raw(clock="host")
    raw.put(struct.pack("<qq", 0, 30_000_000))
    start = monotonic()
    assert raw.syscall(NANOSLEEP, DATA, 0) == 0
    assert monotonic() - start >= 0.03
    with pytest.raises(AllAsleepError):
        raw.syscall(FUTEX, DATA + 64, linux.FUTEX_WAIT, 0, 0)
    raw.close()
