"""Granted datagrams: what a UDP socket of the guest exchanges with the host's network."""

from __future__ import annotations

import ipaddress
import selectors
import socket as host
from collections import OrderedDict
from typing import TYPE_CHECKING

from ..table import Errno
from . import abi
from .addresses import Inet, unmapped
from .bridge import linux_error

if TYPE_CHECKING:
    from .network import NetworkStack
    from .udp import UdpSocket

#: Addresses that are remembered at most: who may answer, or be answered.
_KNOWN = 1024


class HostDatagrams:
    """A UDP socket of the host's, for one family of one of the guest's. Without ``at`` only who was
    sent something may answer; with it, the host's address to be bound, anybody may send, and be
    answered."""

    def __init__(
        self, network: NetworkStack, guest: UdpSocket, version: int, at: Inet | None = None
    ) -> None:
        family = host.AF_INET if version == 4 else host.AF_INET6
        self.network, self.guest, self.version = network, guest, version
        self._open_to_all = at is not None
        self._known: OrderedDict[Inet, None] = OrderedDict()
        self._outer = host.socket(family, host.SOCK_DGRAM)
        try:
            self._outer.setblocking(False)
            if at is not None:
                self._outer.bind((str(at.ip), at.port))
        except OSError as error:
            self._outer.close()
            raise Errno(linux_error(error.errno, abi.EADDRNOTAVAIL)) from None
        self.address: tuple[str, int] = self._outer.getsockname()[:2]
        network.watch(self._outer, self, selectors.EVENT_READ)

    def send(self, data: bytes, to: Inet) -> None:
        """Send what the guest sends. A full buffer loses it, as networks do."""
        self._remember(to)
        try:
            self._outer.sendto(data, (str(to.ip), to.port))
        except BlockingIOError:
            return
        except OSError as error:
            raise Errno(linux_error(error.errno, abi.ENETUNREACH)) from None

    def may_answer(self, to: Inet) -> bool:
        """Whether somebody there has sent something."""
        return self._open_to_all and to in self._known

    def _remember(self, address: Inet) -> None:
        self._known[address] = None
        self._known.move_to_end(address)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def ready(self, events: int) -> None:
        """Datagrams came."""
        while True:
            try:
                data, where = self._outer.recvfrom(65536)
            except BlockingIOError:
                return
            except OSError as error:
                # The answer to something that was sent: nobody is there.
                if self.guest.remote is not None:
                    self.guest.broken(linux_error(error.errno, abi.ECONNREFUSED))
                return
            source = Inet(unmapped(ipaddress.ip_address(where[0].partition("%")[0])), where[1])
            if self._open_to_all or source in self._known:
                self._remember(source)
                self.guest.deliver(data, source)

    def close(self) -> None:
        """The guest's socket is gone."""
        self.network.watch(self._outer, self, 0)
        self._outer.close()

    def __del__(self) -> None:
        self._outer.close()
