"""A channel: whole messages over a stream socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from emuplugin.isolation.wire import WireError

_HEADER = struct.Struct("<Q")
_PIECE = 1 << 20


class ClosedChannelError(Exception):
    """The other end is gone."""


class Channel:
    """One end. ``limit`` is the longest message that is taken, in bytes: memory is used for what
    arrived, never for what was announced. ``on_wait`` is called each ``period`` seconds while
    nothing comes or can be sent; it may raise."""

    def __init__(
        self,
        end: socket.socket,
        limit: int,
        period: float | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self._socket = end
        self._limit = limit
        self._on_wait = on_wait
        self._come = bytearray()
        end.settimeout(period)

    def send(self, message: bytes | bytearray) -> None:
        """Send a message. Raises ClosedChannelError."""
        if len(message) < _PIECE:
            self._send(_HEADER.pack(len(message)) + message)
        else:
            self._send(_HEADER.pack(len(message)))
            self._send(message)

    def receive(self) -> bytearray:
        """The next message. Raises ClosedChannelError, also in the middle of a message, and
        WireError for one that is too long."""
        come = self._come
        while len(come) < _HEADER.size:
            come += self._receive(1 << 16)
        (length,) = _HEADER.unpack_from(come)
        if length > self._limit:
            raise WireError(f"a message of {length} bytes; the limit is {self._limit}")
        end = _HEADER.size + length
        while len(come) < end:
            come += self._receive(min(max(end - len(come), 1 << 16), _PIECE))
        if len(come) == end:
            self._come = bytearray()
            del come[: _HEADER.size]
            return come
        message = come[_HEADER.size : end]
        del come[:end]
        return message

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _send(self, data: bytes | bytearray) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except TimeoutError:
                self._waited()
            except OSError as error:
                raise ClosedChannelError(str(error)) from None

    def _receive(self, size: int) -> bytes:
        while True:
            try:
                piece = self._socket.recv(size)
            except TimeoutError:
                self._waited()
                continue
            except OSError as error:
                raise ClosedChannelError(str(error)) from None
            if not piece:
                raise ClosedChannelError("the other end was closed")
            return piece

    def _waited(self) -> None:
        if self._on_wait is not None:
            self._on_wait()
