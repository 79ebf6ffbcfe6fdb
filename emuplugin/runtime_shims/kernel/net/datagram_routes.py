"""Where datagrams go: to a socket of the machine, to the host, to a handler, nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .. import linux
from ..table import Errno
from . import abi
from .addresses import Inet, any_of
from .firewall import Way
from .handlers import HandlerDatagrams
from .host_datagrams import HostDatagrams
from .inet import is_local, source_for
from .names import RESOLVER
from .udp import UdpSocket

if TYPE_CHECKING:
    from .network import NetworkStack

_ANYWHERE = (any_of(abi.AF_INET), any_of(abi.AF_INET6))


class Listening(NamedTuple):
    """A granted listener of the plugin's. ``network`` is ``tcp`` or ``udp``; ``guest`` the address
    that the plugin sees, ``host`` the one to connect to from outside: host and port."""

    network: str
    guest: tuple[str, int]
    host: tuple[str, int]


class DatagramRoutes:
    """What carries the datagrams of UDP sockets out of the machine, by socket."""

    def __init__(self, network: NetworkStack) -> None:
        self._network = network
        self._bound: dict[UdpSocket, HostDatagrams] = {}
        self._asking: dict[tuple[UdpSocket, int], HostDatagrams] = {}
        self._handled: dict[tuple[UdpSocket, Inet], HandlerDatagrams] = {}

    def listening(self) -> list[Listening]:
        """The sockets that are bound on the host, too."""
        return [
            Listening("udp", pair(socket.bound), outer.address)
            for socket, outer in tuple(self._bound.items())
            if socket.bound is not None
        ]

    def bind(self, socket: UdpSocket) -> None:
        """A socket was bound to an address: on the host, too, if that is granted."""
        assert socket.bound is not None
        at = self._network.firewall.host_listener("udp", socket.bound)
        if at is not None:
            self._network.record("udp listen", str(socket.bound), "granted")
            try:
                self._bound[socket] = HostDatagrams(self._network, socket, at.ip.version, at)
            except Errno:
                self._network.udp.release(socket)
                socket.local = None
                raise

    def send(self, socket: UdpSocket, data: bytes, to: Inet) -> None:
        """Send a datagram. Raises EPERM where a firewall would reject it."""
        assert socket.bound is not None
        ip = source_for(to.ip) if socket.bound.ip.is_unspecified else socket.bound.ip
        source = Inet(ip, socket.bound.port)
        if to == RESOLVER:
            self._network.names.query(data, lambda reply: socket.deliver(reply, RESOLVER), size=512)
            return
        if to.ip.is_multicast:
            self._send_to_group(data, source, to)
            return
        bound = self._bound.get(socket)
        if bound is not None and bound.may_answer(to):
            bound.send(data, to)
            return
        there = self._network.udp.find(to, spread=source.port) if is_local(to.ip) else None
        way = self._network.firewall.way("udp", to, there is not None)
        if way is not Way.HANDLER:
            self._network.record("udp send", self._network.describe(to), way.value)
        if isinstance(there, UdpSocket):
            there.deliver(data, source)
        elif way is Way.HOST:
            self._outer_of(socket, to).send(data, to)
        elif way is Way.HANDLER:
            self._send_to_handler(socket, data, to)
        elif way is Way.DENIED:
            raise Errno(linux.EPERM)
        elif socket.remote is not None:
            socket.broken(abi.ECONNREFUSED)

    def _send_to_group(self, data: bytes, source: Inet, to: Inet) -> None:
        self._network.record("udp send", str(to), "private")
        for other in self._network.udp.at(to.port):
            assert isinstance(other, UdpSocket)
            if (
                other.bound is not None
                and other.bound.ip in (to.ip, *_ANYWHERE)
                and to.ip in other.groups
            ):
                other.deliver(data, source)

    def _outer_of(self, socket: UdpSocket, to: Inet) -> HostDatagrams:
        version = to.ip.version
        bound = self._bound.get(socket)
        if bound is not None and bound.version == version:
            return bound
        key = socket, version
        if key not in self._asking:
            self._asking[key] = HostDatagrams(self._network, socket, version)
        return self._asking[key]

    def _send_to_handler(self, socket: UdpSocket, data: bytes, to: Inet) -> None:
        key = socket, to
        if key not in self._handled:
            self._network.admit_handler("udp send", to, linux.EPERM)
            assert self._network.firewall.handler is not None
            self._handled[key] = HandlerDatagrams(
                self._network, socket, self._network.firewall.handler, to, self._network.meant(to)
            )
        self._handled[key].send(data)

    def closed(self, socket: UdpSocket) -> None:
        """A UDP socket is closed: so is what carried its datagrams outside."""
        bound = self._bound.pop(socket, None)
        if bound is not None:
            bound.close()
        for version in (4, 6):
            outer = self._asking.pop((socket, version), None)
            if outer is not None:
                outer.close()
        for key in [key for key in self._handled if key[0] is socket]:
            self._handled.pop(key).close()


def pair(address: Inet) -> tuple[str, int]:
    """An address as Python has it."""
    return str(address.ip), address.port
