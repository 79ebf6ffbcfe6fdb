"""The calls on the content of files, but for reading and writing (man 2 truncate, fallocate)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import linux
from ...table import Errno, signed, signed32, syscall
from ..node import Directory, Regular
from ..regular import SIZE_MAX, RegularFile, change_size
from ..walk import WRITE
from .arguments import node_at, watched

if TYPE_CHECKING:
    from ...kernel import Kernel

_KEEP = linux.FALLOC_FL_KEEP_SIZE
_PUNCH = linux.FALLOC_FL_PUNCH_HOLE
_ZERO = linux.FALLOC_FL_ZERO_RANGE
_MODIFIED = 2
_SYNC_FLAGS = 7  # sync_file_range: WAIT_BEFORE, WRITE, WAIT_AFTER


@syscall(76, "truncate")
def truncate(kernel: Kernel, path: int, size: int) -> int:
    if signed(size) < 0:
        raise Errno(linux.EINVAL)
    node = node_at(kernel, linux.AT_FDCWD, path)
    if isinstance(node, Directory):
        raise Errno(linux.EISDIR)
    if not isinstance(node, Regular):
        raise Errno(linux.EINVAL)
    kernel.tree.user.check(node, WRITE)
    change_size(node, signed(size))
    watched(node, _MODIFIED)
    return 0


@syscall(77, "ftruncate")
def ftruncate(kernel: Kernel, fd: int, size: int) -> int:
    if signed(size) < 0:
        raise Errno(linux.EINVAL)
    kernel.files.usable(fd).truncate(signed(size))
    return 0


@syscall(285, "fallocate", "partial", "KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE; in mounts zeros")
def fallocate(kernel: Kernel, fd: int, mode: int, offset: int, size: int) -> int:
    file = kernel.files.usable(fd)
    mode, offset, size = mode & 0xFFFFFFFF, signed(offset), signed(size)
    if offset < 0 or size <= 0:
        raise Errno(linux.EINVAL)
    if mode & ~(_KEEP | _PUNCH | _ZERO) or (mode & _PUNCH and mode & _ZERO):
        raise Errno(linux.EOPNOTSUPP)
    if mode & _PUNCH and not mode & _KEEP:
        raise Errno(linux.EOPNOTSUPP)
    if not isinstance(file, RegularFile):
        if file.flags & linux.O_ACCMODE == linux.O_RDONLY:
            raise Errno(linux.EBADF)
        fifo = file.mode & linux.S_IFMT == linux.S_IFIFO
        raise Errno(linux.ESPIPE if fifo else linux.ENODEV)
    if not file.writable:
        raise Errno(linux.EBADF)
    if offset + size > SIZE_MAX:
        raise Errno(linux.EFBIG)
    node = file.node
    _check_seals(node, mode, offset + size)
    if mode & (_PUNCH | _ZERO):
        node.make_hole(offset, size)
    if not mode & _PUNCH:
        node.allocate(offset, size)
        if not mode & _KEEP and offset + size > node.size():
            node.truncate(offset + size)
            node.allocate(offset, size)
    node.touch()
    return 0


def _check_seals(node: Regular, mode: int, end: int) -> None:
    seals = node.seals or 0
    if seals & (linux.F_SEAL_WRITE | linux.F_SEAL_FUTURE_WRITE) and mode & (_PUNCH | _ZERO):
        raise Errno(linux.EPERM)
    if seals & linux.F_SEAL_GROW and not mode & (_PUNCH | _KEEP) and end > node.size():
        raise Errno(linux.EPERM)


# --- bringing it to where it stays --------------------------------------------------------------


@syscall(74, "fsync")
def fsync(kernel: Kernel, fd: int) -> int:
    kernel.files.usable(fd).sync()
    return 0


@syscall(75, "fdatasync")
def fdatasync(kernel: Kernel, fd: int) -> int:
    kernel.files.usable(fd).sync()
    return 0


@syscall(162, "sync", "full", "mounted files are written through already")
def sync(kernel: Kernel) -> int:
    return 0


@syscall(306, "syncfs", "full", "as sync")
def syncfs(kernel: Kernel, fd: int) -> int:
    kernel.files.usable(fd)
    return 0


@syscall(277, "sync_file_range", "full", "as fsync")
def sync_file_range(kernel: Kernel, fd: int, offset: int, size: int, flags: int) -> int:
    file = kernel.files.usable(fd)
    if flags & 0xFFFFFFFF & ~_SYNC_FLAGS or signed(offset) < 0 or signed(size) < 0:
        raise Errno(linux.EINVAL)
    if file.mode & linux.S_IFMT not in (linux.S_IFREG, linux.S_IFDIR):
        raise Errno(linux.ESPIPE)
    file.sync()
    return 0


@syscall(221, "fadvise64", "full", "advice is checked and ignored")
def fadvise64(kernel: Kernel, fd: int, offset: int, size: int, advice: int) -> int:
    file = kernel.files.usable(fd)
    if file.mode & linux.S_IFMT == linux.S_IFIFO:
        raise Errno(linux.ESPIPE)
    if not 0 <= signed32(advice) <= 5 or signed(size) < 0:
        raise Errno(linux.EINVAL)
    return 0


@syscall(187, "readahead", "full", "nothing has to be read ahead")
def readahead(kernel: Kernel, fd: int, offset: int, count: int) -> int:
    file = kernel.files.usable(fd)
    if file.flags & linux.O_ACCMODE == linux.O_WRONLY:
        raise Errno(linux.EBADF)
    if not isinstance(file, RegularFile):
        raise Errno(linux.EINVAL)
    return 0
