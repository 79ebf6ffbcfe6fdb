"""Socket options (man 7 socket, tcp, ip, ipv6).

Most have nothing to act on where no packet is ever lost or late: they are checked and remembered,
so that a program finds what it has set.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING

from .. import linux
from ..signals import UID
from ..table import Errno, signed32, syscall
from . import abi
from .calls import socket_of
from .queue import CAPACITY
from .socket import Socket
from .tcp import TcpSocket
from .udp import UdpSocket

if TYPE_CHECKING:
    from ..kernel import Kernel

_SOCKET, _TCP, _IP, _IPV6 = abi.SOL_SOCKET, abi.IPPROTO_TCP, abi.IPPROTO_IP, abi.IPPROTO_IPV6
_BUFFER_MIN, _BUFFER_MAX = 2304, 2 * CAPACITY
_SECOND = 1_000_000_000

#: Integers that are remembered: their default, the least and the most that Linux takes.
_INT_MAX = 0x7FFFFFFF
_FLAG = (0, -_INT_MAX - 1, _INT_MAX)
_NUMBERS: dict[tuple[int, int], tuple[int, int, int]] = {
    **{
        (_SOCKET, name): _FLAG
        for name in (
            abi.SO_REUSEADDR, abi.SO_DONTROUTE, abi.SO_BROADCAST, abi.SO_KEEPALIVE,
            abi.SO_OOBINLINE, abi.SO_NO_CHECK, abi.SO_REUSEPORT, abi.SO_PASSCRED, abi.SO_TIMESTAMP,
        )
    },
    (_SOCKET, abi.SO_PRIORITY): (0, 0, 6),
    (_SOCKET, abi.SO_RCVLOWAT): (1, 0, _INT_MAX),
    (_SOCKET, abi.SO_SNDLOWAT): (1, 1, 1),
    (_SOCKET, abi.SO_PEEK_OFF): (-1, -1, -1),
    (_SOCKET, abi.SO_BUSY_POLL): (0, 0, 0),
    (_TCP, abi.TCP_NODELAY): _FLAG,
    (_TCP, abi.TCP_CORK): _FLAG,
    (_TCP, abi.TCP_MAXSEG): (65483, 88, 32767),
    (_TCP, abi.TCP_KEEPIDLE): (7200, 1, 32767),
    (_TCP, abi.TCP_KEEPINTVL): (75, 1, 32767),
    (_TCP, abi.TCP_KEEPCNT): (9, 1, 127),
    (_TCP, abi.TCP_SYNCNT): (6, 1, 127),
    (_TCP, abi.TCP_LINGER2): (60, -1, _INT_MAX),
    (_TCP, abi.TCP_DEFER_ACCEPT): (0, 0, _INT_MAX),
    (_TCP, abi.TCP_WINDOW_CLAMP): (0, 0, _INT_MAX),
    (_TCP, abi.TCP_QUICKACK): (1, -_INT_MAX - 1, _INT_MAX),
    (_TCP, abi.TCP_USER_TIMEOUT): (0, 0, _INT_MAX),
    (_TCP, abi.TCP_FASTOPEN): (0, 0, _INT_MAX),
    (_TCP, abi.TCP_FASTOPEN_CONNECT): (0, 0, 1),
    (_TCP, abi.TCP_NOTSENT_LOWAT): (-1, -_INT_MAX - 1, _INT_MAX),
    (_IP, abi.IP_TOS): (0, 0, 255),
    (_IP, abi.IP_TTL): (64, 1, 255),
    (_IP, abi.IP_MTU_DISCOVER): (1, 0, 5),
    (_IP, abi.IP_MULTICAST_TTL): (1, -1, 255),
    (_IP, abi.IP_MULTICAST_LOOP): (1, -_INT_MAX - 1, _INT_MAX),
    (_IP, abi.IP_MULTICAST_ALL): (1, 0, 1),
    **{
        (_IP, name): _FLAG
        for name in (
            abi.IP_PKTINFO, abi.IP_RECVERR, abi.IP_RECVTTL, abi.IP_RECVTOS, abi.IP_FREEBIND,
            abi.IP_BIND_ADDRESS_NO_PORT, abi.IP_LOCAL_PORT_RANGE,
        )
    },
    (_IPV6, abi.IPV6_UNICAST_HOPS): (64, -1, 255),
    (_IPV6, abi.IPV6_MULTICAST_IF): (0, 0, 1),
    (_IPV6, abi.IPV6_MULTICAST_HOPS): (1, -1, 255),
    (_IPV6, abi.IPV6_MULTICAST_LOOP): (1, 0, 1),
    (_IPV6, abi.IPV6_MTU_DISCOVER): (1, 0, 5),
    (_IPV6, abi.IPV6_TCLASS): (0, -1, 255),
    **{
        (_IPV6, name): _FLAG
        for name in (
            abi.IPV6_V6ONLY, abi.IPV6_RECVERR, abi.IPV6_RECVPKTINFO, abi.IPV6_RECVHOPLIMIT,
            abi.IPV6_RECVTCLASS,
        )
    },
}  # fmt: skip
#: Those of _FLAG that keep the number; the others become 0 or 1.
_KEPT = frozenset(((_IP, abi.IP_LOCAL_PORT_RANGE),))
_TIMEOUTS = (abi.SO_RCVTIMEO, abi.SO_SNDTIMEO)
_NOBODY = 0xFFFFFFFF
_CONGESTION = b"cubic\0"


def _check_level(file: Socket, level: int, inet: int) -> None:
    """Fail for options of other protocols: with ``inet`` on TCP and UDP, else with EOPNOTSUPP."""
    tcp = isinstance(file, TcpSocket)
    known = {
        _SOCKET: True,
        _TCP: tcp,
        abi.IPPROTO_UDP: isinstance(file, UdpSocket),
        _IP: file.family in (abi.AF_INET, abi.AF_INET6),
        _IPV6: file.family == abi.AF_INET6,
    }
    if not known.get(level, False):
        raise Errno(inet if known[_IP] else abi.EOPNOTSUPP)


@syscall(54, "setsockopt", "partial", "what Go and C programs set; much is only remembered")
def setsockopt(kernel: Kernel, fd: int, level: int, name: int, at: int, size: int) -> int:
    file, level, name, size = socket_of(kernel, fd), signed32(level), signed32(name), signed32(size)
    if size < 0:
        raise Errno(linux.EINVAL)
    _check_level(file, level, abi.ENOPROTOOPT)
    key = level, name
    if level == _SOCKET and name in _TIMEOUTS:
        _set_timeout(kernel, file, name, at, size)
    elif key == (_SOCKET, abi.SO_LINGER):
        if size < 8:
            raise Errno(linux.EINVAL)
        on, seconds = struct.unpack("<ii", kernel.read(at, 8))
        if isinstance(file, TcpSocket):
            file.linger = int(bool(on)), seconds
    elif key == (_TCP, abi.TCP_CONGESTION):
        if kernel.read(at, min(size, 16)).rstrip(b"\0") not in (b"cubic", b"reno"):
            raise Errno(linux.ENOENT)
    elif key in _GROUPS:
        _change_group(kernel, file, key, at, size)
    elif key == (_IP, abi.IP_MULTICAST_IF):
        if size < 4:
            raise Errno(linux.EINVAL)
        kernel.read(at, size)
    elif level == _SOCKET and name in _PRIVILEGED:
        kernel.report_refusal("setsockopt")
        raise Errno(linux.EPERM)
    else:
        value = _read_int(kernel, at, size, key)
        _set_number(file, key, value)
    return 0


def _read_int(kernel: Kernel, at: int, size: int, key: tuple[int, int]) -> int:
    if size >= 4:
        return signed32(kernel.read_u32(at))
    if key[0] == _IP and size >= 1:  # man 7 ip: a byte does, too
        return kernel.read(at, 1)[0]
    raise Errno(linux.EINVAL)


_PRIVILEGED = frozenset((abi.SO_MARK, abi.SO_SNDBUFFORCE, abi.SO_RCVBUFFORCE, abi.SO_DEBUG))
_BUFFERS = frozenset(((_SOCKET, abi.SO_SNDBUF), (_SOCKET, abi.SO_RCVBUF)))


def _set_number(file: Socket, key: tuple[int, int], value: int) -> None:
    if key in _BUFFERS:
        # Linux keeps twice what was asked for: half is bookkeeping.
        file.options[key] = max(_BUFFER_MIN, min(2 * max(value, 0), _BUFFER_MAX))
        return
    limits = _NUMBERS.get(key)
    if limits is None:
        raise Errno(abi.ENOPROTOOPT)
    _, least, most = limits
    if not least <= value <= most:
        raise Errno(linux.EINVAL)
    if key == (_IPV6, abi.IPV6_V6ONLY) and file.local is not None:
        raise Errno(linux.EINVAL)
    file.options[key] = int(bool(value)) if limits is _FLAG and key not in _KEPT else value


def _set_timeout(kernel: Kernel, file: Socket, name: int, at: int, size: int) -> None:
    if size < 16:
        raise Errno(linux.EINVAL)
    seconds, microseconds = struct.unpack("<qq", kernel.read(at, 16))
    if not 0 <= microseconds < 1_000_000:
        raise Errno(linux.EDOM)
    # Linux: a negative time is none at all.
    value = max(seconds * _SECOND + microseconds * 1000, 1) if seconds >= 0 else 1
    if not seconds and not microseconds:
        value = 0
    if name == abi.SO_RCVTIMEO:
        file.receive_timeout = value
    else:
        file.send_timeout = value


_GROUPS = frozenset(
    (
        (_IP, abi.IP_ADD_MEMBERSHIP),
        (_IP, abi.IP_DROP_MEMBERSHIP),
        (_IPV6, abi.IPV6_ADD_MEMBERSHIP),
        (_IPV6, abi.IPV6_DROP_MEMBERSHIP),
    )
)


def _change_group(kernel: Kernel, file: Socket, key: tuple[int, int], at: int, size: int) -> None:
    if not isinstance(file, UdpSocket):
        raise Errno(abi.ENOPROTOOPT)
    length = 8 if key[0] == _IP else 20
    if size < length:
        raise Errno(linux.EINVAL)
    data = kernel.read(at, length)
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address
    ip = ipaddress.IPv4Address(data[:4]) if key[0] == _IP else ipaddress.IPv6Address(data[:16])
    if not ip.is_multicast:
        raise Errno(linux.EINVAL)
    if key[1] in (abi.IP_ADD_MEMBERSHIP, abi.IPV6_ADD_MEMBERSHIP):
        if ip in file.groups:
            raise Errno(abi.EADDRINUSE)
        if len(file.groups) >= 20:  # net.ipv4.igmp_max_memberships
            raise Errno(abi.ENOBUFS)
        file.groups.add(ip)
    elif ip in file.groups:
        file.groups.remove(ip)
    else:
        raise Errno(abi.EADDRNOTAVAIL)


@syscall(55, "getsockopt", "partial", "as setsockopt")
def getsockopt(kernel: Kernel, fd: int, level: int, name: int, at: int, size_at: int) -> int:
    file, level, name = socket_of(kernel, fd), signed32(level), signed32(name)
    room = signed32(kernel.read_u32(size_at))
    if room < 0:
        raise Errno(linux.EINVAL)
    _check_level(file, level, abi.EOPNOTSUPP if file.family == abi.AF_INET else abi.ENOPROTOOPT)
    value = _value(kernel, file, level, name)[:room]
    kernel.write(at, value)
    kernel.write_u32(size_at, len(value))
    return 0


def _value(kernel: Kernel, file: Socket, level: int, name: int) -> bytes:
    """An option as the guest sees it. Raises ENOPROTOOPT."""
    key = level, name
    if key == (_SOCKET, abi.SO_LINGER):
        return struct.pack("<ii", *(file.linger if isinstance(file, TcpSocket) else (0, 0)))
    if level == _SOCKET and name in _TIMEOUTS:
        timeout = file.receive_timeout if name == abi.SO_RCVTIMEO else file.send_timeout
        return struct.pack("<qq", timeout // _SECOND, timeout % _SECOND // 1000)
    if key == (_SOCKET, abi.SO_PEERCRED):
        known = file.family == abi.AF_UNIX and file.remote is not None
        return struct.pack("<III", *((kernel.pid, UID, UID) if known else (0, _NOBODY, _NOBODY)))
    if key == (_SOCKET, abi.SO_COOKIE):
        return struct.pack("<Q", file.inode)
    if key == (_TCP, abi.TCP_CONGESTION):
        return _CONGESTION
    if key == (_TCP, abi.TCP_INFO):
        assert isinstance(file, TcpSocket)
        return bytes([_tcp_state(file)]) + bytes(231)
    if key == (_IP, abi.IP_MULTICAST_IF):
        return bytes(4)
    return struct.pack("<i", _number(file, key))


def _number(file: Socket, key: tuple[int, int]) -> int:
    known = {
        abi.SO_TYPE: file.kind,
        abi.SO_DOMAIN: file.family,
        abi.SO_PROTOCOL: file.protocol,
        abi.SO_ACCEPTCONN: int(file.listening),
    }
    if key[0] == _SOCKET and key[1] in known:
        return known[key[1]]
    if key == (_SOCKET, abi.SO_ERROR):
        return file.take_error()
    if key in _BUFFERS:
        return file.options.get(key, CAPACITY)
    if key not in _NUMBERS:
        raise Errno(abi.ENOPROTOOPT)
    return file.options.get(key, _NUMBERS[key][0])


def _tcp_state(file: TcpSocket) -> int:
    """``enum`` of include/net/tcp_states.h: ESTABLISHED, SYN_SENT, CLOSE, CLOSE_WAIT, LISTEN."""
    if file.listening:
        return 10
    if file.connecting:
        return 2
    if file.incoming is None or file.reset:
        return 7
    return 8 if file.incoming.ended else 1
