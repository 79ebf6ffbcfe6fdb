"""Pipes and eventfd (man 2 pipe, eventfd)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from . import linux
from .open_file import OpenFile
from .table import Errno, syscall

if TYPE_CHECKING:
    from .kernel import Kernel


class PipeEnd(OpenFile):
    """One end of a pipe of 64 KiB; both ends share ``buffer``."""

    mode = linux.S_IFIFO | 0o600
    CAPACITY = 1 << 16

    def __init__(self, flags: int, buffer: bytearray) -> None:
        super().__init__(flags)
        self.buffer = buffer
        self.peer: PipeEnd | None = None

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        if self.flags & linux.O_ACCMODE != linux.O_RDONLY:
            raise Errno(linux.EBADF)
        if not self.buffer:
            return b"" if self.peer is None else None
        part = bytes(self.buffer[:size])
        del self.buffer[:size]
        return part

    def write(self, kernel: Kernel, data: bytes) -> int | None:
        if self.flags & linux.O_ACCMODE != linux.O_WRONLY:
            raise Errno(linux.EBADF)
        if self.peer is None:
            kernel.signals.send(kernel.threads.current, linux.SIGPIPE)
            raise Errno(linux.EPIPE)
        room = self.CAPACITY - len(self.buffer)
        if not room and data:
            return None
        self.buffer += data[:room]
        return min(room, len(data))

    def events(self) -> int:
        if self.flags & linux.O_ACCMODE == linux.O_RDONLY:
            events = linux.EPOLLIN if self.buffer else 0
            return events | (linux.EPOLLHUP if self.peer is None else 0)
        events = linux.EPOLLOUT if len(self.buffer) < self.CAPACITY else 0
        return events | (linux.EPOLLERR if self.peer is None else 0)

    def closed(self) -> None:
        if self.peer is not None:
            self.peer.peer = None


class EventFd(OpenFile):
    """A counter (man 2 eventfd)."""

    def __init__(self, count: int, flags: int, semaphore: bool) -> None:
        super().__init__(linux.O_RDWR | flags)
        self._count, self._semaphore = count, semaphore

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        if size < 8:
            raise Errno(linux.EINVAL)
        if not self._count:
            return None
        taken = 1 if self._semaphore else self._count
        self._count -= taken
        return struct.pack("<Q", taken)

    def write(self, kernel: Kernel, data: bytes) -> int | None:
        if len(data) < 8:
            raise Errno(linux.EINVAL)
        added = struct.unpack_from("<Q", data)[0]
        if added == (1 << 64) - 1:
            raise Errno(linux.EINVAL)
        if self._count + added >= (1 << 64) - 1:
            return None
        self._count += added
        return 8

    def events(self) -> int:
        return (linux.EPOLLIN if self._count else 0) | linux.EPOLLOUT


@syscall(293, "pipe2")
def pipe2(kernel: Kernel, at: int, flags: int) -> int:
    buffer = bytearray()
    status = flags & linux.O_NONBLOCK
    reader = PipeEnd(linux.O_RDONLY | status, buffer)
    writer = PipeEnd(linux.O_WRONLY | status, buffer)
    reader.peer, writer.peer = writer, reader
    kernel.check_writable(at, 8)
    first = kernel.files.install(reader, flags)
    kernel.write(at, struct.pack("<ii", first, kernel.files.install(writer, flags)))
    return 0


@syscall(22, "pipe")
def pipe(kernel: Kernel, at: int) -> int:
    return pipe2(kernel, at, 0)


@syscall(290, "eventfd2")
def eventfd2(kernel: Kernel, count: int, flags: int) -> int:
    file = EventFd(count & 0xFFFFFFFF, flags & linux.O_NONBLOCK, bool(flags & 1))
    return kernel.files.install(file, flags)
