"""UDP sockets of the private loopback (man 7 udp)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import linux
from ..table import Errno
from . import abi
from .addresses import IP, Address, Inet
from .datagram import DatagramSocket
from .inet import InetSocket
from .queue import Message

if TYPE_CHECKING:
    from .network import NetworkStack

_BROADCAST = 0xFFFFFFFF


class UdpSocket(InetSocket, DatagramSocket):
    """A UDP socket. ``groups`` are the multicast groups that it has joined; ``outside`` is what
    carries its datagrams out of the machine, once one has left it."""

    def __init__(self, network: NetworkStack, family: int, kind: int, protocol: int) -> None:
        super().__init__(network, family, kind, protocol)
        self.ports = network.udp
        self.groups: set[IP] = set()

    @property
    def stream(self) -> bool:
        return False

    def broken(self, error: int) -> None:
        """A datagram came back."""
        self.error = error
        self.arrived()

    def may_bind(self, ip: IP) -> bool:
        return super().may_bind(ip) or ip.is_multicast

    def bind(self, address: Address) -> None:
        super().bind(address)
        self.network.datagrams.bind(self)

    def connect(self, address: Address | None) -> bool:
        if address is None:
            self.remote = None
            if self.bound is not None:
                self.local = self.bound
            return True
        target = self.target(address)
        self._check_broadcast(target.ip)
        self.autobind(target.ip)
        self.remote = target
        return True

    def send(self, message: Message, to: Address | None) -> int | None:
        self.raise_error()
        if self.write_shut:
            raise Errno(linux.EPIPE)
        if to is None and self.remote is None:
            raise Errno(abi.EDESTADDRREQ)
        if len(message.data) > abi.MAX_UDP:
            raise Errno(abi.EMSGSIZE)
        if to is not None:
            target = self.target(to)
        else:
            assert isinstance(self.remote, Inet)
            target = self.remote
        if not target.port:
            raise Errno(linux.EINVAL)
        self._check_broadcast(target.ip)
        self.autobind(self.remote.ip if isinstance(self.remote, Inet) else None)
        self.network.datagrams.send(self, message.data, target)
        return len(message.data)

    def _check_broadcast(self, ip: IP) -> None:
        if int(ip) == _BROADCAST and ip.version == 4:
            if not self.option(abi.SOL_SOCKET, abi.SO_BROADCAST):
                raise Errno(linux.EACCES)
            raise Errno(abi.ENETUNREACH)  # lo has no broadcast address

    def deliver(self, data: bytes, source: Inet) -> None:
        """A datagram came. It is lost if the receive buffer is full, or if this socket is
        connected to somebody else."""
        if (self.remote is not None and self.remote != source) or self.read_shut:
            return
        self.queue.capacity = self.receive_capacity
        if len(data) <= self.queue.room:
            self.queue.put(Message(data, source))

    def shutdown(self, how: int) -> None:
        if not 0 <= how <= abi.SHUT_RDWR:
            raise Errno(linux.EINVAL)
        if self.remote is None:
            raise Errno(abi.ENOTCONN)
        self.shut(how)

    def events(self) -> int:
        found = linux.EPOLLIN if self.queue.messages else 0
        if self.read_shut:
            found |= linux.EPOLLIN | linux.EPOLLRDHUP
            if self.write_shut:
                found |= linux.EPOLLHUP
        return found | linux.EPOLLOUT | (linux.EPOLLERR if self.error else 0)

    def closed(self) -> None:
        self.ports.release(self)
        self.network.datagrams.closed(self)
        self.queue.clear()
