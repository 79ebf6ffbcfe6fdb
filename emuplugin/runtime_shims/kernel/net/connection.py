"""What a handler of ``Network(handler=...)`` gets: the server's end of a connection."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class Progress:
    """What the machine knows of the code at the other end, which runs in a thread of its own.

    ``accepted`` is None until that code has decided. It is ``waiting`` while it sits in a ``recv``
    that nothing ends but data; ``received`` counts what it got, the end included. ``finished`` and
    ``failed`` tell that it returned or raised. ``wake`` makes the machine look.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.lock = threading.Lock()
        self.accepted: bool | None = None
        self.waiting = 0
        self.received = 0
        self.stirred = False
        self.finished = self.failed = False
        self._wake = wake

    def decide(self, accepted: bool) -> None:
        """Take the connection, or refuse it; only the first decision counts."""
        if self.accepted is None:
            self.accepted = accepted
            self._wake()

    def stir(self) -> None:
        """Something was done that the machine should see."""
        self.stirred = True
        self._wake()

    def wait_begins(self) -> None:
        with self.lock:
            self.waiting += 1
        self._wake()

    def wait_ends(self, received: int) -> None:
        with self.lock:
            self.waiting -= 1
            self.received += received

    def got(self, received: int) -> None:
        """Something came to who was not waiting for it alone."""
        with self.lock:
            self.received += received

    def idle(self, sent: int) -> bool:
        """Whether nothing will come unless more is sent than the ``sent`` bytes so far."""
        with self.lock:
            if self.stirred:
                self.stirred = False
                return False
            return self.waiting > 0 and self.received >= sent


class Connection(socket.socket):
    """One TCP connection that the plugin opened: a real socket, for code that plays the server.

    ``address`` is whom the plugin meant: host name (or address, where it used no name) and port.
    Use it as any connected socket: ``recv``, ``sendall``, ``makefile``, ``ssl`` contexts, servers
    of the standard library. The first use accepts the connection. It ends with ``close``, or when
    nobody holds it any more.
    """

    network: Literal["tcp"] = "tcp"

    def __init__(self, end: socket.socket, address: tuple[str, int], progress: Progress) -> None:
        super().__init__(end.family, end.type, end.proto, end.detach())
        self.address = address
        self._progress = progress

    def __repr__(self) -> str:
        return f"<Connection: tcp to {self.address[0]}:{self.address[1]}>"

    def __del__(self) -> None:
        socket.socket.close(self)

    def accept_now(self) -> None:
        """Accept the connection without using it yet."""
        self._progress.decide(True)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        receive = super().recv
        data: bytes = self._received(lambda: receive(bufsize, flags), len)
        return data

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0, /) -> int:
        receive = super().recv_into
        size: int = self._received(lambda: receive(buffer, nbytes, flags), lambda size: size)
        return size

    def _received(self, receive: Callable[[], Any], size_of: Callable[[Any], int]) -> Any:
        self.accept_now()
        if self.gettimeout() is not None:
            # It may go on without data: not waiting, as far as the machine can tell.
            result = receive()
            self._progress.got(size_of(result) or 1)
            return result
        self._progress.wait_begins()
        size = 0
        try:
            result = receive()
            size = size_of(result) or 1
        finally:
            self._progress.wait_ends(size)
        return result

    def send(self, data: ReadableBuffer, flags: int = 0, /) -> int:
        self.accept_now()
        sent = super().send(data, flags)
        self._progress.stir()
        return sent

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        self.accept_now()
        super().sendall(data, flags)
        self._progress.stir()

    def fileno(self) -> int:
        self.accept_now()
        return super().fileno()

    def detach(self) -> int:
        self.accept_now()
        return super().detach()

    def shutdown(self, how: int, /) -> None:
        self.accept_now()
        super().shutdown(how)

    def close(self) -> None:
        self.accept_now()
        super().close()


class Datagrams:
    """The datagrams that one UDP socket of the plugin exchanges with one address.

    ``address`` as for :class:`Connection`. ``recv`` gives one datagram, ``b""`` when the plugin has
    closed its socket; ``send`` sends one. The first use accepts what the plugin sends.
    """

    network: Literal["udp"] = "udp"

    def __init__(self, address: tuple[str, int], progress: Progress) -> None:
        self.address = address
        self._progress = progress
        self._timeout: float | None = None
        self._changed = threading.Condition()
        self._inbox: deque[bytes] = deque()
        self.outbox: deque[bytes] = deque()
        self.closed = False

    def __repr__(self) -> str:
        return f"<Datagrams: udp to {self.address[0]}:{self.address[1]}>"

    def settimeout(self, seconds: float | None) -> None:
        """How long ``recv`` waits before it raises TimeoutError; None for ever."""
        self._timeout = seconds

    def recv(self, size: int = 65535) -> bytes:
        """The next datagram, cut to ``size`` bytes; ``b""`` at the end."""
        self._progress.decide(True)
        forever = self._timeout is None
        if forever:
            self._progress.wait_begins()
        data = None
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: self._inbox or self.closed, self._timeout):
                    raise TimeoutError("timed out")
                data = self._inbox.popleft() if self._inbox else None
        finally:
            received = int(data is not None)
            if forever:
                self._progress.wait_ends(received)
            else:
                self._progress.got(received)
        return b"" if data is None else data[:size]

    def send(self, data: ReadableBuffer) -> int:
        """Send one datagram."""
        packet = bytes(data)
        if len(packet) > 65507:
            raise OSError(f"a datagram holds at most 65507 bytes, not {len(packet)}")
        self._progress.decide(True)
        self.outbox.append(packet)
        self._progress.stir()
        return len(packet)

    sendall = send

    def close(self) -> None:
        """No more: what the plugin sends from now on is lost."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def deliver(self, data: bytes) -> None:
        """The plugin sent a datagram."""
        with self._changed:
            if not self.closed:
                self._inbox.append(data)
                self._changed.notify_all()
