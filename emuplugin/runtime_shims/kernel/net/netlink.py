"""AF_NETLINK, as far as ``net.Interfaces`` asks: the routing socket tells of ``lo`` and of nothing
else (man 7 rtnetlink)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .. import linux
from ..table import Errno
from . import abi
from .addresses import LOOPBACK_INDEX, Address, Netlink
from .queue import Message, Queue
from .socket import Socket

if TYPE_CHECKING:
    from .network import NetworkStack

NETLINK_ROUTE = 0
_NLMSG_ERROR, _NLMSG_DONE, _NLM_F_MULTI = 2, 3, 2
_RTM_NEWLINK, _RTM_GETLINK, _RTM_NEWADDR, _RTM_GETADDR = 16, 18, 20, 22
_FIRST_GET = 16
_IFLA_ADDRESS, _IFLA_BROADCAST, _IFLA_IFNAME, _IFLA_MTU = 1, 2, 3, 4
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL = 1, 2, 3
_ARPHRD_LOOPBACK = 772
_FLAGS = 0x1 | 0x8 | 0x40 | 0x10000  # IFF_UP, IFF_LOOPBACK, IFF_RUNNING, IFF_LOWER_UP
_MTU = 65536
_RT_SCOPE_HOST, _IFA_F_PERMANENT = 254, 0x80
# More than one request is answered with.
_ANSWER = 4096
_HEADER = struct.Struct("<IHHII")


class NetlinkSocket(Socket):
    """A routing socket. Answers to dumps lie ready at once."""

    def __init__(self, network: NetworkStack, family: int, kind: int, protocol: int) -> None:
        super().__init__(network, family, kind, protocol)
        self.queue = Queue(network.pool, reader=self)

    @property
    def stream(self) -> bool:
        return False

    def broken(self, error: int) -> None:
        """The kernel does not break off."""

    def bind(self, address: Address) -> None:
        assert isinstance(address, Netlink)
        self.local = Netlink(address.port or self.network.pid)

    def connect(self, address: Address | None) -> bool:
        self.remote = address
        return True

    def local_name(self) -> bytes:
        self.local = self.local or Netlink(0)
        return super().local_name()

    def send(self, message: Message, to: Address | None) -> int | None:
        if isinstance(to, Netlink) and to.port:
            raise Errno(abi.ECONNREFUSED)
        if self.local is None:
            self.local = Netlink(self.network.pid)
        if self.queue.room < _ANSWER:
            raise Errno(abi.ENOBUFS)
        data = message.data
        while len(data) >= _HEADER.size:
            length, kind, _, sequence, _ = _HEADER.unpack_from(data)
            if not _HEADER.size <= length <= len(data):
                break
            self._answer(kind, sequence, data[:length])
            data = data[length + 3 & ~3 :]
        return len(message.data)

    def _answer(self, kind: int, sequence: int, request: bytes) -> None:
        family = request[_HEADER.size] if len(request) > _HEADER.size else 0
        if kind == _RTM_GETLINK:
            parts = [self._pack(_RTM_NEWLINK, sequence, _link())]
        elif kind == _RTM_GETADDR:
            answers = [_address(f) for f in (abi.AF_INET, abi.AF_INET6) if family in (0, f)]
            parts = [self._pack(_RTM_NEWADDR, sequence, body) for body in answers]
        elif kind >= _FIRST_GET:
            # Requests that change something, and tables that are empty here.
            error = struct.pack("<i", -linux.EPERM) + request[: _HEADER.size]
            self.queue.put(Message(self._pack(_NLMSG_ERROR, sequence, error, 0), Netlink(0)))
            return
        else:
            return
        self.queue.put(Message(b"".join(parts), Netlink(0)))
        self.queue.put(Message(self._pack(_NLMSG_DONE, sequence, bytes(4)), Netlink(0)))

    def _pack(self, kind: int, sequence: int, body: bytes, flags: int = _NLM_F_MULTI) -> bytes:
        assert isinstance(self.local, Netlink)
        size = _HEADER.size + len(body)
        return _HEADER.pack(size, kind, flags, sequence, self.local.port) + body

    def pending(self) -> Message | None:
        return self.queue.take_message(peek=True)

    def receive(self, size: int, peek: bool = False, skip: int = 0) -> Message | None:
        return self.queue.take_message(peek)

    def events(self) -> int:
        return (linux.EPOLLIN if self.queue.messages else 0) | linux.EPOLLOUT


def _attribute(kind: int, value: bytes) -> bytes:
    size = 4 + len(value)
    return struct.pack("<HH", size, kind) + value + bytes(-size % 4)


def _link() -> bytes:
    """``struct ifinfomsg`` and attributes of lo."""
    head = struct.pack("<BxHiII", 0, _ARPHRD_LOOPBACK, LOOPBACK_INDEX, _FLAGS, 0)
    return (
        head
        + _attribute(_IFLA_IFNAME, b"lo\0")
        + _attribute(_IFLA_MTU, struct.pack("<I", _MTU))
        + _attribute(_IFLA_ADDRESS, bytes(6))
        + _attribute(_IFLA_BROADCAST, bytes(6))
    )


def _address(family: int) -> bytes:
    """``struct ifaddrmsg`` and attributes of 127.0.0.1/8 or ::1/128."""
    four = family == abi.AF_INET
    prefix = 8 if four else 128
    ip = bytes([127, 0, 0, 1]) if four else bytes(15) + b"\1"
    head = struct.pack("<BBBBi", family, prefix, _IFA_F_PERMANENT, _RT_SCOPE_HOST, LOOPBACK_INDEX)
    body = _attribute(_IFA_ADDRESS, ip)
    if four:
        body += _attribute(_IFA_LOCAL, ip) + _attribute(_IFA_LABEL, b"lo\0")
    return head + body
