"""The end of a connection that stands for the outside: it moves bytes between the queues of a
socket of the guest and a socket of the host."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket as host
import struct
from typing import TYPE_CHECKING

from . import abi
from .queue import Message, Queue

if TYPE_CHECKING:
    from .network import NetworkStack
    from .tcp import TcpSocket

_CHUNK = 1 << 16
#: Errors of the host's that mean something to the guest, by the host's number.
_ERRORS = {
    errno.ECONNREFUSED: abi.ECONNREFUSED,
    errno.ECONNRESET: abi.ECONNRESET,
    errno.ETIMEDOUT: abi.ETIMEDOUT,
    errno.EHOSTUNREACH: abi.EHOSTUNREACH,
    errno.ENETUNREACH: abi.ENETUNREACH,
    errno.EADDRINUSE: abi.EADDRINUSE,
    errno.EADDRNOTAVAIL: abi.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT: abi.ENETUNREACH,
}
_IN_PROGRESS = (errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", -1))


def linux_error(number: int | None, otherwise: int) -> int:
    """An errno of the host's as Linux's."""
    return _ERRORS.get(number or 0, otherwise)


class Bridge:
    """Between one TCP socket of the guest and one stream socket of the host's, which it owns.

    ``connecting``: the host's connect, or whoever decides about it, has not ended yet.
    """

    def __init__(self, network: NetworkStack, guest: TcpSocket, outer: host.socket) -> None:
        outer.setblocking(False)
        self.network, self.guest, self.outer = network, guest, outer
        self.connecting = False
        self.open = True
        self._said_end = False
        self.inward = Queue(network.pool, writer=self, capacity=guest.receive_capacity)
        self.outward = Queue(network.pool, reader=self, capacity=guest.receive_capacity)

    # --- connecting -------------------------------------------------------------------------------

    def connect(self, ip: str, port: int) -> None:
        """Begin to connect the host's socket."""
        self.connecting = True
        number = self.outer.connect_ex((ip, port))
        if number in _IN_PROGRESS:
            self.watch()
        else:
            self._connect_ended(number)

    def _connect_ended(self, number: int) -> None:
        self.connecting = False
        self.network.settled(self.guest)
        if number:
            self.guest.refuse(linux_error(number, abi.ECONNREFUSED))
            self.close()
        else:
            self.established()

    def established(self) -> None:
        """Both sides are there."""
        self.connecting = False
        self.network.settled(self.guest)
        self.guest.establish(self.inward, self.outward, self.guest.remote)
        self.watch()

    # --- the guest's side (queue.End) -------------------------------------------------------------

    def arrived(self) -> None:
        """The guest has written, or is done."""
        if self.open:
            self._flush()
            self.watch()

    def drained(self) -> None:
        """The guest has read, or will not any more."""
        if self.open:
            self.watch()

    def broken(self, error: int) -> None:
        """The guest broke off: so does the host's socket."""
        if self.open:
            with contextlib.suppress(OSError):  # a socket without lingering just closes
                self.outer.setsockopt(host.SOL_SOCKET, host.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    # --- the host's side --------------------------------------------------------------------------

    def ready(self, events: int) -> None:
        """The host's socket is ready for something."""
        if not self.open:
            return
        if self.connecting:
            self._connect_ended(self.outer.getsockopt(host.SOL_SOCKET, host.SO_ERROR))
            return
        if events & selectors.EVENT_WRITE:
            self._flush()
        if events & selectors.EVENT_READ:
            self._fill()
        self.watch()

    def _flush(self) -> None:
        """To the host, as much as it takes."""
        while self.open and self.outward.messages and not self.connecting:
            message = self.outward.take(_CHUNK, peek=True)
            assert message is not None
            try:
                sent = self.outer.send(message.data)
            except BlockingIOError:
                return
            except OSError as error:
                self._failed(error)
                return
            self.outward.take(sent)
            self.sent(sent)
        if self.open and self.outward.ended and not self._said_end and not self.connecting:
            self._said_end = True
            self.sent(1)
            try:
                self.outer.shutdown(host.SHUT_WR)
            except OSError as error:
                self._failed(error)

    def sent(self, size: int) -> None:
        """So much went out; the end counts as 1."""

    def _fill(self) -> None:
        """From the host, as much as there is room for."""
        while self.open and not self.inward.ended and self.inward.room > 0:
            try:
                data = self.outer.recv(min(_CHUNK, self.inward.room))
            except BlockingIOError:
                return
            except OSError as error:
                self._failed(error)
                return
            if not data:
                self.inward.end()
            elif not self.inward.deaf:
                self.inward.put(Message(data))
            else:
                self.broken(abi.ECONNRESET)

    def _failed(self, error: OSError) -> None:
        self.close()
        self.guest.broken(linux_error(error.errno, abi.ECONNRESET))

    def watch(self) -> None:
        """Wait for what matters now; close when both sides are done."""
        if not self.open:
            return
        # A socket that the guest has closed does not linger here: who is there must not be able
        # to keep the host's sockets open.
        if not self.connecting and self._said_end and (self.inward.ended or self.inward.deaf):
            self.close()
            return
        self.network.watch(self.outer, self, self.interest())

    def interest(self) -> int:
        """What to wait for, 0 for nothing."""
        if self.connecting:
            return selectors.EVENT_WRITE
        found = selectors.EVENT_WRITE if self.outward.messages else 0
        if not self.inward.ended and (self.inward.deaf or self.inward.room > 0):
            found |= selectors.EVENT_READ
        if found & selectors.EVENT_READ == 0 and not self.inward.ended:
            # The guest is to say when it has read.
            self.inward.starve()
        return found

    def close(self) -> None:
        """Let the host's socket go."""
        if self.open:
            self.open = False
            self.network.watch(self.outer, self, 0)
            self.outer.close()

    def __del__(self) -> None:
        self.outer.close()
