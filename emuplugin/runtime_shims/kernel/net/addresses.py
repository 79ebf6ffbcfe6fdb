"""Socket addresses: ``struct sockaddr_*`` and their Python faces (man 7 ip, ipv6, unix)."""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

from ..linux import EINVAL
from ..table import Errno
from . import abi

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
_ANY4, _ANY6 = ipaddress.IPv4Address(0), ipaddress.IPv6Address(0)
#: The only interface, ``lo``.
LOOPBACK_INDEX = 1
#: ``sizeof(struct sockaddr_storage)``, the longest address the kernel takes.
LONGEST = 128
_UNIX_PATH = 108


class Inet(NamedTuple):
    """An address and port. IPv4 addresses stay IPv4 here, even on IPv6 sockets, where the guest
    sees them mapped (``::ffff:127.0.0.1``)."""

    ip: IP
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if self.ip.version == 6 else f"{self.ip}:{self.port}"


class Unix(NamedTuple):
    """A name of a Unix socket: ``b""`` none, ``b"\\0name"`` abstract, otherwise a path."""

    name: bytes

    @property
    def abstract(self) -> bool:
        return self.name.startswith(b"\0")

    def __str__(self) -> str:
        text = self.name.decode(errors="backslashreplace")
        return "@" + text[1:] if self.abstract else text


class Netlink(NamedTuple):
    """A port of the kernel's (0) or of a socket."""

    port: int


Address = Inet | Unix | Netlink


def any_of(family: int) -> IP:
    """0.0.0.0 or ::."""
    return _ANY4 if family == abi.AF_INET else _ANY6


def unmapped(ip: IP) -> IP:
    """An IPv4-mapped IPv6 address as the IPv4 address that it means."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return ip if mapped is None else mapped


def family_of(data: bytes) -> int:
    """The family at the start of a ``struct sockaddr``; EINVAL if it is cut short."""
    if len(data) < 2:
        raise Errno(EINVAL)
    return int.from_bytes(data[:2], "little")


def parse(family: int, data: bytes) -> Address:
    """What the guest passed to a socket of ``family``. Raises Errno."""
    given = family_of(data)
    if family == abi.AF_INET:
        if len(data) < 16:
            raise Errno(EINVAL)
        if given != abi.AF_INET and not (given == abi.AF_UNSPEC and not any(data[4:8])):
            raise Errno(abi.EAFNOSUPPORT)
        return Inet(ipaddress.IPv4Address(data[4:8]), int.from_bytes(data[2:4], "big"))
    if family == abi.AF_INET6:
        if given == abi.AF_INET and len(data) >= 16:
            return parse(abi.AF_INET, data)
        if len(data) < 24:
            raise Errno(EINVAL)
        if given != abi.AF_INET6:
            raise Errno(abi.EAFNOSUPPORT)
        port = int.from_bytes(data[2:4], "big")
        return Inet(unmapped(ipaddress.IPv6Address(data[8:24])), port)
    if given != family:
        raise Errno(EINVAL)
    if family == abi.AF_UNIX:
        if len(data) > 2 + _UNIX_PATH:
            raise Errno(EINVAL)
        name = data[2:]
        return Unix(name if name[:1] == b"\0" else name.partition(b"\0")[0])
    if len(data) < 12:
        raise Errno(EINVAL)
    return Netlink(struct.unpack_from("<I", data, 4)[0])


def pack(family: int, address: Address | None) -> bytes:
    """The ``struct sockaddr_*`` that a socket of ``family`` shows for an address."""
    if isinstance(address, Inet):
        if family == abi.AF_INET:
            assert isinstance(address.ip, ipaddress.IPv4Address)
            return struct.pack("<H", family) + _port(address) + address.ip.packed + bytes(8)
        ip = address.ip.packed if address.ip.version == 6 else _mapped(address.ip)
        scope = LOOPBACK_INDEX if ip[:2] == b"\xfe\x80" else 0
        return struct.pack("<H", family) + _port(address) + bytes(4) + ip + struct.pack("<I", scope)
    if isinstance(address, Netlink):
        return struct.pack("<HHII", family, 0, address.port, 0)
    if isinstance(address, Unix) and address.name:
        end = b"" if address.abstract else b"\0"
        return struct.pack("<H", abi.AF_UNIX) + address.name + end
    return struct.pack("<H", family)


def _port(address: Inet) -> bytes:
    return address.port.to_bytes(2, "big")


def _mapped(ip: IP) -> bytes:
    return bytes(10) + b"\xff\xff" + ip.packed
