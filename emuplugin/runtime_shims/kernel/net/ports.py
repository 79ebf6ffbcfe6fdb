"""Who has which port of a protocol, and whom a packet to an address is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..table import Errno
from . import abi
from .addresses import IP, Inet, any_of

if TYPE_CHECKING:
    from .inet import InetSocket

#: net.ipv4.ip_local_port_range
EPHEMERAL = range(32768, 61000)


class Ports:
    """The bound sockets of TCP or UDP by port. Ephemeral ports are given out in order, so that a
    run repeats."""

    def __init__(self) -> None:
        self._bound: dict[int, list[InetSocket]] = {}
        self._next = EPHEMERAL.start

    def bind(self, socket: InetSocket, address: Inet) -> None:
        """Give a socket its address; port 0 takes a free one. Raises EADDRINUSE."""
        port = address.port or self._free(socket, address.ip)
        if any(_conflict(socket, address.ip, other) for other in self._bound.get(port, ())):
            raise Errno(abi.EADDRINUSE)
        self._bound.setdefault(port, []).append(socket)
        socket.local = Inet(address.ip, port)
        socket.bound = Inet(address.ip, port)

    def release(self, socket: InetSocket) -> None:
        """The socket gives its port back."""
        if socket.bound is None:
            return
        others = self._bound[socket.bound.port]
        others.remove(socket)
        if not others:
            del self._bound[socket.bound.port]
        socket.bound = None

    def may_listen(self, socket: InetSocket) -> bool:
        """Whether no other socket listens where this one is bound (SO_REUSEADDR lets both bind)."""
        assert socket.bound is not None
        return not any(
            other is not socket
            and other.listening
            and _overlap(socket, socket.bound.ip, other)
            and not (socket.reuse_port and other.reuse_port)
            for other in self._bound[socket.bound.port]
        )

    def at(self, port: int) -> list[InetSocket]:
        """All sockets bound to a port."""
        return self._bound.get(port, [])

    def find(self, to: Inet, spread: int = 0) -> InetSocket | None:
        """Who gets what is sent to an address: a socket bound to just this address before one
        bound to all of them. Among several equal ones (SO_REUSEPORT) ``spread`` decides."""
        best: list[InetSocket] = []
        score = 0
        for socket in self._bound.get(to.port, ()):
            mine = _score(socket, to.ip)
            if mine > score:
                best, score = [socket], mine
            elif mine and mine == score:
                best.append(socket)
        return best[spread % len(best)] if best else None

    def _free(self, socket: InetSocket, ip: IP) -> int:
        for _ in EPHEMERAL:
            port = self._next
            self._next = port + 1 if port + 1 in EPHEMERAL else EPHEMERAL.start
            if port not in self._bound:
                return port
        raise Errno(abi.EADDRINUSE)


def _accepts(socket: InetSocket) -> tuple[bool, bool]:
    """Whether a socket bound to all addresses takes IPv4 and IPv6."""
    if socket.family == abi.AF_INET:
        return True, False
    return not socket.v6only, True


def _overlap(socket: InetSocket, ip: IP, other: InetSocket) -> bool:
    """Whether a packet could be for both."""
    assert other.bound is not None
    theirs = other.bound.ip
    if not ip.is_unspecified and not theirs.is_unspecified:
        return ip == theirs
    four, six = _families(socket, ip)
    other_four, other_six = _families(other, theirs)
    return (four and other_four) or (six and other_six)


def _families(socket: InetSocket, ip: IP) -> tuple[bool, bool]:
    return (
        _accepts(socket)
        if ip == any_of(socket.family)
        else (
            ip.version == 4,
            ip.version == 6,
        )
    )


def _conflict(socket: InetSocket, ip: IP, other: InetSocket) -> bool:
    if not _overlap(socket, ip, other):
        return False
    if socket.reuse_port and other.reuse_port:
        return False
    return not (socket.reuse_address and other.reuse_address and not other.listening)


def _score(socket: InetSocket, ip: IP) -> int:
    assert socket.bound is not None
    mine = socket.bound.ip
    if mine == ip:
        return 3
    if mine != any_of(socket.family):
        return 2 if mine.is_unspecified and mine.version == ip.version else 0
    return (2 if mine.version == ip.version else 1) if _accepts(socket)[ip.version == 6] else 0
