"""Receiving (man 2 recv, recvmsg, recvmmsg, man 7 unix for SCM_RIGHTS)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from emuplugin.cpu.memory import GuestMemoryError

from .. import linux
from ..blocking import attempt_until, deadline_after
from ..open_file import COPY_MAX
from ..table import Errno, signed, syscall
from . import abi
from .addresses import pack
from .calls import socket_of, write_address
from .message_header import CMSG, IOV_MAX, MMSGHDR, MSGHDR, Header, Pieces, Rights, read_header
from .queue import Message
from .socket import Socket

if TYPE_CHECKING:
    from ..kernel import Kernel

_CREDENTIALS = (0, 65534, 65534)  # of a sender that did not tell: nobody


class Received(NamedTuple):
    """What a receive gave: the result, flags for the guest, and what came with the bytes."""

    size: int
    flags: int
    message: Message


def _receiver(
    kernel: Kernel, file: Socket, pieces: Pieces, flags: int
) -> Callable[[], Received | None]:
    """An attempt to receive into guest memory, to be repeated until it gives something."""
    room = min(sum(size for _, size in pieces), COPY_MAX)
    peek = bool(flags & abi.MSG_PEEK)
    whole = bool(flags & abi.MSG_WAITALL) and file.stream and not peek
    done = 0
    rights: Rights = ()

    def attempt() -> Received | None:
        nonlocal done, rights
        while True:
            if file.stream and not room:
                return Received(0, 0, Message(b""))
            try:
                message = file.receive(room - done, peek)
            except Errno:
                if done:
                    return Received(done, 0, Message(b"", None, rights))
                raise
            if message is None:
                return None
            data = message.data if file.stream else message.data[:room]
            discard = flags & abi.MSG_TRUNC and file.family == abi.AF_INET and file.stream
            if not discard:
                _scatter(kernel, pieces, done, data)
            if not file.stream:
                truncated = len(message.data) > room
                size = len(message.data) if flags & abi.MSG_TRUNC else len(data)
                seen = abi.MSG_TRUNC if truncated else 0
                return Received(size, seen, message)
            done += len(data)
            rights = message.rights
            if not whole or done >= room or not data or rights:
                return Received(done, 0, message)

    return attempt


def _scatter(kernel: Kernel, pieces: Pieces, start: int, data: bytes) -> None:
    """Write ``data`` to where byte ``start`` of the vector is, and on."""
    for address, size in pieces:
        if start >= size:
            start -= size
            continue
        part = data[: size - start]
        kernel.write(address + start, part)
        data = data[len(part) :]
        start = 0
        if not data:
            return


def _receive(
    kernel: Kernel,
    file: Socket,
    pieces: Pieces,
    flags: int,
    finish: Callable[[Received], int],
) -> int:
    if flags & abi.MSG_ERRQUEUE:
        raise Errno(linux.EAGAIN)
    if flags & abi.MSG_OOB:
        raise Errno(linux.EINVAL if file.stream else abi.EOPNOTSUPP)
    for address, size in pieces:
        kernel.check_writable(address, min(size, COPY_MAX))
    receive = _receiver(kernel, file, pieces, flags)

    def attempt() -> int | None:
        kernel.network.poll()
        received = receive()
        return None if received is None else finish(received)

    return attempt_until(
        kernel,
        attempt,
        nonblocking=bool(file.flags & linux.O_NONBLOCK or flags & abi.MSG_DONTWAIT),
        deadline=deadline_after(kernel, file.receive_timeout),
    )


def _source(file: Socket, message: Message) -> bytes:
    """The address that recvfrom gives: streams and unnamed senders have none."""
    if file.stream or message.source is None:
        return b""
    return pack(file.family, message.source)


@syscall(45, "recvfrom")
def recvfrom(
    kernel: Kernel, fd: int, at: int, size: int, flags: int, address: int, size_at: int
) -> int:
    file = socket_of(kernel, fd)

    def finish(received: Received) -> int:
        if not flags & abi.MSG_PEEK:
            kernel.network.pool.drop(received.message.rights)
        if address:
            write_address(kernel, address, size_at, _source(file, received.message))
        return received.size

    return _receive(kernel, file, [(at, size)], flags, finish)


def _receive_message(kernel: Kernel, file: Socket, at: int, flags: int) -> int:
    header = read_header(kernel, at)
    kernel.check_writable(at, MSGHDR)

    def finish(received: Received) -> int:
        control, seen = _make_control(kernel, file, received.message, header, flags)
        if header.control and control:
            kernel.write(header.control, control)
        name = _source(file, received.message)
        if header.name:
            kernel.write(header.name, name[: header.name_size])
        kernel.write_u32(at + 8, len(name) if header.name else 0)
        kernel.write_u64(at + 40, len(control))
        kernel.write_u32(at + 48, received.flags | seen | flags & abi.MSG_CMSG_CLOEXEC)
        return received.size

    return _receive(kernel, file, header.pieces, flags, finish)


def _make_control(
    kernel: Kernel, file: Socket, message: Message, header: Header, flags: int
) -> tuple[bytes, int]:
    """The control messages for the guest, and MSG_CTRUNC if there was no room for all."""
    control, room, seen = b"", header.control_size if header.control else 0, 0
    if file.family == abi.AF_UNIX and file.option(abi.SOL_SOCKET, abi.SO_PASSCRED):
        body = struct.pack("<III", *(message.credentials or _CREDENTIALS))
        if room >= CMSG.size + len(body):
            control += _control_message(abi.SOL_SOCKET, abi.SCM_CREDENTIALS, body)
        else:
            seen |= abi.MSG_CTRUNC
    if message.rights:
        fits = max(room - len(control) - CMSG.size, 0) // 4
        numbers = []
        flag = linux.O_CLOEXEC if flags & abi.MSG_CMSG_CLOEXEC else 0
        for right in message.rights[:fits]:
            try:
                numbers.append(kernel.files.install(right, flag))
            except Errno:
                break
        if len(numbers) < len(message.rights):
            seen |= abi.MSG_CTRUNC
        if numbers:
            body = struct.pack(f"<{len(numbers)}i", *numbers)
            control += _control_message(abi.SOL_SOCKET, abi.SCM_RIGHTS, body)
        if not flags & abi.MSG_PEEK:
            kernel.network.pool.drop(message.rights)
    for level, option, kind, body in _packet_info(file, message):
        if file.option(level, option) and room - len(control) >= CMSG.size + len(body):
            control += _control_message(level, kind, body)
    return control[:room], seen


def _packet_info(file: Socket, message: Message) -> list[tuple[int, int, int, bytes]]:
    """What IP_PKTINFO and its like tell: everything comes in over lo, with the usual TTL."""
    if message.source is None or file.family not in (abi.AF_INET, abi.AF_INET6):
        return []
    local = pack(file.family, file.local)
    if file.family == abi.AF_INET:
        info = struct.pack("<i", 1) + local[4:8] + local[4:8]
        ttl = struct.pack("<i", 64)
        return [
            (abi.IPPROTO_IP, abi.IP_PKTINFO, abi.IP_PKTINFO, info),
            (abi.IPPROTO_IP, abi.IP_RECVTTL, abi.IP_TTL, ttl),
            (abi.IPPROTO_IP, abi.IP_RECVTOS, abi.IP_TOS, b"\0"),
        ]
    info = local[8:24] + struct.pack("<i", 1)
    return [
        (abi.IPPROTO_IPV6, abi.IPV6_RECVPKTINFO, abi.IPV6_PKTINFO, info),
        (abi.IPPROTO_IPV6, abi.IPV6_RECVHOPLIMIT, abi.IPV6_HOPLIMIT, struct.pack("<i", 64)),
        (abi.IPPROTO_IPV6, abi.IPV6_RECVTCLASS, abi.IPV6_TCLASS, bytes(4)),
    ]


def _control_message(level: int, kind: int, body: bytes) -> bytes:
    return CMSG.pack(CMSG.size + len(body), level, kind) + body + bytes(-len(body) % 8)


@syscall(47, "recvmsg")
def recvmsg(kernel: Kernel, fd: int, at: int, flags: int) -> int:
    return _receive_message(kernel, socket_of(kernel, fd), at, flags)


@syscall(299, "recvmmsg", "partial", "waits for the first message only")
def recvmmsg(kernel: Kernel, fd: int, at: int, count: int, flags: int, timeout: int) -> int:
    file, received = socket_of(kernel, fd), 0
    if timeout and not 0 <= signed(kernel.read_u64(timeout + 8)) < 1_000_000_000:
        raise Errno(linux.EINVAL)
    limit = min(count & 0xFFFFFFFF, IOV_MAX)
    if not limit:
        return 0
    if not (file.flags & linux.O_NONBLOCK or flags & abi.MSG_DONTWAIT) and not (
        file.events() & linux.EPOLLIN
    ):
        # Waits like recvmsg; its result becomes the number of messages.
        return _wait_for_first(kernel, file, at, flags)
    for index in range(limit):
        here = at + index * MMSGHDR
        try:
            done = _receive_message(kernel, file, here, flags | abi.MSG_DONTWAIT)
            kernel.write_u32(here + MSGHDR, done)
        except (Errno, GuestMemoryError):
            if not received:
                raise
            break
        received += 1
    return received


def _wait_for_first(kernel: Kernel, file: Socket, at: int, flags: int) -> int:
    def attempt() -> int | None:
        kernel.network.poll()
        if not file.events() & (linux.EPOLLIN | linux.EPOLLERR | linux.EPOLLHUP):
            return None
        done = _receive_message(kernel, file, at, flags | abi.MSG_DONTWAIT)
        kernel.write_u32(at + MSGHDR, done)
        return 1

    deadline = deadline_after(kernel, file.receive_timeout)
    return attempt_until(kernel, attempt, deadline=deadline)
