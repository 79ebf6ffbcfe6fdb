"""Sending (man 2 send, sendmsg, sendmmsg, man 7 unix for SCM_RIGHTS)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emuplugin.cpu.memory import GuestMemoryError

from .. import linux
from ..blocking import deadline_after, write_all
from ..open_file import COPY_MAX, OpenFile
from ..signals import UID
from ..table import Errno, syscall
from . import abi
from .addresses import Address, parse
from .calls import read_address, socket_of
from .message_header import CMSG, IOV_MAX, MMSGHDR, MSGHDR, Rights, read_header
from .queue import Message
from .socket import Socket

if TYPE_CHECKING:
    from ..kernel import Kernel


def _send(
    kernel: Kernel, file: Socket, data: bytes, to: Address | None, flags: int, rights: Rights
) -> int:
    if flags & abi.MSG_OOB:
        raise Errno(abi.EOPNOTSUPP)
    nonblocking = bool(file.flags & linux.O_NONBLOCK or flags & abi.MSG_DONTWAIT)
    first = rights

    def put(part: bytes) -> int | None:
        nonlocal first
        sent = file.send(Message(part, None, first), to)
        if sent is not None:
            first = ()
        return sent

    return write_all(
        kernel,
        data,
        put,
        nonblocking=nonblocking,
        signal=file.stream and not flags & abi.MSG_NOSIGNAL,
        deadline=deadline_after(kernel, file.send_timeout),
    )


@syscall(44, "sendto")
def sendto(
    kernel: Kernel, fd: int, at: int, size: int, flags: int, address: int, address_size: int
) -> int:
    file = socket_of(kernel, fd)
    data = kernel.read(at, min(size, COPY_MAX))
    to = None
    if address and (given := read_address(kernel, address, address_size)):
        to = _destination(file, given)
    return _send(kernel, file, data, to, flags, ())


def _destination(file: Socket, given: bytes) -> Address | None:
    # A stream that is connected goes where it goes.
    if file.stream:
        return None
    return parse(file.family, given)


def _send_message(kernel: Kernel, file: Socket, at: int, flags: int) -> int:
    header = read_header(kernel, at)
    to = None
    if header.name and header.name_size:
        to = _destination(file, read_address(kernel, header.name, header.name_size))
    if sum(size for _, size in header.pieces) > COPY_MAX and not file.stream:
        raise Errno(abi.EMSGSIZE)
    data = b"".join(kernel.read(where, min(size, COPY_MAX)) for where, size in header.pieces)
    rights: Rights = ()
    if header.control and header.control_size:
        rights = _parse_control(kernel, file, kernel.read(header.control, header.control_size))
    return _send(kernel, file, data, to, flags, rights)


def _parse_control(kernel: Kernel, file: Socket, control: bytes) -> Rights:
    """The files that a message carries; other control messages change nothing here."""
    rights: list[OpenFile] = []
    while len(control) >= CMSG.size:
        size, level, kind = CMSG.unpack_from(control)
        if not CMSG.size <= size <= len(control):
            raise Errno(linux.EINVAL)
        body = control[CMSG.size : size]
        if level == abi.SOL_SOCKET and file.family == abi.AF_UNIX:
            if kind == abi.SCM_RIGHTS:
                count = len(body) // 4
                if count > abi.SCM_MAX_FD:
                    raise Errno(linux.EINVAL)
                for fd in struct.unpack_from(f"<{count}i", body):
                    rights.append(kernel.files.get(fd & 0xFFFFFFFF))
            elif kind == abi.SCM_CREDENTIALS:
                if len(body) != 12:
                    raise Errno(linux.EINVAL)
                if struct.unpack("<III", body) != (kernel.pid, UID, UID):
                    raise Errno(linux.EPERM)
            else:
                raise Errno(linux.EINVAL)
        elif level == abi.SOL_SOCKET:
            raise Errno(linux.EINVAL)
        control = control[size + 7 & ~7 :]
    return tuple(rights)


@syscall(46, "sendmsg")
def sendmsg(kernel: Kernel, fd: int, at: int, flags: int) -> int:
    return _send_message(kernel, socket_of(kernel, fd), at, flags)


@syscall(307, "sendmmsg", "partial", "a blocking socket stops at the first that has to wait")
def sendmmsg(kernel: Kernel, fd: int, at: int, count: int, flags: int) -> int:
    file, sent = socket_of(kernel, fd), 0
    # Only the first message waits: what was sent before a wait could not be told otherwise.
    for index in range(min(count & 0xFFFFFFFF, IOV_MAX)):
        here = at + index * MMSGHDR
        try:
            done = _send_message(kernel, file, here, flags | (abi.MSG_DONTWAIT if index else 0))
            kernel.write_u32(here + MSGHDR, done)
        except (Errno, GuestMemoryError):
            if not sent:
                raise
            break
        sent += 1
    return sent
