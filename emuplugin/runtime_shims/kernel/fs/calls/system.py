"""The calls on whole file systems, and flock (man 2 statfs, flock)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ... import linux
from ...table import Errno, signed32, syscall
from ..locks import Locks
from ..node import BLOCK
from ..regular import NodeFile
from ..storage import Filesystem
from .arguments import check_flags, node_at

if TYPE_CHECKING:
    from ...kernel import Kernel

_STATFS = struct.Struct("<qqQQQQQiiqqq4q")
_NAME_MAX = 255
_READ_ONLY, _NOSUID, _NODEV, _VALID = 1, 2, 4, 0x20
_INODES = 1 << 20


def _write_statfs(kernel: Kernel, filesystem: Filesystem, at: int) -> int:
    storage = filesystem.storage
    total, free = (storage.used + storage.free) // BLOCK, max(storage.free, 0) // BLOCK
    flags = _VALID | _NOSUID | _NODEV | (_READ_ONLY if filesystem.read_only else 0)
    sizes = (total, free, free, _INODES, _INODES)
    rest = (filesystem.device, 0, _NAME_MAX, BLOCK, flags, 0, 0, 0, 0)
    kernel.write(at, _STATFS.pack(filesystem.magic, BLOCK, *sizes, *rest))
    return 0


@syscall(137, "statfs", "partial", "what is free is what Limits.file_bytes leaves")
def statfs(kernel: Kernel, path: int, at: int) -> int:
    return _write_statfs(kernel, node_at(kernel, linux.AT_FDCWD, path).filesystem, at)


@syscall(138, "fstatfs", "partial", "as statfs")
def fstatfs(kernel: Kernel, fd: int, at: int) -> int:
    file = kernel.files.get(fd)
    node = file.node.filesystem if isinstance(file, NodeFile) else kernel.tree.anonymous
    return _write_statfs(kernel, node, at)


@syscall(136, "ustat", "refused", "ENOSYS: obsolete")
def ustat(kernel: Kernel) -> int:
    raise Errno(linux.ENOSYS)


@syscall(73, "flock")
def flock(kernel: Kernel, fd: int, operation: int) -> int:
    operation = signed32(operation)
    kind = operation & ~linux.LOCK_NB
    if kind not in (linux.LOCK_SH, linux.LOCK_EX, linux.LOCK_UN):
        raise Errno(linux.EINVAL)
    file = kernel.files.usable(fd)
    if not isinstance(file, NodeFile):
        return 0  # a pipe or socket of its own: nobody else could lock it
    node = file.node

    def attempt() -> int | None:
        if node.locks is None:
            node.locks = Locks()
        return 0 if node.locks.lock_whole(file, kind) else None

    if attempt() is not None:
        return 0
    if operation & linux.LOCK_NB:
        raise Errno(linux.EAGAIN)
    # A lock is converted by giving it up first (man 2 flock).
    if node.locks is not None:
        node.locks.lock_whole(file, linux.LOCK_UN)
    return kernel.threads.wait(ready=attempt)


@syscall(303, "name_to_handle_at", "refused", "EOPNOTSUPP: no file handles")
def name_to_handle_at(
    kernel: Kernel, directory: int, path: int, handle: int, mount: int, flags: int
) -> int:
    known = linux.AT_SYMLINK_FOLLOW | linux.AT_EMPTY_PATH | 0x200
    check_flags(flags, known)
    kernel.read_path(path)
    raise Errno(linux.EOPNOTSUPP)
