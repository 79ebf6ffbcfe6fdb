"""Pipes and eventfd (man 7 pipe, man 2 eventfd)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from . import linux
from .open_file import OpenFile
from .state import BUFFER, FLAG, WHOLE, optional, reference, state
from .table import Errno, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

#: Writes of up to so many bytes are never split.
PIPE_BUF = 4096
_CAPACITY, _CAPACITY_MAX = 1 << 16, 1 << 20
_EFD_SEMAPHORE = 1


@state(data=BUFFER, capacity=WHOLE)
class PipeBuffer:
    """What is under way in a pipe, and how much of it there may be."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.capacity = _CAPACITY

    def resize(self, size: int) -> int:
        """F_SETPIPE_SZ: a power of two of pages; the capacity that it is now."""
        if size > _CAPACITY_MAX:
            raise Errno(linux.EPERM)
        capacity = max(PIPE_BUF, 1 << (size - 1).bit_length() if size > 0 else 0)
        if capacity < len(self.data):
            raise Errno(linux.EBUSY)
        self.capacity = capacity
        return capacity


@state(pipe=reference(PipeBuffer), peer=optional(reference(OpenFile)), _reads=FLAG)
class PipeEnd(OpenFile):
    """One end of a pipe; both ends share ``pipe``."""

    mode = linux.S_IFIFO | 0o600

    def __init__(self, flags: int, pipe: PipeBuffer) -> None:
        super().__init__(flags)
        self.pipe = pipe
        self.peer: PipeEnd | None = None
        self._reads = flags & linux.O_ACCMODE == linux.O_RDONLY

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        if not self._reads:
            raise Errno(linux.EBADF)
        data = self.pipe.data
        if not data or not size:
            return b"" if self.peer is None or not size else None
        full = self.pipe.capacity - len(data) < PIPE_BUF
        part = bytes(data[:size])
        del data[:size]
        if full and self.peer is not None:
            self.peer.output_edges += 1
        return part

    def write(self, kernel: Kernel, data: bytes) -> int | None:
        if self._reads:
            raise Errno(linux.EBADF)
        if not data:
            return 0
        if self.peer is None:
            raise Errno(linux.EPIPE)
        room = self.pipe.capacity - len(self.pipe.data)
        if not room or (len(data) <= PIPE_BUF and room < len(data)):
            return None
        self.pipe.data += data[:room]
        self.peer.input_edges += 1
        return min(room, len(data))

    def events(self) -> int:
        if self._reads:
            events = linux.EPOLLIN if self.pipe.data else 0
            return events | (linux.EPOLLHUP if self.peer is None else 0)
        room = self.pipe.capacity - len(self.pipe.data)
        events = linux.EPOLLOUT if room >= PIPE_BUF else 0
        return events | (linux.EPOLLERR if self.peer is None else 0)

    def room(self) -> int:
        """How much a write may put in; 1 where it fails, so that it is tried."""
        return 1 if self.peer is None else self.pipe.capacity - len(self.pipe.data)

    def waiting(self) -> int:
        """Bytes that can be read (FIONREAD)."""
        return len(self.pipe.data)

    def closed(self) -> None:
        if self.peer is not None:
            self.peer.peer = None
            self.peer.input_edges += 1
            self.peer.output_edges += 1


@state(_count=WHOLE, _semaphore=FLAG)
class EventFd(OpenFile):
    """A counter (man 2 eventfd)."""

    mode = 0o600

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
        self.output_edges += 1
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
        self.input_edges += 1
        # One number is one write, however long the buffer is.
        return len(data)

    def events(self) -> int:
        found = linux.EPOLLIN if self._count else 0
        return found | (linux.EPOLLOUT if self._count < (1 << 64) - 2 else 0)


@syscall(293, "pipe2", "partial", "no packets (O_DIRECT)")
def pipe2(kernel: Kernel, at: int, flags: int) -> int:
    if flags & 0xFFFFFFFF & ~(linux.O_CLOEXEC | linux.O_NONBLOCK):
        raise Errno(linux.EINVAL)
    pipe = PipeBuffer()
    status = flags & linux.O_NONBLOCK
    reader = PipeEnd(linux.O_RDONLY | status, pipe)
    writer = PipeEnd(linux.O_WRONLY | status, pipe)
    reader.peer, writer.peer = writer, reader
    kernel.check_writable(at, 8)
    first = kernel.files.install(reader, flags)
    try:
        second = kernel.files.install(writer, flags)
    except Errno:
        kernel.files.close(first)
        raise
    kernel.write(at, struct.pack("<ii", first, second))
    return 0


@syscall(22, "pipe", "partial", "as pipe2")
def pipe(kernel: Kernel, at: int) -> int:
    return pipe2(kernel, at, 0)


@syscall(290, "eventfd2")
def eventfd2(kernel: Kernel, count: int, flags: int) -> int:
    if flags & 0xFFFFFFFF & ~(linux.O_CLOEXEC | linux.O_NONBLOCK | _EFD_SEMAPHORE):
        raise Errno(linux.EINVAL)
    status, semaphore = flags & linux.O_NONBLOCK, bool(flags & _EFD_SEMAPHORE)
    return kernel.files.install(EventFd(count & 0xFFFFFFFF, status, semaphore), flags)


@syscall(284, "eventfd")
def eventfd(kernel: Kernel, count: int) -> int:
    return eventfd2(kernel, count, 0)
