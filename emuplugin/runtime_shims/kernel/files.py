"""The descriptor table, and the calls that open, describe and duplicate (man 2 open, stat, fcntl).

There is no file of the host here. Paths that Go's runtime and standard library look at are
answered from the pseudo-files; everything else does not exist (ENOENT).
"""

from __future__ import annotations

import posixpath
import struct
from typing import TYPE_CHECKING

from . import linux
from .open_file import Bytes, Device, Directory, OpenFile
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel


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


@syscall(16, "ioctl", "refused", "nothing here is a terminal: ENOTTY")
def ioctl(kernel: Kernel, fd: int, request: int, argument: int) -> int:
    kernel.files.get(fd)
    raise Errno(linux.ENOTTY)
