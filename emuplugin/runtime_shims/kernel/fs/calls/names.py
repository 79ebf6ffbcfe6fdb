"""The calls that make, remove and move names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import linux
from ...table import Errno, syscall
from .. import names
from .arguments import check_flags, described, node_of, place_at, start

if TYPE_CHECKING:
    from ...kernel import Kernel

_HERE = linux.AT_FDCWD
_RENAME = linux.RENAME_NOREPLACE | linux.RENAME_EXCHANGE


@syscall(258, "mkdirat")
def mkdirat(kernel: Kernel, directory: int, path: int, mode: int) -> int:
    name = kernel.read_path(path)
    permissions = mode & 0o1777 & ~kernel.identity.umask
    names.mkdir(kernel.tree, start(kernel, directory, name), name, permissions)
    return 0


@syscall(83, "mkdir")
def mkdir(kernel: Kernel, path: int, mode: int) -> int:
    return mkdirat(kernel, _HERE, path, mode)


@syscall(263, "unlinkat")
def unlinkat(kernel: Kernel, directory: int, path: int, flags: int) -> int:
    flags = check_flags(flags, linux.AT_REMOVEDIR)
    name = kernel.read_path(path)
    remove = names.rmdir if flags else names.unlink
    remove(kernel.tree, start(kernel, directory, name), name)
    return 0


@syscall(87, "unlink")
def unlink(kernel: Kernel, path: int) -> int:
    return unlinkat(kernel, _HERE, path, 0)


@syscall(84, "rmdir")
def rmdir(kernel: Kernel, path: int) -> int:
    return unlinkat(kernel, _HERE, path, linux.AT_REMOVEDIR)


@syscall(316, "renameat2", "partial", "NOREPLACE and EXCHANGE, the latter not in mounts that write")
def renameat2(
    kernel: Kernel, directory: int, path: int, new_directory: int, new_path: int, flags: int
) -> int:
    flags = check_flags(flags, _RENAME)
    if flags == _RENAME:
        raise Errno(linux.EINVAL)
    old, new = kernel.read_path(path), kernel.read_path(new_path)
    names.rename(
        kernel.tree,
        start(kernel, directory, old),
        old,
        start(kernel, new_directory, new),
        new,
        flags,
    )
    return 0


@syscall(264, "renameat")
def renameat(kernel: Kernel, directory: int, path: int, new_directory: int, new: int) -> int:
    return renameat2(kernel, directory, path, new_directory, new, 0)


@syscall(82, "rename")
def rename(kernel: Kernel, path: int, new: int) -> int:
    return renameat2(kernel, _HERE, path, _HERE, new, 0)


@syscall(265, "linkat")
def linkat(
    kernel: Kernel, directory: int, path: int, new_directory: int, new_path: int, flags: int
) -> int:
    flags = check_flags(flags, linux.AT_SYMLINK_FOLLOW | linux.AT_EMPTY_PATH)
    old, new = kernel.read_path(path), kernel.read_path(new_path)
    if not old and flags & linux.AT_EMPTY_PATH:
        raise Errno(linux.ENOENT)  # needs CAP_DAC_READ_SEARCH
    follow = bool(flags & linux.AT_SYMLINK_FOLLOW)
    node = kernel.tree.walk(start(kernel, directory, old), old, follow=follow).found
    names.link(kernel.tree, node, start(kernel, new_directory, new), new)
    return 0


@syscall(86, "link")
def link(kernel: Kernel, path: int, new: int) -> int:
    return linkat(kernel, _HERE, path, _HERE, new, 0)


@syscall(266, "symlinkat")
def symlinkat(kernel: Kernel, target: int, directory: int, path: int) -> int:
    text, name = kernel.read_path(target), kernel.read_path(path)
    names.symlink(kernel.tree, text, start(kernel, directory, name), name)
    return 0


@syscall(88, "symlink")
def symlink(kernel: Kernel, target: int, path: int) -> int:
    return symlinkat(kernel, target, _HERE, path)


@syscall(267, "readlinkat")
def readlinkat(kernel: Kernel, directory: int, path: int, at: int, size: int) -> int:
    size &= 0xFFFFFFFF
    if not 0 < size < 1 << 31:
        raise Errno(linux.EINVAL)
    name = kernel.read_path(path)
    if not name:
        from ..node import Symlink

        node = node_of(described(kernel, directory))
        if not isinstance(node, Symlink):
            raise Errno(linux.ENOENT)
        text = node.target()
    else:
        text = names.read_link(place_at(kernel, directory, path, follow=False))
    data = text.encode(errors="surrogateescape")[:size]
    kernel.write(at, data)
    return len(data)


@syscall(89, "readlink")
def readlink(kernel: Kernel, path: int, at: int, size: int) -> int:
    return readlinkat(kernel, _HERE, path, at, size)


@syscall(259, "mknodat", "partial", "fifos, sockets and regular files; devices are EPERM")
def mknodat(kernel: Kernel, directory: int, path: int, mode: int, device: int) -> int:
    name = kernel.read_path(path)
    mode &= 0xFFFF
    kind, permissions = mode & linux.S_IFMT, mode & 0o7777 & ~kernel.identity.umask
    begin = start(kernel, directory, name)
    if kind in (0, linux.S_IFREG):
        names.make_file(kernel.tree, begin, name, permissions)
    elif kind in (linux.S_IFIFO, linux.S_IFSOCK):
        names.make_special(kernel.tree, begin, name, kind | permissions)
    elif kind in (linux.S_IFCHR, linux.S_IFBLK, linux.S_IFDIR):
        raise Errno(linux.EPERM)
    else:
        raise Errno(linux.EINVAL)
    return 0


@syscall(133, "mknod", "partial", "as mknodat")
def mknod(kernel: Kernel, path: int, mode: int, device: int) -> int:
    return mknodat(kernel, _HERE, path, mode, device)
