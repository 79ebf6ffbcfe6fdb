"""Unix sockets: streams, datagrams, sequenced packets, and their names (man 7 unix).

They reach nothing outside of the machine, whatever their path: a socket in a mounted folder of
the host is not connected to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import linux
from ..table import Errno
from . import abi
from .addresses import Address, Unix
from .datagram import DatagramSocket
from .queue import Message
from .socket import Socket
from .stream import StreamSocket

if TYPE_CHECKING:
    from .network import NetworkStack

#: net.unix.max_dgram_qlen
_DATAGRAMS = 10
#: An abstract name chosen by the kernel: five hexadecimal digits.
_AUTOBIND = 0x100000


class UnixNames:
    """The names that sockets are bound to: abstract ones, and files by their inode."""

    def __init__(self) -> None:
        self.bound: dict[object, UnixSocket] = {}
        self._next = 0

    def free_name(self) -> bytes:
        """An abstract name that nobody has."""
        while True:
            self._next = (self._next + 1) % _AUTOBIND
            name = b"\0" + format(self._next, "05x").encode()
            if name not in self.bound:
                return name


class UnixSocket(Socket):
    """What Unix sockets of all kinds share. ``key`` is what it is bound to."""

    key: object = None

    def bind(self, address: Address) -> None:
        assert isinstance(address, Unix)
        if self.key is not None:
            raise Errno(linux.EINVAL)
        names = self.network.unix
        name = address.name or names.free_name()
        if name.startswith(b"\0"):
            if name in names.bound:
                raise Errno(abi.EADDRINUSE)
            key: object = name
        else:
            key = self.network.make_socket_file(name)
        names.bound[key] = self
        self.key, self.local = key, Unix(name)

    def find(self, address: Address) -> UnixSocket:
        """The socket bound to a name. Raises ECONNREFUSED, EPROTOTYPE and what paths do."""
        assert isinstance(address, Unix)
        if not address.name:
            raise Errno(linux.EINVAL)
        key = address.name if address.abstract else self.network.find_socket_file(address.name)
        found = self.network.unix.bound.get(key)
        self.network.record("unix connect", str(address), "refused" if found is None else "private")
        if found is None:
            raise Errno(abi.ECONNREFUSED)
        if found.kind != self.kind:
            raise Errno(abi.EPROTOTYPE)
        return found

    def forget_name(self) -> None:
        """The name is nobody's any more; a file stays where it is."""
        if self.key is not None:
            del self.network.unix.bound[self.key]
            self.key = None


class UnixStream(UnixSocket, StreamSocket):
    """SOCK_STREAM and SOCK_SEQPACKET."""

    not_connected = linux.EINVAL

    def connect(self, address: Address | None) -> bool:
        if address is None:
            raise Errno(linux.EINVAL)
        if self.incoming is not None:
            raise Errno(abi.EISCONN)
        if self.backlog is not None:
            raise Errno(linux.EINVAL)
        found = self.find(address)
        if not isinstance(found, UnixStream) or found.backlog is None:
            raise Errno(abi.ECONNREFUSED)
        if len(found.backlog) >= found.room_in_backlog:
            return False
        found.offer(self)
        return True

    def listen(self, backlog: int) -> None:
        if self.key is None:
            raise Errno(linux.EINVAL)
        super().listen(backlog)

    @property
    def closed_for_writing(self) -> bool:
        return self.write_shut or (self.outgoing is not None and self.outgoing.deaf)

    def events_unconnected(self) -> int:
        if self.kind == abi.SOCK_SEQPACKET:
            return linux.EPOLLOUT
        return linux.EPOLLOUT | linux.EPOLLHUP

    def shutdown(self, how: int) -> None:
        super().shutdown(how)
        if how != abi.SHUT_WR and self.incoming is not None:
            self.incoming.deaf = True
            if self.incoming.writer is not None:
                self.incoming.writer.drained()

    def closed(self) -> None:
        self.forget_name()
        if self.backlog is not None:
            for server in self.backlog:
                server.closed()
            self.backlog = None
        incoming, outgoing = self.incoming, self.outgoing
        if incoming is None or outgoing is None:
            return
        unread = bool(incoming.messages)
        incoming.deaf = True
        incoming.clear()
        peer = outgoing.reader
        if unread and isinstance(peer, StreamSocket):
            peer.error = abi.ECONNRESET
        outgoing.end()
        if incoming.writer is not None:
            incoming.writer.drained()


class UnixDatagram(UnixSocket, DatagramSocket):
    """SOCK_DGRAM. ``peer`` is whom it is connected to."""

    def __init__(self, network: NetworkStack, family: int, kind: int, protocol: int) -> None:
        super().__init__(network, family, kind, protocol)
        self.peer: UnixDatagram | None = None
        self.gone = False

    def connect(self, address: Address | None) -> bool:
        if address is None:
            self.peer = self.remote = None
            return True
        found = self.find(address)
        assert isinstance(found, UnixDatagram)
        if found.peer not in (None, self):
            raise Errno(linux.EPERM)
        self.peer, self.remote = found, address
        return True

    def send(self, message: Message, to: Address | None) -> int | None:
        self.raise_error()
        if self.write_shut:
            raise Errno(linux.EPIPE)
        if to is not None:
            found = self.find(to)
            assert isinstance(found, UnixDatagram)
        elif self.peer is None:
            raise Errno(abi.ENOTCONN)
        else:
            found = self.peer
            if found.gone:
                self.peer = self.remote = None
                raise Errno(abi.ECONNREFUSED)
        if found.peer not in (None, self):
            raise Errno(linux.EPERM)
        if found.read_shut:
            raise Errno(linux.EPIPE)
        if len(message.data) > self.option(abi.SOL_SOCKET, abi.SO_SNDBUF, found.queue.capacity):
            raise Errno(abi.EMSGSIZE)
        full = len(found.queue.messages) > _DATAGRAMS
        if (full and found is not self) or found.queue.room < len(message.data):
            found.queue.starve()
            found.queue.writer = self
            return None
        message.source = self.local
        message.credentials = self.network.credentials
        self.network.pool.hold(message.rights)
        found.queue.put(message)
        return len(message.data)

    def shutdown(self, how: int) -> None:
        if not 0 <= how <= abi.SHUT_RDWR:
            raise Errno(linux.EINVAL)
        self.shut(how)

    def events(self) -> int:
        found = linux.EPOLLIN if self.queue.messages else 0
        if self.read_shut:
            found |= linux.EPOLLIN | linux.EPOLLRDHUP
            if self.write_shut:
                found |= linux.EPOLLHUP
        peer = self.peer
        if peer is None or peer.gone or len(peer.queue.messages) <= _DATAGRAMS:
            found |= linux.EPOLLOUT
        return found | (linux.EPOLLERR if self.error else 0)

    def closed(self) -> None:
        self.forget_name()
        self.gone = True
        self.queue.clear()


def connect_pair(first: Socket, second: Socket) -> None:
    """Make two new sockets a pair (socketpair)."""
    if isinstance(first, UnixDatagram) and isinstance(second, UnixDatagram):
        first.peer, second.peer = second, first
        first.remote = second.remote = Unix(b"")
    elif isinstance(first, UnixStream) and isinstance(second, UnixStream):
        first.local = second.local = Unix(b"")
        first.join(second)
