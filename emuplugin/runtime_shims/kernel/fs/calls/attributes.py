"""The calls that change what an inode says of itself (man 2 chmod, chown, utimensat, umask)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ... import linux
from ...table import Errno, signed32, syscall
from ..node import Node, Symlink
from ..proc import TextNode
from ..regular import PathFile
from ..walk import WRITE
from .arguments import check_change, check_flags, described, node_at, node_of, watched

if TYPE_CHECKING:
    from ...kernel import Kernel

_HERE = linux.AT_FDCWD
_KEEP = 0xFFFFFFFF
_UTIME_NOW, _UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
_SECOND = 1_000_000_000
_IN_ATTRIB = 4


def _of(kernel: Kernel, fd: int) -> Node:
    file = kernel.files.get(fd)
    if isinstance(file, PathFile):
        raise Errno(linux.EBADF)
    return node_of(file)


# --- mode ---------------------------------------------------------------------------------------


def _chmod(kernel: Kernel, node: Node, mode: int) -> int:
    check_change(kernel, node)
    if isinstance(node, Symlink):
        raise Errno(linux.EOPNOTSUPP)
    if not kernel.tree.user.owns(node) or isinstance(node, TextNode):
        raise Errno(linux.EPERM)
    node.change_mode(mode & 0o7777)
    watched(node, _IN_ATTRIB)
    return 0


@syscall(90, "chmod")
def chmod(kernel: Kernel, path: int, mode: int) -> int:
    return _chmod(kernel, node_at(kernel, _HERE, path), mode)


@syscall(91, "fchmod")
def fchmod(kernel: Kernel, fd: int, mode: int) -> int:
    return _chmod(kernel, _of(kernel, fd), mode)


@syscall(268, "fchmodat")
def fchmodat(kernel: Kernel, directory: int, path: int, mode: int) -> int:
    return _chmod(kernel, node_at(kernel, directory, path), mode)


@syscall(452, "fchmodat2")
def fchmodat2(kernel: Kernel, directory: int, path: int, mode: int, flags: int) -> int:
    flags = check_flags(flags, linux.AT_SYMLINK_NOFOLLOW | linux.AT_EMPTY_PATH)
    return _chmod(kernel, node_at(kernel, directory, path, flags), mode)


@syscall(95, "umask")
def umask(kernel: Kernel, mask: int) -> int:
    before, kernel.identity.umask = kernel.identity.umask, mask & 0o777
    return before


# --- owner --------------------------------------------------------------------------------------


def _chown(kernel: Kernel, node: Node, uid: int, gid: int) -> int:
    check_change(kernel, node)
    user = kernel.tree.user
    uid, gid = uid & _KEEP, gid & _KEEP
    owns = user.owns(node)
    if uid != _KEEP and not (owns and uid == node.uid) and not user.privileged:
        raise Errno(linux.EPERM)
    if gid != _KEEP and not (owns and gid in (node.gid, user.gid)) and not user.privileged:
        raise Errno(linux.EPERM)
    if node.kind == linux.S_IFREG and node.permissions & (linux.S_ISUID | linux.S_ISGID):
        lost = linux.S_ISUID | (linux.S_ISGID if node.permissions & 0o010 else 0)
        node.change_mode(node.permissions & ~lost)
    node.change_owner(node.uid if uid == _KEEP else uid, node.gid if gid == _KEEP else gid)
    watched(node, _IN_ATTRIB)
    return 0


@syscall(92, "chown")
def chown(kernel: Kernel, path: int, uid: int, gid: int) -> int:
    return _chown(kernel, node_at(kernel, _HERE, path), uid, gid)


@syscall(94, "lchown")
def lchown(kernel: Kernel, path: int, uid: int, gid: int) -> int:
    return _chown(kernel, node_at(kernel, _HERE, path, linux.AT_SYMLINK_NOFOLLOW), uid, gid)


@syscall(93, "fchown")
def fchown(kernel: Kernel, fd: int, uid: int, gid: int) -> int:
    return _chown(kernel, _of(kernel, fd), uid, gid)


@syscall(260, "fchownat")
def fchownat(kernel: Kernel, directory: int, path: int, uid: int, gid: int, flags: int) -> int:
    flags = check_flags(flags, linux.AT_SYMLINK_NOFOLLOW | linux.AT_EMPTY_PATH)
    return _chown(kernel, node_at(kernel, directory, path, flags), uid, gid)


# --- times --------------------------------------------------------------------------------------


def _set_times(kernel: Kernel, node: Node, times: tuple[int | None, int | None] | None) -> int:
    """``times`` in nanoseconds, None for one that stays; None as a whole is now, for both."""
    check_change(kernel, node)
    user = kernel.tree.user
    if times is None:
        if not user.owns(node):
            user.check(node, WRITE)
        now = kernel.clock.realtime()
        times = (now, now)
    elif not user.owns(node):
        raise Errno(linux.EPERM)
    node.change_times(*times)
    watched(node, _IN_ATTRIB)
    return 0


@syscall(280, "utimensat")
def utimensat(kernel: Kernel, directory: int, path: int, times: int, flags: int) -> int:
    flags = check_flags(flags, linux.AT_SYMLINK_NOFOLLOW | linux.AT_EMPTY_PATH)
    wanted: list[int | None] = []
    if times:
        values = struct.unpack("<4q", kernel.read(times, 32))
        pairs = (values[:2], values[2:])
        if all(nanoseconds == _UTIME_OMIT for _, nanoseconds in pairs):
            return 0
        now = kernel.clock.realtime()
        for seconds, nanoseconds in pairs:
            if nanoseconds == _UTIME_NOW:
                wanted.append(now)
            elif nanoseconds == _UTIME_OMIT:
                wanted.append(None)
            elif 0 <= nanoseconds < _SECOND:
                wanted.append(seconds * _SECOND + nanoseconds)
            else:
                raise Errno(linux.EINVAL)
        if all(nanoseconds == _UTIME_NOW for _, nanoseconds in pairs):
            wanted = []
    if path:
        node = node_at(kernel, directory, path, flags)
    elif signed32(directory) == linux.AT_FDCWD:
        raise Errno(linux.EFAULT)
    else:
        node = node_of(described(kernel, directory))
    return _set_times(kernel, node, (wanted[0], wanted[1]) if wanted else None)


@syscall(261, "futimesat")
def futimesat(kernel: Kernel, directory: int, path: int, times: int) -> int:
    wanted = None
    if times:
        values = struct.unpack("<4q", kernel.read(times, 32))
        if not (0 <= values[1] < 1_000_000 and 0 <= values[3] < 1_000_000):
            raise Errno(linux.EINVAL)
        wanted = tuple(values[i] * _SECOND + values[i + 1] * 1000 for i in (0, 2))
    node = node_at(kernel, directory, path) if path else node_of(described(kernel, directory))
    return _set_times(kernel, node, (wanted[0], wanted[1]) if wanted else None)


@syscall(235, "utimes")
def utimes(kernel: Kernel, path: int, times: int) -> int:
    if not path:
        raise Errno(linux.EFAULT)
    return futimesat(kernel, _HERE, path, times)


@syscall(132, "utime")
def utime(kernel: Kernel, path: int, times: int) -> int:
    wanted = struct.unpack("<2q", kernel.read(times, 16)) if times else None
    moments = (wanted[0] * _SECOND, wanted[1] * _SECOND) if wanted else None
    return _set_times(kernel, node_at(kernel, _HERE, path), moments)


# --- extended attributes ------------------------------------------------------------------------

_BY_PATH = ((188, "setxattr"), (191, "getxattr"), (194, "listxattr"), (197, "removexattr"))
_BY_LINK = ((189, "lsetxattr"), (192, "lgetxattr"), (195, "llistxattr"), (198, "lremovexattr"))
_BY_FD = ((190, "fsetxattr"), (193, "fgetxattr"), (196, "flistxattr"), (199, "fremovexattr"))
_NOTE = "no extended attributes: ENOTSUP, or an empty list"


def _no_attributes(name: str) -> int:
    if "list" in name:
        return 0
    raise Errno(linux.EOPNOTSUPP)


def _of_path(number: int, name: str, flags: int) -> None:
    @syscall(number, name, "partial", _NOTE)
    def call(kernel: Kernel, path: int) -> int:
        node_at(kernel, _HERE, path, flags)
        return _no_attributes(name)


def _of_fd(number: int, name: str) -> None:
    @syscall(number, name, "partial", _NOTE)
    def call(kernel: Kernel, fd: int) -> int:
        kernel.files.usable(fd)
        return _no_attributes(name)


for _number, _name in _BY_PATH:
    _of_path(_number, _name, 0)
for _number, _name in _BY_LINK:
    _of_path(_number, _name, linux.AT_SYMLINK_NOFOLLOW)
for _number, _name in _BY_FD:
    _of_fd(_number, _name)
