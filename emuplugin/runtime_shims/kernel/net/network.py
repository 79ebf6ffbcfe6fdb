"""The network of a machine: who listens where, and the ways out of it."""

from __future__ import annotations

import socket as host
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .. import linux
from ..signals import UID
from ..table import Errno
from . import abi
from .addresses import Inet
from .bridge import Bridge
from .connection import Progress
from .datagram_routes import DatagramRoutes, Listening, pair
from .firewall import Firewall, Way
from .handlers import HandlerBridge
from .host_listener import HostListener
from .inet import is_local
from .names import RESOLVER, Names
from .netlink import NETLINK_ROUTE, NetlinkSocket
from .ports import Ports
from .queue import Pool
from .socket import Socket
from .tcp import TcpSocket
from .udp import UdpSocket
from .unix import UnixDatagram, UnixNames, UnixStream

if TYPE_CHECKING:
    from ..kernel import Kernel
    from ..outside import HasFileno, Ready

_FIRST_INODE = 10_000
#: Bytes in all queues together, and sockets of the host and threads of handlers at once, at most.
_UNDER_WAY, _OUTER, _HANDLERS = 64 << 20, 4096, 256


class Watcher(Protocol):
    """Who wants to know when a socket of the host's is ready."""

    def ready(self, events: int) -> None: ...


class Checked(Protocol):
    """Who has to look at what other threads have done."""

    def check(self) -> None: ...

    def close(self) -> None: ...


class NetworkStack:
    """The sockets of one kernel, and what they are connected to."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.outside = kernel.outside
        self.attach()
        self.pid = kernel.pid
        #: What SO_PASSCRED tells of the sender.
        self.credentials = (kernel.pid, UID, UID)
        self.firewall = Firewall(kernel.sandbox.network)
        self.tcp, self.udp, self.unix = Ports(), Ports(), UnixNames()
        self.pool = Pool(_UNDER_WAY, kernel.sandbox.limits.open_files)
        self.names = Names(self)
        self.checked: list[Checked] = []
        self.handlers: list[Progress] = []
        self._watched: dict[HasFileno, Watcher] = {}
        self._listeners: dict[TcpSocket, HostListener] = {}
        self.datagrams = DatagramRoutes(self)
        self._connecting: dict[TcpSocket, Bridge] = {}
        self._inodes = _FIRST_INODE

    def attach(self) -> None:
        """Be told of what is ready outside."""
        self.outside.on_wait = self._dispatch

    def next_inode(self) -> int:
        """A new socket's inode."""
        self._inodes += 1
        return self._inodes

    def record(self, kind: str, address: str, outcome: str) -> None:
        """Put a connection into the report."""
        self._kernel.report.connection(kind, address, outcome)

    def make(self, family: int, kind: int, protocol: int) -> Socket:
        """A new socket. Raises Errno for what there is not, and for what only root may have."""
        if not 0 <= family < abi.AF_MAX:
            raise Errno(abi.EAFNOSUPPORT)
        if kind == abi.SOCK_PACKET or family == abi.AF_PACKET:
            self._kernel.report_refusal("socket")
            raise Errno(linux.EPERM)
        if not 0 < kind <= abi.SOCK_PACKET:
            raise Errno(linux.EINVAL)
        if family in (abi.AF_INET, abi.AF_INET6):
            return self._make_inet(family, kind, protocol)
        if family == abi.AF_UNIX:
            if protocol not in (0, abi.AF_UNIX):
                raise Errno(abi.EPROTONOSUPPORT)
            if kind in (abi.SOCK_STREAM, abi.SOCK_SEQPACKET):
                return UnixStream(self, family, kind, 0)
            if kind in (abi.SOCK_DGRAM, abi.SOCK_RAW):
                return UnixDatagram(self, family, abi.SOCK_DGRAM, 0)
            raise Errno(abi.ESOCKTNOSUPPORT)
        if family == abi.AF_NETLINK:
            if kind not in (abi.SOCK_RAW, abi.SOCK_DGRAM):
                raise Errno(abi.ESOCKTNOSUPPORT)
            if protocol != NETLINK_ROUTE:
                raise Errno(abi.EPROTONOSUPPORT)
            return NetlinkSocket(self, family, kind, protocol)
        raise Errno(abi.EAFNOSUPPORT)

    def _make_inet(self, family: int, kind: int, protocol: int) -> Socket:
        if kind == abi.SOCK_STREAM:
            if protocol not in (0, abi.IPPROTO_TCP):
                raise Errno(abi.EPROTONOSUPPORT)
            return TcpSocket(self, family, kind, abi.IPPROTO_TCP)
        if kind == abi.SOCK_DGRAM:
            if protocol in (abi.IPPROTO_ICMP, abi.IPPROTO_ICMPV6):
                # net.ipv4.ping_group_range: nobody.
                self._kernel.report_refusal("socket")
                raise Errno(linux.EACCES)
            if protocol not in (0, abi.IPPROTO_UDP):
                raise Errno(abi.EPROTONOSUPPORT)
            return UdpSocket(self, family, kind, abi.IPPROTO_UDP)
        if kind == abi.SOCK_RAW:
            self._kernel.report_refusal("socket")
            raise Errno(linux.EPERM)
        raise Errno(abi.ESOCKTNOSUPPORT)

    # --- TCP --------------------------------------------------------------------------------------

    def connect_tcp(self, socket: TcpSocket, to: Inet) -> None:
        """Connect a socket that is bound; it stays connecting if that cannot be done at once."""
        if to == RESOLVER:
            self.names.serve(socket)
            return
        assert isinstance(socket.local, Inet)
        server = self.tcp.find(to, spread=socket.local.port) if is_local(to.ip) else None
        served = isinstance(server, TcpSocket) and server.listening
        way = self.firewall.way("tcp", to, served)
        if way is Way.PRIVATE or way is Way.DENIED:
            private = served or way is Way.PRIVATE
            self.record("tcp connect", self.describe(to), "private" if private else "refused")
        if served:
            assert isinstance(server, TcpSocket)
            server.offer(socket)
        elif len(self._watched) >= _OUTER:
            self.record("tcp connect", self.describe(to), "refused: too many at once")
            raise Errno(abi.ENOBUFS)
        elif way is Way.HOST:
            self.record("tcp connect", self.describe(to), "granted")
            family = host.AF_INET if to.ip.version == 4 else host.AF_INET6
            bridge = Bridge(self, socket, host.socket(family, host.SOCK_STREAM))
            self._connecting[socket] = bridge
            bridge.connect(str(to.ip), to.port)
        elif way is Way.HANDLER:
            self.admit_handler("tcp connect", to, abi.ECONNREFUSED)
            assert self.firewall.handler is not None
            address = self.meant(to)
            self._connecting[socket] = HandlerBridge(self, socket, self.firewall.handler, address)
        else:
            socket.refuse(abi.ECONNREFUSED)

    def abandon(self, socket: TcpSocket) -> None:
        """A socket is closed while it connects."""
        bridge = self._connecting.pop(socket, None)
        if bridge is not None:
            bridge.close()

    def settled(self, socket: TcpSocket) -> None:
        """A socket's connect has ended, one way or the other."""
        self._connecting.pop(socket, None)

    def listening_began(self, socket: TcpSocket) -> None:
        """A socket listens: on the host, too, if that is granted."""
        assert socket.bound is not None
        at = self.firewall.host_listener("tcp", socket.bound)
        self.record("tcp listen", str(socket.bound), "private" if at is None else "granted")
        if at is not None:
            try:
                self._listeners[socket] = HostListener(self, socket, at)
            except Errno:
                socket.backlog = None
                raise

    def accepted(self, socket: TcpSocket) -> None:
        """A socket has accepted a connection."""
        listener = self._listeners.get(socket)
        if listener is not None:
            listener.accepted()

    def listening_ended(self, socket: TcpSocket) -> None:
        """A listening socket is closed."""
        listener = self._listeners.pop(socket, None)
        if listener is not None:
            listener.close()

    @property
    def listening(self) -> list[Listening]:
        """The granted listeners that there are now."""
        found = self.datagrams.listening()
        for socket, outer in tuple(self._listeners.items()):
            if socket.bound is not None:
                found.append(Listening("tcp", pair(socket.bound), outer.address))
        return found

    def admit_handler(self, kind: str, to: Inet, error: int) -> None:
        """Fail if too many handlers run already."""
        self.handlers = [progress for progress in self.handlers if not progress.finished]
        if len(self.handlers) >= _HANDLERS:
            self.record(kind, self.describe(to), "refused: too many at once")
            raise Errno(error)

    # --- names of addresses -----------------------------------------------------------------------

    def meant(self, to: Inet) -> tuple[str, int]:
        """The name that led to an address, or the address; and the port."""
        names = self.firewall.names_of(to.ip)
        return (names[0] if names else str(to.ip)), to.port

    def describe(self, to: Inet) -> str:
        """An address for the report, with its name."""
        names = self.firewall.names_of(to.ip)
        return f"{names[0]}:{to.port} ({to.ip})" if names else str(to)

    # --- Unix sockets -----------------------------------------------------------------------------

    def make_socket_file(self, name: bytes) -> object:
        """Create the file that a Unix socket is bound to. Raises Errno."""
        return self._kernel.files.make_socket(name)

    def find_socket_file(self, name: bytes) -> object:
        """What such a file leads to. Raises Errno."""
        return self._kernel.files.find_socket(name)

    # --- the outside ------------------------------------------------------------------------------

    def watch(self, outer: HasFileno, watcher: Watcher, events: int) -> None:
        """Wait for a socket of the host's to become ready for ``events``; 0 is no longer."""
        if events:
            self.outside.add(outer, events)
            self._watched[outer] = watcher
        elif outer in self._watched:
            self.outside.remove(outer)
            del self._watched[outer]

    def poll(self) -> None:
        """See what has happened outside, without waiting."""
        if self.outside.active or self.checked:
            self.outside.wait(0.0)

    def _dispatch(self, ready: Ready) -> None:
        self.names.check()
        for checked in tuple(self.checked):
            checked.check()
        for outer, events in ready:
            watcher = self._watched.get(outer)
            if watcher is not None:
                watcher.ready(events)

    def close(self) -> None:
        """Let go of everything of the host's."""
        closers: list[Callable[[], None]] = [
            *(bridge.close for bridge in self._connecting.values()),
            *(checked.close for checked in tuple(self.checked)),
        ]
        for close in closers:
            close()
        for outer in tuple(self._watched):
            self.outside.remove(outer)
            if isinstance(outer, host.socket):
                outer.close()
        self._watched.clear()
