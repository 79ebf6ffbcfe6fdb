"""The calls of inotify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import linux
from ...table import Errno, signed32, syscall
from ..inotify import Inotify
from ..node import Directory
from ..walk import READ
from .arguments import check_flags, place_at

if TYPE_CHECKING:
    from ...kernel import Kernel

_DONT_FOLLOW, _ONLY_DIRECTORY = 0x02000000, 0x01000000
_NOTE = "changes by this machine, not IN_ACCESS and IN_CLOSE; in mounts not those of the host"


@syscall(294, "inotify_init1")
def inotify_init1(kernel: Kernel, flags: int) -> int:
    flags = check_flags(flags, linux.O_NONBLOCK | linux.O_CLOEXEC)
    return kernel.files.install(Inotify(flags & linux.O_NONBLOCK), flags)


@syscall(253, "inotify_init")
def inotify_init(kernel: Kernel) -> int:
    return inotify_init1(kernel, 0)


def _instance(kernel: Kernel, fd: int) -> Inotify:
    file = kernel.files.get(fd)
    if not isinstance(file, Inotify):
        raise Errno(linux.EINVAL)
    return file


@syscall(254, "inotify_add_watch", "partial", _NOTE)
def inotify_add_watch(kernel: Kernel, fd: int, path: int, mask: int) -> int:
    instance, mask = _instance(kernel, fd), mask & 0xFFFFFFFF
    node = place_at(kernel, linux.AT_FDCWD, path, not mask & _DONT_FOLLOW).found
    if mask & _ONLY_DIRECTORY and not isinstance(node, Directory):
        raise Errno(linux.ENOTDIR)
    kernel.tree.user.check(node, READ)
    return instance.add(node, mask)


@syscall(255, "inotify_rm_watch")
def inotify_rm_watch(kernel: Kernel, fd: int, number: int) -> int:
    _instance(kernel, fd).remove(signed32(number))
    return 0
