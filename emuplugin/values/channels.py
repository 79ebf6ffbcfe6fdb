"""Channels: send, receive, close, and iteration until they are closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emuplugin.errors import (
    ChannelClosed,
    ChannelTimeout,
    ConversionError,
    WouldDeadlock,
)
from emuplugin.values.channel_codec import DATAQSIZ, QCOUNT, ChannelCodec
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
from emuplugin.values.live import Live
from emuplugin.values.methods import method_of
from emuplugin.values.mismatch import Mismatch


class ChannelView(Live):
    """A Go channel that is not nil. Two are equal if they are the same channel.

    ``len(c)`` is the number of elements in the buffer. An operation that must wait lets the
    plugin's goroutines run. If none is left that could end the wait, it raises WouldDeadlock
    (where a Go program would end) and nothing has happened; with a ``timeout``, in seconds of the
    machine's clock, it raises ChannelTimeout after that. 0 means not to wait.
    """

    __slots__ = ("__weakref__", "_codec", "_root")

    _codec: ChannelCodec

    def __init__(self, codec: ChannelCodec, root: Root) -> None:
        self._codec = codec
        self._root = root
        if codec.context.newcomers is not None:
            codec.context.newcomers.add(self)

    def __len__(self) -> int:
        return self._context.memory.read_u64(self._root.address + QCOUNT)

    def __bool__(self) -> bool:
        return True

    @property
    def cap(self) -> int:
        """The size of the buffer, in elements."""
        return self._context.memory.read_u64(self._root.address + DATAQSIZ)

    def send(self, value: Any, timeout: float | None = None) -> None:
        """``c <- value``. A closed channel panics: GoPanic."""
        if self._type.chan_dir == "<-chan":
            raise ConversionError(f"cannot send to receive-only channel ({self._type.string})")
        codec, address = self._codec, self._root.address
        with Allocations(self._context.guest) as allocations:
            try:
                image = codec.element.encode(value, allocations)
            except Mismatch as mismatch:
                raise mismatch.error(self._type.string) from None
            allocations.protect()
            if not self._wait(lambda: codec.try_send(address, image), timeout):
                raise self._stuck("send to", timeout)

    def recv_ok(self, timeout: float | None = None) -> tuple[Any, bool]:
        """``value, ok := <-c``: the zero value and False when the channel is closed and empty."""
        if self._type.chan_dir == "chan<-":
            raise ConversionError(f"cannot receive from send-only channel ({self._type.string})")
        codec, address = self._codec, self._root.address
        received: list[tuple[Any, bool]] = []

        def ready() -> bool:
            found = codec.try_receive(address)
            if found is not None:
                received.append(found)
            return found is not None

        if not self._wait(ready, timeout):
            raise self._stuck("receive from", timeout)
        return received[0]

    def recv(self, timeout: float | None = None) -> Any:
        """``<-c``. Raises ChannelClosed when the channel is closed and empty."""
        value, ok = self.recv_ok(timeout)
        if not ok:
            raise ChannelClosed(f"{self._type.string} is closed")
        return value

    def close(self) -> None:
        """``close(c)``. A closed channel panics: GoPanic."""
        if self._type.chan_dir == "<-chan":
            raise ConversionError(f"cannot close receive-only channel ({self._type.string})")
        # runtime/chan.go: closechan(c *hchan)
        entry = self._codec.function("closechan", "closes")
        self._context.guest.call_words(entry, 0, (self._root.address,))

    def __iter__(self) -> Iterator[Any]:
        while True:
            value, ok = self.recv_ok()
            if not ok:
                return
            yield value

    def __getattr__(self, name: str) -> Any:
        return method_of(self, name, self._root.address, self._root)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._context.methods(self._type).names()]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChannelView):
            return NotImplemented
        return self._context is other._context and self._root.address == other._root.address

    def __hash__(self) -> int:
        return hash(self._root.address)

    def _wait(self, ready: Any, timeout: float | None) -> bool:
        if timeout is not None and timeout <= 0:
            return bool(ready())
        return self._context.scheduling.wait(ready, timeout)

    def _stuck(self, what: str, timeout: float | None) -> Exception:
        if timeout is None:
            return WouldDeadlock(
                f"{what} {self._type.string}: all goroutines are asleep, so nothing could end the"
                " wait"
            )
        return ChannelTimeout(f"{what} {self._type.string}: nothing after {timeout} seconds")
