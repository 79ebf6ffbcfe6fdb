"""From the registers of a call to what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import linux
from ...open_file import OpenFile
from ...table import Errno, signed32
from ..node import Directory, Node
from ..regular import NodeFile
from ..walk import Place

if TYPE_CHECKING:
    from ...kernel import Kernel


def start(kernel: Kernel, directory: int, path: str) -> Directory:
    """Where a path begins. ``directory`` does not matter for absolute ones."""
    if not path:
        raise Errno(linux.ENOENT)
    if path[:1] == "/":
        return kernel.tree.root
    return kernel.files.directory(directory)


def place_at(kernel: Kernel, directory: int, path: int, follow: bool) -> Place:
    """The place that a path in guest memory leads to."""
    name = kernel.read_path(path)
    return kernel.tree.walk(start(kernel, directory, name), name, follow=follow)


def node_at(kernel: Kernel, directory: int, path: int, flags: int = 0) -> Node:
    """The inode that a path leads to, with the flags AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH."""
    name = kernel.read_path(path)
    if not name and flags & linux.AT_EMPTY_PATH:
        return node_of(described(kernel, directory))
    follow = not flags & linux.AT_SYMLINK_NOFOLLOW
    return kernel.tree.walk(start(kernel, directory, name), name, follow=follow).found


def described(kernel: Kernel, fd: int) -> OpenFile | Directory:
    """What an empty path stands for: a descriptor, or the working directory."""
    if signed32(fd) == linux.AT_FDCWD:
        return kernel.tree.working
    return kernel.files.get(fd)


def node_of(file: OpenFile | Directory) -> Node:
    """The inode behind a descriptor. EBADF where there is none that could be changed."""
    if isinstance(file, NodeFile):
        return file.node
    if isinstance(file, Directory):
        return file
    raise Errno(linux.EPERM)


def check_flags(flags: int, known: int) -> int:
    """The flags as an int. EINVAL for unknown ones."""
    flags &= 0xFFFFFFFF
    if flags & ~known:
        raise Errno(linux.EINVAL)
    return flags


def check_change(kernel: Kernel, node: Node) -> None:
    """EROFS for what lies in a read-only file system."""
    if node.filesystem.read_only:
        raise Errno(linux.EROFS)


def watched(node: Node, event: int) -> None:
    """Tell inotify of a change of the inode itself."""
    if node.watches is not None:
        node.watches.happened(event, isinstance(node, Directory))
