"""Moving bytes: read, write, their vector and positioned forms, seek (man 2 read, readv, lseek)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import linux
from .blocking import attempt_until, deadline_after, write_file
from .fs.regular import RegularFile
from .open_file import COPY_MAX, OpenFile
from .table import Errno, signed, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_IOV_MAX = 1024
_HALF = 1 << 63
# uapi/linux/fs.h; others are refused.
_RWF_HIPRI, _RWF_DSYNC, _RWF_SYNC, _RWF_NOWAIT, _RWF_APPEND = 1, 2, 4, 8, 16

Pieces = list[tuple[int, int]]


def transfer(
    kernel: Kernel, file: OpenFile, attempt: Callable[[], int | None], blocking: bool = True
) -> int:
    """Do a read now, or wait until it can be done."""
    nonblocking = bool(file.flags & linux.O_NONBLOCK) or not blocking
    deadline = deadline_after(kernel, file.receive_timeout)
    return attempt_until(kernel, attempt, nonblocking=nonblocking, deadline=deadline)


def _store(kernel: Kernel, pieces: Pieces, data: bytes) -> int:
    """Put what was read into guest memory; how much it is."""
    at = 0
    for address, size in pieces:
        if at >= len(data):
            break
        kernel.write(address, data[at : at + size])
        at += size
    return len(data)


def _prepare(kernel: Kernel, pieces: Pieces) -> int:
    """Check where a read goes, before anything is taken out of a file; how much it is at most."""
    total = 0
    for address, size in pieces:
        if size >= _HALF:
            raise Errno(linux.EINVAL)
        kernel.check_writable(address, min(size, COPY_MAX))
        total += size
    return min(total, COPY_MAX)


def _read_into(kernel: Kernel, fd: int, pieces: Pieces) -> int:
    file = kernel.files.get(fd)
    total = _prepare(kernel, pieces)
    if isinstance(file, RegularFile):
        return _store(kernel, pieces, file.read(kernel, total))

    def attempt() -> int | None:
        data = file.read(kernel, total)
        return None if data is None else _store(kernel, pieces, data)

    return transfer(kernel, file, attempt)


def gather(kernel: Kernel, pieces: Pieces) -> bytes:
    """The bytes of a vectored write, as many as one call moves."""
    parts, room = [], COPY_MAX
    for address, size in pieces:
        if size >= _HALF:
            raise Errno(linux.EINVAL)
        parts.append(kernel.read(address, min(size, room)))
        room -= len(parts[-1])
    return b"".join(parts)


def vector(kernel: Kernel, at: int, count: int) -> Pieces:
    count = signed32(count)
    if not 0 <= count <= _IOV_MAX:
        raise Errno(linux.EINVAL)
    numbers = struct.unpack(f"<{2 * count}Q", kernel.read(at, 16 * count))
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@syscall(0, "read")
def read(kernel: Kernel, fd: int, at: int, size: int) -> int:
    return _read_into(kernel, fd, [(at, size)])


@syscall(1, "write")
def write(kernel: Kernel, fd: int, at: int, size: int) -> int:
    file = kernel.files.get(fd)
    if size >= _HALF:
        raise Errno(linux.EINVAL)
    return write_file(kernel, file, kernel.read(at, min(size, COPY_MAX)))


@syscall(19, "readv")
def readv(kernel: Kernel, fd: int, at: int, count: int) -> int:
    return _read_into(kernel, fd, vector(kernel, at, count))


@syscall(20, "writev")
def writev(kernel: Kernel, fd: int, at: int, count: int) -> int:
    file = kernel.files.get(fd)
    return write_file(kernel, file, gather(kernel, vector(kernel, at, count)))


def _place(offset: int) -> int:
    offset = signed(offset)
    if offset < 0:
        raise Errno(linux.EINVAL)
    return offset


@syscall(17, "pread64")
def pread64(kernel: Kernel, fd: int, at: int, size: int, offset: int) -> int:
    place, file = _place(offset), kernel.files.get(fd)
    pieces = [(at, size)]
    return _store(kernel, pieces, file.pread(_prepare(kernel, pieces), place))


@syscall(18, "pwrite64")
def pwrite64(kernel: Kernel, fd: int, at: int, size: int, offset: int) -> int:
    place, file = _place(offset), kernel.files.get(fd)
    return file.pwrite(gather(kernel, [(at, size)]), place)


@syscall(295, "preadv")
def preadv(kernel: Kernel, fd: int, at: int, count: int, offset: int, high: int) -> int:
    # On 64-bit machines the low register holds the whole offset.
    place, file = _place(offset), kernel.files.get(fd)
    pieces = vector(kernel, at, count)
    return _store(kernel, pieces, file.pread(_prepare(kernel, pieces), place))


@syscall(296, "pwritev")
def pwritev(kernel: Kernel, fd: int, at: int, count: int, offset: int, high: int) -> int:
    place, file = _place(offset), kernel.files.get(fd)
    return file.pwrite(gather(kernel, vector(kernel, at, count)), place)


@syscall(327, "preadv2", "partial", "the flags HIPRI and NOWAIT, which change nothing here")
def preadv2(
    kernel: Kernel, fd: int, at: int, count: int, offset: int, high: int, flags: int
) -> int:
    if flags & 0xFFFFFFFF & ~(_RWF_HIPRI | _RWF_NOWAIT):
        raise Errno(linux.EOPNOTSUPP)
    if signed(offset) == -1:
        return readv(kernel, fd, at, count)
    return preadv(kernel, fd, at, count, offset, high)


@syscall(328, "pwritev2", "partial", "the flags HIPRI, DSYNC, SYNC, NOWAIT and APPEND")
def pwritev2(
    kernel: Kernel, fd: int, at: int, count: int, offset: int, high: int, flags: int
) -> int:
    flags &= 0xFFFFFFFF
    if flags & ~(_RWF_HIPRI | _RWF_DSYNC | _RWF_SYNC | _RWF_NOWAIT | _RWF_APPEND):
        raise Errno(linux.EOPNOTSUPP)
    file = kernel.files.get(fd)
    before = file.flags
    try:
        if flags & _RWF_APPEND:
            file.flags |= linux.O_APPEND
        if signed(offset) == -1:
            return writev(kernel, fd, at, count)
        return pwritev(kernel, fd, at, count, offset, high)
    finally:
        file.flags = before


@syscall(8, "lseek")
def lseek(kernel: Kernel, fd: int, offset: int, whence: int) -> int:
    return kernel.files.usable(fd).seek(signed(offset), signed32(whence))
