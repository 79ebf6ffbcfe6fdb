"""File descriptors: the standard streams, a few devices and pseudo-files, pipes, eventfd, epoll.

There is no file of the host here. Paths that Go's runtime and standard library look at are
answered from :data:`PSEUDO_FILES`; everything else does not exist (ENOENT).
"""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import linux
from .table import Errno, signed, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_IOV_MAX = 1024
_COPY_MAX = 1 << 24  # bytes moved by one call; programs loop over the rest


class OpenFile:
    """What a descriptor refers to. The base refuses everything, as Linux does for a wrong kind."""

    mode = linux.S_IFREG | 0o600
    inode = 1

    def __init__(self, flags: int = linux.O_RDWR) -> None:
        self.flags = flags
        self.users = 0

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        """Up to ``size`` bytes, b"" at the end, None if there is nothing yet."""
        raise Errno(linux.EINVAL)

    def write(self, kernel: Kernel, data: bytes) -> int | None:
        """How many bytes were taken, None if there is no room yet."""
        raise Errno(linux.EINVAL)

    def seek(self, offset: int, whence: int) -> int:
        raise Errno(linux.ESPIPE)

    def size(self) -> int:
        return 0

    def content(self) -> bytes:
        """All bytes, for mmap."""
        raise Errno(linux.ENODEV)

    def events(self) -> int:
        """Which of EPOLLIN, EPOLLOUT, ... hold now; -1 where epoll does not apply (EPERM)."""
        return -1

    def closed(self) -> None:
        """The last descriptor is gone."""


class Stream(OpenFile):
    """A standard stream: bytes go to or come from Python."""

    mode = linux.S_IFCHR | 0o620

    def __init__(
        self, source: Callable[[int], bytes] | None, sink: Callable[[bytes], None] | None
    ) -> None:
        super().__init__(linux.O_RDONLY if source else linux.O_WRONLY)
        self._source, self._sink = source, sink

    def read(self, kernel: Kernel, size: int) -> bytes:
        if self._source is None:
            raise Errno(linux.EBADF)
        return self._source(size)

    def write(self, kernel: Kernel, data: bytes) -> int:
        if self._sink is None:
            raise Errno(linux.EBADF)
        kernel.count_output(len(data))
        self._sink(data)
        return len(data)


class Bytes(OpenFile):
    """A read-only pseudo-file."""

    mode = linux.S_IFREG | 0o444

    def __init__(self, content: bytes) -> None:
        super().__init__(linux.O_RDONLY)
        self._content, self._at = content, 0

    def read(self, kernel: Kernel, size: int) -> bytes:
        part = self._content[self._at : self._at + size]
        self._at += len(part)
        return part

    def seek(self, offset: int, whence: int) -> int:
        origin = {linux.SEEK_SET: 0, linux.SEEK_CUR: self._at, linux.SEEK_END: len(self._content)}
        if whence not in origin or origin[whence] + offset < 0:
            raise Errno(linux.EINVAL)
        self._at = origin[whence] + offset
        return self._at

    def size(self) -> int:
        return len(self._content)

    def content(self) -> bytes:
        return self._content


class Directory(OpenFile):
    """The root, which has nothing in it that could be listed."""

    mode = linux.S_IFDIR | 0o555

    def read(self, kernel: Kernel, size: int) -> bytes:
        raise Errno(linux.EISDIR)

    def seek(self, offset: int, whence: int) -> int:
        return 0


class Device(OpenFile):
    """/dev/null, zero, full, random, urandom."""

    mode = linux.S_IFCHR | 0o666

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def read(self, kernel: Kernel, size: int) -> bytes:
        if self._name == "null":
            return b""
        if self._name in ("random", "urandom"):
            return kernel.random(min(size, _COPY_MAX))
        return bytes(min(size, _COPY_MAX))

    def write(self, kernel: Kernel, data: bytes) -> int:
        if self._name == "full":
            raise Errno(linux.ENOSPC)
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        return 0


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


class Files:
    """The descriptor table of the process."""

    def __init__(self, kernel: Kernel, pseudo_files: dict[str, bytes]) -> None:
        self._kernel = kernel
        self.table: dict[int, OpenFile] = {}
        self.close_on_exec: set[int] = set()
        self.pseudo_files = pseudo_files

    def get(self, fd: int) -> OpenFile:
        file = self.table.get(signed32(fd))
        if file is None:
            raise Errno(linux.EBADF)
        return file

    def install(self, file: OpenFile, flags: int = 0, lowest: int = 0) -> int:
        """Give a file the lowest free descriptor."""
        limit = self._kernel.sandbox.limits.open_files
        fd = lowest
        while fd in self.table:
            fd += 1
        if fd >= limit:
            raise Errno(linux.EMFILE)
        self.place(fd, file, flags)
        return fd

    def place(self, fd: int, file: OpenFile, flags: int = 0) -> None:
        """Make ``fd`` refer to ``file``."""
        self.table[fd] = file
        file.users += 1
        (self.close_on_exec.add if flags & linux.O_CLOEXEC else self.close_on_exec.discard)(fd)

    def close(self, fd: int) -> None:
        file = self.get(fd)
        del self.table[signed32(fd)]
        file.users -= 1
        if not file.users:
            file.closed()

    def open(self, path: str, flags: int) -> OpenFile:
        """Open by path; the working directory is the root. Raises Errno."""
        if not path:
            raise Errno(linux.ENOENT)
        path = posixpath.normpath("/" + path.lstrip("/"))
        writing = flags & linux.O_ACCMODE != linux.O_RDONLY
        if path == "/":
            if writing or flags & linux.O_CREAT:
                raise Errno(linux.EISDIR)
            return Directory()
        if path.startswith("/dev/") and path[5:] in ("null", "zero", "full", "random", "urandom"):
            return Device(path[5:])
        content = self.pseudo_files.get(path)
        if content is None:
            self._kernel.report_refusal("openat")
            raise Errno(linux.EACCES if flags & linux.O_CREAT else linux.ENOENT)
        if writing:
            raise Errno(linux.EACCES)
        return Bytes(content)

    def mapped_content(self, fd: int, offset: int, size: int) -> bytes:
        return self.get(fd).content()[offset : offset + size]


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
        data = file.read(kernel, min(total, _COPY_MAX))
        if data is None:
            return None
        at = 0
        for address, size in pieces:
            kernel.write(address, data[at : at + size])
            at += size
        return len(data)

    for address, size in pieces:
        kernel.check_writable(address, min(size, _COPY_MAX))
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
    return _write_from(kernel, fd, kernel.read(at, min(size, _COPY_MAX)))


@syscall(19, "readv")
def readv(kernel: Kernel, fd: int, at: int, count: int) -> int:
    return _read_into(kernel, fd, _vector(kernel, at, count))


@syscall(20, "writev")
def writev(kernel: Kernel, fd: int, at: int, count: int) -> int:
    pieces = _vector(kernel, at, count)
    return _write_from(
        kernel, fd, b"".join(kernel.read(address, min(size, _COPY_MAX)) for address, size in pieces)
    )


@syscall(3, "close")
def close(kernel: Kernel, fd: int) -> int:
    kernel.files.close(fd)
    return 0


@syscall(8, "lseek")
def lseek(kernel: Kernel, fd: int, offset: int, whence: int) -> int:
    return kernel.files.get(fd).seek(signed(offset), signed32(whence))


@syscall(257, "openat", "partial", "standard devices and the pseudo-files Go reads")
def openat(kernel: Kernel, directory: int, path: int, flags: int, mode: int) -> int:
    name = kernel.read_path(path)
    return kernel.files.install(kernel.files.open(name, flags & 0xFFFFFFFF), flags)


@syscall(2, "open", "partial", "as openat")
def open_(kernel: Kernel, path: int, flags: int, mode: int) -> int:
    return openat(kernel, 0, path, flags, mode)


def _write_stat(kernel: Kernel, at: int, file: OpenFile) -> int:
    # struct stat: dev, ino, nlink, mode, uid, gid, pad, rdev, size, blksize, blocks, times
    fields = (1, file.inode, 1, file.mode, 0, 0, 0, 0, file.size(), 4096, 0, *[0] * 9)
    kernel.write(at, struct.pack("<QQQIIIIQqqq9q", *fields))
    return 0


@syscall(5, "fstat", "partial", "kind, mode and size; no owner, no times")
def fstat(kernel: Kernel, fd: int, at: int) -> int:
    return _write_stat(kernel, at, kernel.files.get(fd))


@syscall(262, "newfstatat", "partial", "as openat and fstat")
def newfstatat(kernel: Kernel, directory: int, path: int, at: int, flags: int) -> int:
    name = kernel.read_path(path)
    if not name and flags & linux.AT_EMPTY_PATH:
        return fstat(kernel, directory, at)
    return _write_stat(kernel, at, kernel.files.open(name, linux.O_RDONLY))


@syscall(217, "getdents64", "partial", "the root, which is empty")
def getdents64(kernel: Kernel, fd: int, at: int, size: int) -> int:
    if not isinstance(kernel.files.get(fd), Directory):
        raise Errno(linux.ENOTDIR)
    return 0


@syscall(72, "fcntl", "partial", "descriptor and status flags, duplication; no locks")
def fcntl(kernel: Kernel, fd: int, command: int, argument: int) -> int:
    files, number, command = kernel.files, signed32(fd), signed32(command)
    file = files.get(number)
    if command in (linux.F_DUPFD, linux.F_DUPFD_CLOEXEC):
        flags = linux.O_CLOEXEC if command == linux.F_DUPFD_CLOEXEC else 0
        return files.install(file, flags, signed32(argument))
    if command == linux.F_GETFD:
        return int(number in files.close_on_exec)
    if command == linux.F_SETFD:
        (files.close_on_exec.add if argument & 1 else files.close_on_exec.discard)(number)
        return 0
    if command == linux.F_GETFL:
        return file.flags
    if command == linux.F_SETFL:
        kept = linux.O_APPEND | linux.O_NONBLOCK
        file.flags = file.flags & ~kept | argument & kept
        return 0
    raise Errno(linux.EINVAL)


@syscall(32, "dup")
def dup(kernel: Kernel, fd: int) -> int:
    return kernel.files.install(kernel.files.get(fd))


@syscall(292, "dup3")
def dup3(kernel: Kernel, old: int, new: int, flags: int) -> int:
    file, number = kernel.files.get(old), signed32(new)
    if number == signed32(old):
        raise Errno(linux.EINVAL)
    if not 0 <= number < kernel.sandbox.limits.open_files:
        raise Errno(linux.EBADF)
    if number in kernel.files.table:
        kernel.files.close(number)
    kernel.files.place(number, file, flags)
    return number


@syscall(33, "dup2")
def dup2(kernel: Kernel, old: int, new: int) -> int:
    kernel.files.get(old)
    return signed32(new) if signed32(old) == signed32(new) else dup3(kernel, old, new, 0)


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


@syscall(16, "ioctl", "refused", "nothing here is a terminal: ENOTTY")
def ioctl(kernel: Kernel, fd: int, request: int, argument: int) -> int:
    kernel.files.get(fd)
    raise Errno(linux.ENOTTY)
