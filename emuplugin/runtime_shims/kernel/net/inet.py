"""What TCP and UDP sockets share: addresses, ports, dual stack."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from .. import linux
from ..table import Errno
from . import abi
from .addresses import IP, Address, Inet, any_of, pack
from .socket import Socket

if TYPE_CHECKING:
    from .ports import Ports

LOOPBACK4 = ipaddress.IPv4Address("127.0.0.1")
LOOPBACK6 = ipaddress.IPv6Address("::1")
#: Where connections that leave the machine come from, as the guest sees it: addresses that are
#: reserved for documentation, so that nothing is told of the host and nothing else has them.
OWN4 = ipaddress.IPv4Address("192.0.2.2")
OWN6 = ipaddress.IPv6Address("2001:db8::2")


def is_local(ip: IP) -> bool:
    """Whether an address is one of the machine's own."""
    return ip.is_loopback or ip.is_unspecified or ip in (OWN4, OWN6)


def source_for(ip: IP) -> IP:
    """The machine's own address that packets to ``ip`` come from."""
    if ip.is_loopback or ip.is_unspecified:
        return LOOPBACK4 if ip.version == 4 else LOOPBACK6
    if ip in (OWN4, OWN6):
        return ip
    return OWN4 if ip.version == 4 else OWN6


class InetSocket(Socket):
    """A socket of the Internet families. ``bound`` is what it has taken from ``ports``."""

    ports: Ports
    bound: Inet | None = None
    local: Address | None
    remote: Address | None

    @property
    def v6only(self) -> bool:
        return bool(self.option(abi.IPPROTO_IPV6, abi.IPV6_V6ONLY))

    def may_bind(self, ip: IP) -> bool:
        """Whether an address is here to be bound."""
        return is_local(ip) or self.network.firewall.is_listen_address(ip)

    def bind(self, address: Address) -> None:
        assert isinstance(address, Inet)
        if self.bound is not None:
            raise Errno(linux.EINVAL)
        if self.family == abi.AF_INET6 and address.ip.version == 4 and self.v6only:
            raise Errno(linux.EINVAL)
        if not self.may_bind(address.ip) and not self.option(abi.IPPROTO_IP, abi.IP_FREEBIND):
            raise Errno(abi.EADDRNOTAVAIL)
        self.ports.bind(self, address)

    def autobind(self, to: IP | None = None) -> None:
        """Take a port if there is none yet; a socket bound to all addresses gets, once it is
        connected, the one that packets to ``to`` come from."""
        if self.bound is None:
            self.ports.bind(self, Inet(any_of(self.family), 0))
        assert self.bound is not None
        if to is not None:
            ip = source_for(to) if self.bound.ip.is_unspecified else self.bound.ip
            self.local = Inet(ip, self.bound.port)

    def target(self, address: Address) -> Inet:
        """Where a packet to ``address`` goes; nowhere means the machine itself. Raises Errno."""
        assert isinstance(address, Inet)
        ip = address.ip
        if ip.version == 4 and self.family == abi.AF_INET6 and self.v6only:
            raise Errno(abi.ENETUNREACH)
        bound = self.bound
        if bound is not None and not bound.ip.is_unspecified and bound.ip.version != ip.version:
            raise Errno(abi.ENETUNREACH if ip.version == 4 else linux.EINVAL)
        return Inet(source_for(ip), address.port) if ip.is_unspecified else address

    def local_name(self) -> bytes:
        return pack(self.family, self.local or Inet(any_of(self.family), 0))
