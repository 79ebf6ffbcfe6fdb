"""Granted listeners: what connects to the host's address arrives at a socket of the guest."""

from __future__ import annotations

import ipaddress
import selectors
import socket as host
from typing import TYPE_CHECKING

from ..table import Errno
from . import abi
from .addresses import Inet, unmapped
from .bridge import Bridge, linux_error
from .tcp import TcpSocket

if TYPE_CHECKING:
    from .network import NetworkStack


class HostListener:
    """A listening socket of the host's, for one of the guest's. ``address`` is the host's."""

    def __init__(self, network: NetworkStack, guest: TcpSocket, at: Inet) -> None:
        family = host.AF_INET if at.ip.version == 4 else host.AF_INET6
        self.network, self.guest = network, guest
        self._outer = host.socket(family, host.SOCK_STREAM)
        try:
            self._outer.setblocking(False)
            self._outer.setsockopt(host.SOL_SOCKET, host.SO_REUSEADDR, 1)
            self._outer.bind((str(at.ip), at.port))
            self._outer.listen(min(guest.room_in_backlog, host.SOMAXCONN))
        except OSError as error:
            self._outer.close()
            raise Errno(linux_error(error.errno, abi.EADDRNOTAVAIL)) from None
        self.address: tuple[str, int] = self._outer.getsockname()[:2]
        network.watch(self._outer, self, selectors.EVENT_READ)

    def ready(self, events: int) -> None:
        """Take in who came, while there is room for them."""
        while self.guest.backlog is not None:
            if len(self.guest.backlog) >= self.guest.room_in_backlog:
                self.network.watch(self._outer, self, 0)
                return
            try:
                outer, where = self._outer.accept()
            except ConnectionAbortedError:
                continue  # who wanted to connect has given up already
            except OSError:
                return  # nobody is there, or the host has no descriptor left for them
            server = self.guest.pair()
            assert isinstance(server, TcpSocket)
            server.options = dict(self.guest.options)
            bridge = Bridge(self.network, server, outer)
            source = Inet(unmapped(ipaddress.ip_address(where[0].partition("%")[0])), where[1])
            server.remote = source
            server.local = self.guest.local
            bridge.established()
            self.network.record("tcp accept", str(source), "granted")
            self.guest.queue_accepted(server)

    def accepted(self) -> None:
        """The guest has taken one in: there is room."""
        self.network.watch(self._outer, self, selectors.EVENT_READ)

    def close(self) -> None:
        self.network.watch(self._outer, self, 0)
        self._outer.close()

    def __del__(self) -> None:
        self._outer.close()
