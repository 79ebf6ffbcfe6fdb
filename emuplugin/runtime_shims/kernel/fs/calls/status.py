"""The calls that tell what there is (man 2 stat, statx, access, getdents, getcwd, chdir)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ... import linux
from ...table import Errno, signed32, syscall
from ..node import BLOCK, Directory, Stat
from ..regular import DirectoryFile
from ..walk import EXECUTE
from .arguments import check_flags, described, node_at, start

if TYPE_CHECKING:
    from ...kernel import Kernel

_HERE = linux.AT_FDCWD
# struct stat: dev, ino, nlink, mode, uid, gid, pad, rdev, size, blksize, blocks, times, unused
_STAT = struct.Struct("<QQQIIIIQqqq9q")
_TIME = struct.Struct("<qI4x")
_SECOND = 1_000_000_000
_STATX_SYNC = 0x6000
_STATX_ALL = 0xFFF  # what is filled in: STATX_BASIC_STATS and STATX_BTIME
_STATX_RESERVED = 0x80000000


def _write_stat(kernel: Kernel, at: int, stat: Stat) -> int:
    times: list[int] = []
    for moment in (stat.accessed, stat.modified, stat.changed):
        times += divmod(moment, _SECOND)
    fields = (stat.device, stat.inode, stat.links, stat.mode, stat.uid, stat.gid, 0, stat.rdev)
    kernel.write(at, _STAT.pack(*fields, stat.size, BLOCK, stat.blocks, *times, 0, 0, 0))
    return 0


def _stat(kernel: Kernel, directory: int, path: int, flags: int) -> Stat:
    name = kernel.read_path(path)
    if not name and flags & linux.AT_EMPTY_PATH:
        return described(kernel, directory).stat()
    follow = not flags & linux.AT_SYMLINK_NOFOLLOW
    begin = start(kernel, directory, name)
    try:
        place = kernel.tree.walk(begin, name, follow=follow)
        stat = place.found.stat()
    except Errno as error:
        if error.number in (linux.ENOENT, linux.ENOTDIR):
            kernel.report.file(name, "missing")
        raise
    kernel.report.file(place.path() or name, "stat")
    return stat


@syscall(5, "fstat")
def fstat(kernel: Kernel, fd: int, at: int) -> int:
    return _write_stat(kernel, at, kernel.files.get(fd).stat())


@syscall(262, "newfstatat")
def newfstatat(kernel: Kernel, directory: int, path: int, at: int, flags: int) -> int:
    flags = check_flags(
        flags, linux.AT_SYMLINK_NOFOLLOW | linux.AT_EMPTY_PATH | linux.AT_NO_AUTOMOUNT
    )
    return _write_stat(kernel, at, _stat(kernel, directory, path, flags))


@syscall(4, "stat")
def stat(kernel: Kernel, path: int, at: int) -> int:
    return newfstatat(kernel, _HERE, path, at, 0)


@syscall(6, "lstat")
def lstat(kernel: Kernel, path: int, at: int) -> int:
    return newfstatat(kernel, _HERE, path, at, linux.AT_SYMLINK_NOFOLLOW)


@syscall(332, "statx")
def statx(kernel: Kernel, directory: int, path: int, flags: int, mask: int, at: int) -> int:
    known = linux.AT_SYMLINK_NOFOLLOW | linux.AT_EMPTY_PATH | linux.AT_NO_AUTOMOUNT
    flags = check_flags(flags, known | _STATX_SYNC)
    if mask & _STATX_RESERVED or flags & _STATX_SYNC == _STATX_SYNC:
        raise Errno(linux.EINVAL)
    stat = _stat(kernel, directory, path, flags)
    head = struct.pack("<IIQIIIHxxQQQQ", _STATX_ALL, BLOCK, 0, stat.links, stat.uid, stat.gid,
                       stat.mode, stat.inode, stat.size, stat.blocks, 0)  # fmt: skip
    moments = (stat.accessed, stat.born, stat.changed, stat.modified)
    times = b"".join(_TIME.pack(*divmod(moment, _SECOND)) for moment in moments)
    devices = struct.pack("<IIII", stat.rdev >> 8, stat.rdev & 0xFF, stat.device >> 8,
                          stat.device & 0xFF)  # fmt: skip
    kernel.write(at, (head + times + devices).ljust(256, b"\0"))
    return 0


def _access(kernel: Kernel, directory: int, path: int, mode: int, flags: int) -> int:
    if mode & 0xFFFFFFFF & ~7:
        raise Errno(linux.EINVAL)
    node = node_at(kernel, directory, path, flags)
    if mode & 7:
        kernel.tree.user.check(node, mode & 7)
    return 0


@syscall(269, "faccessat")
def faccessat(kernel: Kernel, directory: int, path: int, mode: int) -> int:
    return _access(kernel, directory, path, mode, 0)


@syscall(439, "faccessat2")
def faccessat2(kernel: Kernel, directory: int, path: int, mode: int, flags: int) -> int:
    known = linux.AT_EACCESS | linux.AT_SYMLINK_NOFOLLOW | linux.AT_EMPTY_PATH
    return _access(kernel, directory, path, mode, check_flags(flags, known))


@syscall(21, "access")
def access(kernel: Kernel, path: int, mode: int) -> int:
    return _access(kernel, _HERE, path, mode, 0)


def _list(kernel: Kernel, fd: int, at: int, size: int, old: bool) -> int:
    file = kernel.files.usable(fd)
    if not isinstance(file, DirectoryFile):
        raise Errno(linux.ENOTDIR)
    size &= 0xFFFFFFFF
    kernel.check_writable(at, min(size, 24))
    data = file.list(min(size, 1 << 20), old)
    kernel.write(at, data)
    return len(data)


@syscall(217, "getdents64")
def getdents64(kernel: Kernel, fd: int, at: int, size: int) -> int:
    return _list(kernel, fd, at, size, False)


@syscall(78, "getdents")
def getdents(kernel: Kernel, fd: int, at: int, size: int) -> int:
    return _list(kernel, fd, at, size, True)


@syscall(79, "getcwd")
def getcwd(kernel: Kernel, at: int, size: int) -> int:
    working = kernel.tree.working
    if not working.links:
        raise Errno(linux.ENOENT)
    path = working.path().encode(errors="surrogateescape") + b"\0"
    if len(path) > size:
        raise Errno(linux.ERANGE)
    kernel.write(at, path)
    return len(path)


def _change_directory(kernel: Kernel, node: object) -> int:
    if not isinstance(node, Directory):
        raise Errno(linux.ENOTDIR)
    kernel.tree.user.check(node, EXECUTE)
    kernel.tree.working = node
    return 0


@syscall(80, "chdir")
def chdir(kernel: Kernel, path: int) -> int:
    return _change_directory(kernel, node_at(kernel, _HERE, path))


@syscall(81, "fchdir")
def fchdir(kernel: Kernel, fd: int) -> int:
    if signed32(fd) == linux.AT_FDCWD:
        raise Errno(linux.EBADF)
    return _change_directory(kernel, kernel.files.directory(fd))
