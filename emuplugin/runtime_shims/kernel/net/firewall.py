"""Where a connection goes: to the machine itself, through to the host, to Python code, nowhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from .addresses import IP, Inet, unmapped
from .inet import is_local

if TYPE_CHECKING:
    from emuplugin.network import Network

#: Addresses that stand for names which only Python code serves (RFC 2544: for benchmarks).
_STAND_INS = ipaddress.ip_network("198.18.0.0/15")
_NAT64 = ipaddress.ip_network("64:ff9b::/32")
#: Names that are remembered, at most.
MOST_NAMES = 10_000


class Way(Enum):
    """What happens to a connection."""

    PRIVATE = "private"
    HOST = "granted"
    HANDLER = "handler"
    DENIED = "refused"


class Rule(NamedTuple):
    """One pattern of a grant, taken apart. ``port`` None is any; one of ``network`` and ``name``
    is set, neither for ``*``."""

    protocol: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None
    name: str | None
    port: int | None

    def covers_address(self, protocol: str, to: Inet) -> bool:
        """Whether the pattern grants an address by itself. ``*`` means the public Internet only."""
        if protocol != self.protocol or self.port not in (None, to.port) or self.name is not None:
            return False
        if self.network is None:
            return is_public(to.ip)
        return to.ip in self.network

    def covers_name(self, protocol: str, name: str, port: int | None) -> bool:
        """Whether the pattern grants a name; with ``port`` None, on any port."""
        if protocol not in ("", self.protocol) or self.network is not None:
            return False
        if port is not None and self.port not in (None, port):
            return False
        if self.name is None:
            return True
        if self.name.startswith("*."):
            return name.endswith(self.name[1:])
        return name == self.name


def is_public(ip: IP) -> bool:
    """Whether an address is one of the public Internet, and not one that stands for another."""
    if ip.version == 6 and (ip.sixtofour or ip.teredo or ip.ipv4_mapped or ip in _NAT64):
        return False
    return ip.is_global and not ip.is_multicast


class Firewall:
    """The grants of a sandbox, and the names that granted addresses were found by."""

    def __init__(self, grants: Network) -> None:
        self.handler = grants.handler
        self._connect = [_rule(pattern) for pattern in grants.connect]
        self._listen = [_rule(pattern) for pattern in grants.listen]
        self.given: dict[str, list[IP]] = {
            canonical(name): [ipaddress.ip_address(a) for a in _listed(addresses)]
            for name, addresses in grants.resolve.items()
        }
        self._names: dict[IP, list[str]] = {}
        self._stand_ins: dict[str, IP] = {}

    # --- names ------------------------------------------------------------------------------------

    def may_resolve(self, name: str) -> bool:
        """Whether the host may be asked for a name."""
        return any(rule.covers_name("", name, None) for rule in self._connect)

    def found(self, name: str, addresses: Iterable[IP]) -> list[IP]:
        """A name has these addresses; those that may be used. A name of the outside that leads
        to a private address of the host's network leads nowhere, unless that address is granted
        or given by ``resolve``: who owns a granted name must not choose what it opens."""
        given = self.given.get(name, ())
        usable = []
        for address in map(unmapped, addresses):
            if address in given or is_public(address):
                usable.append(address)
                names = self._names.setdefault(address, [])
                if name not in names:
                    names.append(name)
            elif self._is_granted(address):
                # The address is granted with its own ports, not with those of the name.
                usable.append(address)
        return usable

    def names_of(self, ip: IP) -> list[str]:
        """The names that led to an address."""
        return self._names.get(ip, [])

    def stand_in(self, name: str) -> IP | None:
        """An address for a name that only the handler serves; None if there are too many."""
        if name not in self._stand_ins:
            if len(self._stand_ins) >= MOST_NAMES:
                return None
            address = _STAND_INS[1 + len(self._stand_ins)]
            self._stand_ins[name] = address
            self._names[address] = [name]
        return self._stand_ins[name]

    # --- decisions --------------------------------------------------------------------------------

    def way(self, protocol: str, to: Inet, served: bool) -> Way:
        """Where a connection goes; ``served`` tells whether a socket of the machine is there."""
        if served:
            return Way.PRIVATE
        if self._to_host(protocol, to):
            return Way.HOST
        if self.handler is not None and not to.ip.is_multicast:
            return Way.HANDLER
        return Way.PRIVATE if is_local(to.ip) else Way.DENIED

    def _to_host(self, protocol: str, to: Inet) -> bool:
        if to.ip in _STAND_INS and to.ip in self._names:
            return False
        if any(rule.covers_address(protocol, to) for rule in self._connect):
            return True
        if is_local(to.ip):
            return any(
                rule.name == "localhost" and rule.covers_name(protocol, "localhost", to.port)
                for rule in self._connect
            )
        return any(
            rule.covers_name(protocol, name, to.port)
            for name in self.names_of(to.ip)
            for rule in self._connect
        )

    def _is_granted(self, ip: IP) -> bool:
        return any(rule.network is not None and ip in rule.network for rule in self._connect)

    # --- listening --------------------------------------------------------------------------------

    def is_listen_address(self, ip: IP) -> bool:
        """Whether a granted listener has just this address."""
        return any(
            rule.network is not None and rule.network.network_address == ip for rule in self._listen
        )

    def host_listener(self, protocol: str, at: Inet) -> Inet | None:
        """Where on the host to listen for a guest that listens ``at``; None if it is not granted.
        A grant of port 0 lets the host choose, whatever port the guest has."""
        for rule in self._listen:
            if rule.protocol != protocol or rule.network is None:
                continue
            ip = rule.network.network_address
            if ip != at.ip and not (at.ip.is_unspecified and _reaches(at.ip, ip)):
                continue
            if rule.port == 0:
                return Inet(ip, 0)
            if rule.port in (None, at.port):
                return Inet(ip, at.port)
        return None


def canonical(name: str) -> str:
    """A host name as it is compared: lower case, without the dot at the end."""
    return name.lower().removesuffix(".")


def _reaches(anywhere: IP, ip: IP) -> bool:
    """Whether a listener on 0.0.0.0 or :: (dual stack) is there for an address."""
    return anywhere.version == 6 or ip.version == 4


def _listed(given: str | Iterable[str]) -> Iterable[str]:
    return (given,) if isinstance(given, str) else given


def _rule(pattern: str) -> Rule:
    from emuplugin.network import split_pattern

    protocol, host, port = split_pattern(pattern)
    if host == "*":
        return Rule(protocol, None, None, port)
    try:
        return Rule(protocol, ipaddress.ip_network(host, strict=False), None, port)
    except ValueError:
        return Rule(protocol, None, canonical(host), port)
