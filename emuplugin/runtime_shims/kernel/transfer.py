"""Moving bytes: read, write, their vector forms, seek (man 2 read, write, readv, lseek)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import linux
from .open_file import COPY_MAX, OpenFile
from .table import Errno, signed, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_IOV_MAX = 1024


def transfer(
    kernel: Kernel, file: OpenFile, attempt: Callable[[], int | None], blocking: bool = True
) -> int:
    """Do a read or write now, or wait until it can be done."""
    done = attempt()
    if done is not None:
        return done
    if file.flags & linux.O_NONBLOCK or not blocking:
        raise Errno(linux.EAGAIN)
    return kernel.threads.wait(ready=attempt)


def _read_into(kernel: Kernel, fd: int, pieces: list[tuple[int, int]]) -> int:
    file = kernel.files.get(fd)
    total = sum(size for _, size in pieces)

    def attempt() -> int | None:
        data = file.read(kernel, min(total, COPY_MAX))
        if data is None:
            return None
        at = 0
        for address, size in pieces:
            kernel.write(address, data[at : at + size])
            at += size
        return len(data)

    for address, size in pieces:
        kernel.check_writable(address, min(size, COPY_MAX))
    return transfer(kernel, file, attempt)


def _write_from(kernel: Kernel, fd: int, data: bytes) -> int:
    file = kernel.files.get(fd)
    return transfer(kernel, file, lambda: file.write(kernel, data))


def _vector(kernel: Kernel, at: int, count: int) -> list[tuple[int, int]]:
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
    return _write_from(kernel, fd, kernel.read(at, min(size, COPY_MAX)))


@syscall(19, "readv")
def readv(kernel: Kernel, fd: int, at: int, count: int) -> int:
    return _read_into(kernel, fd, _vector(kernel, at, count))


@syscall(20, "writev")
def writev(kernel: Kernel, fd: int, at: int, count: int) -> int:
    pieces = _vector(kernel, at, count)
    return _write_from(
        kernel, fd, b"".join(kernel.read(address, min(size, COPY_MAX)) for address, size in pieces)
    )


@syscall(3, "close")
def close(kernel: Kernel, fd: int) -> int:
    kernel.files.close(fd)
    return 0


@syscall(8, "lseek")
def lseek(kernel: Kernel, fd: int, offset: int, whence: int) -> int:
    return kernel.files.get(fd).seek(signed(offset), signed32(whence))
