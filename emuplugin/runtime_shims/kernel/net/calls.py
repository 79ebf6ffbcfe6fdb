"""Making sockets and connecting them (man 2 socket, bind, connect, listen, accept)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .. import linux
from ..blocking import attempt_until, deadline_after
from ..table import Errno, signed32, syscall
from . import abi
from .addresses import LONGEST, Address, family_of, pack, parse
from .socket import Socket
from .tcp import TcpSocket
from .unix import connect_pair

if TYPE_CHECKING:
    from ..kernel import Kernel

_KNOWN_FLAGS = abi.SOCK_NONBLOCK | abi.SOCK_CLOEXEC


def socket_of(kernel: Kernel, fd: int) -> Socket:
    """The socket behind a descriptor. Raises EBADF and ENOTSOCK."""
    file = kernel.files.get(fd)
    if not isinstance(file, Socket):
        raise Errno(abi.ENOTSOCK)
    return file


def read_address(kernel: Kernel, at: int, size: int) -> bytes:
    """The bytes of a ``struct sockaddr`` that the guest passes."""
    length = signed32(size)
    if not 0 <= length <= LONGEST:
        raise Errno(linux.EINVAL)
    return kernel.read(at, length) if length else b""


def write_address(kernel: Kernel, at: int, size_at: int, data: bytes) -> None:
    """Give the guest an address: as much as fits, and how long it really is."""
    room = signed32(kernel.read_u32(size_at))
    if room < 0:
        raise Errno(linux.EINVAL)
    kernel.write(at, data[:room])
    kernel.write_u32(size_at, len(data))


def _kind(kind: int) -> tuple[int, int]:
    """SOCK_* and flags of a descriptor."""
    kind &= 0xFFFFFFFF
    flags = kind & ~abi.SOCK_TYPE_MASK
    if flags & ~_KNOWN_FLAGS:
        raise Errno(linux.EINVAL)
    return kind & abi.SOCK_TYPE_MASK, flags


def install(kernel: Kernel, socket: Socket, flags: int) -> int:
    """A descriptor for a socket; SOCK_NONBLOCK and SOCK_CLOEXEC have the values of O_*."""
    socket.flags |= flags & abi.SOCK_NONBLOCK
    return kernel.files.install(socket, flags)


@syscall(41, "socket", "partial", "AF_INET, AF_INET6 (TCP, UDP), AF_UNIX, AF_NETLINK for routes")
def socket(kernel: Kernel, family: int, kind: int, protocol: int) -> int:
    number, flags = _kind(kind)
    made = kernel.network.make(signed32(family), number, signed32(protocol))
    return install(kernel, made, flags)


@syscall(53, "socketpair", "partial", "AF_UNIX")
def socketpair(kernel: Kernel, family: int, kind: int, protocol: int, at: int) -> int:
    number, flags = _kind(kind)
    kernel.check_writable(at, 8)
    first = kernel.network.make(signed32(family), number, signed32(protocol))
    if signed32(family) != abi.AF_UNIX:
        raise Errno(abi.EOPNOTSUPP)
    second = kernel.network.make(signed32(family), number, signed32(protocol))
    connect_pair(first, second)
    numbers = []
    try:
        for end in (first, second):
            numbers.append(install(kernel, end, flags))
    except Errno:
        for fd in numbers:
            kernel.files.close(fd)
        raise
    kernel.write(at, struct.pack("<ii", *numbers))
    return 0


@syscall(49, "bind")
def bind(kernel: Kernel, fd: int, at: int, size: int) -> int:
    file = socket_of(kernel, fd)
    file.bind(parse(file.family, read_address(kernel, at, size)))
    return 0


@syscall(42, "connect")
def connect(kernel: Kernel, fd: int, at: int, size: int) -> int:
    file = socket_of(kernel, fd)
    data = read_address(kernel, at, size)
    address: Address | None = None
    if family_of(data) != abi.AF_UNSPEC:
        address = parse(file.family, data)
    nonblocking = bool(file.flags & linux.O_NONBLOCK)
    known = file.announce if isinstance(file, TcpSocket) else False
    done = file.connect(address)
    if isinstance(file, TcpSocket) and address is not None:
        if nonblocking and not known:
            # Linux says so on the loopback, too: the answer comes when the socket is let go.
            file.announce = True
            raise Errno(abi.EINPROGRESS)
        return attempt_until(
            kernel,
            lambda: 0 if file.connected() else None,
            deadline=deadline_after(kernel, file.send_timeout),
            timeout=-abi.EINPROGRESS,
        )
    if not done:
        return attempt_until(
            kernel,
            lambda: 0 if file.connect(address) else None,
            nonblocking=nonblocking,
            deadline=deadline_after(kernel, file.send_timeout),
        )
    return 0


@syscall(50, "listen")
def listen(kernel: Kernel, fd: int, backlog: int) -> int:
    socket_of(kernel, fd).listen(signed32(backlog))
    return 0


@syscall(288, "accept4")
def accept4(kernel: Kernel, fd: int, at: int, size_at: int, flags: int) -> int:
    file = socket_of(kernel, fd)
    if flags & 0xFFFFFFFF & ~_KNOWN_FLAGS:
        raise Errno(linux.EINVAL)

    def attempt() -> int | None:
        kernel.network.poll()
        made = file.accept()
        if made is None:
            return None
        number = install(kernel, made, flags)
        if at:
            try:
                write_address(kernel, at, size_at, pack(made.family, made.remote))
            except BaseException:
                kernel.files.close(number)
                raise
        return number

    return attempt_until(
        kernel,
        attempt,
        nonblocking=bool(file.flags & linux.O_NONBLOCK),
        deadline=deadline_after(kernel, file.receive_timeout),
    )


@syscall(43, "accept")
def accept(kernel: Kernel, fd: int, at: int, size_at: int) -> int:
    return accept4(kernel, fd, at, size_at, 0)


@syscall(51, "getsockname")
def getsockname(kernel: Kernel, fd: int, at: int, size_at: int) -> int:
    write_address(kernel, at, size_at, socket_of(kernel, fd).local_name())
    return 0


@syscall(52, "getpeername")
def getpeername(kernel: Kernel, fd: int, at: int, size_at: int) -> int:
    write_address(kernel, at, size_at, socket_of(kernel, fd).remote_name())
    return 0


@syscall(48, "shutdown")
def shutdown(kernel: Kernel, fd: int, how: int) -> int:
    socket_of(kernel, fd).shutdown(signed32(how))
    return 0
