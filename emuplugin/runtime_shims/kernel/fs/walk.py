"""From a path to an inode (man 7 path_resolution).

Everything is resolved within the guest's own tree, component by component: a symbolic link that
lies in a mounted folder of the host is a path of the guest like any other.
"""

from __future__ import annotations

from typing import NamedTuple

from .. import linux
from ..table import Errno
from .node import Directory, MagicLink, Node, Symlink

NAME_MAX = 255
_LINKS_MAX = 40
READ, WRITE, EXECUTE = 4, 2, 1


class User(NamedTuple):
    """On whose behalf something is done. ``privileged`` is Python, which may do everything."""

    uid: int = 1000
    gid: int = 1000
    privileged: bool = False

    def may(self, node: Node, wanted: int) -> bool:
        """Whether the permissions of ``node`` grant READ, WRITE, EXECUTE."""
        if self.privileged:
            return True
        if node.uid == self.uid:
            granted = node.permissions >> 6
        elif node.gid == self.gid:
            granted = node.permissions >> 3
        else:
            granted = node.permissions
        return not wanted & ~granted & 7

    def check(self, node: Node, wanted: int) -> None:
        """EACCES unless granted; EROFS for what can only be read."""
        if wanted & WRITE and node.filesystem.read_only and node.kind not in _WRITABLE_ALWAYS:
            raise Errno(linux.EROFS)
        if not self.may(node, wanted):
            raise Errno(linux.EACCES)

    def owns(self, node: Node) -> bool:
        return self.privileged or node.uid == self.uid


_WRITABLE_ALWAYS = (linux.S_IFCHR, linux.S_IFIFO, linux.S_IFSOCK)


def too_long(name: str) -> bool:
    """Whether no file can have this name."""
    return len(name) > NAME_MAX // 4 and len(name.encode(errors="surrogateescape")) > NAME_MAX


class Place(NamedTuple):
    """Where a path leads. ``node`` is None if there is nothing of that name in ``directory`` yet.

    ``dot`` is the last component where that is no name: ``.``, ``..`` or ``/``; ``directory`` is
    None then. ``slash``: the path ends in one, so it must be a directory.
    """

    directory: Directory | None
    name: str
    node: Node | None
    dot: str = ""
    slash: bool = False

    @property
    def found(self) -> Node:
        """The node. ENOENT if there is none."""
        if self.node is None:
            raise Errno(linux.ENOENT)
        return self.node

    def path(self) -> str:
        """The whole path, without symbolic links."""
        if self.directory is None:
            return self.node.path() if isinstance(self.node, Directory) else ""
        return self.directory.path().rstrip("/") + "/" + self.name


def walk(
    root: Directory,
    start: Directory,
    path: str,
    user: User,
    *,
    follow: bool = True,
    resolve: int = 0,
    last: bool = True,
) -> Place:
    """Resolve ``path`` from ``start`` or, if it is absolute, from ``root``. ``follow``: also a
    symbolic link at the end. ``resolve`` is as for openat2. Without ``last`` a last name that is
    too long is left for the caller to find out."""
    if not path:
        raise Errno(linux.ENOENT)
    at: Node = start
    top = root
    if resolve & linux.RESOLVE_IN_ROOT:
        top = start
    if path[0] == "/":
        if resolve & linux.RESOLVE_BENEATH:
            raise Errno(linux.EXDEV)
        at = top
    slash = path[-1] == "/"
    names = [name for name in reversed(path.split("/")) if name]
    links = 0
    dot = "/"
    while names:
        name = names.pop()
        if not isinstance(at, Directory):
            raise Errno(linux.ENOTDIR)
        if not user.may(at, EXECUTE):
            raise Errno(linux.EACCES)
        if name == ".":
            dot = name
            continue
        if name == "..":
            dot = name
            if at is start and resolve & linux.RESOLVE_BENEATH:
                raise Errno(linux.EXDEV)
            if at is not top:
                if resolve & linux.RESOLVE_NO_XDEV and at.parent.filesystem is not at.filesystem:
                    raise Errno(linux.EXDEV)
                at = at.parent
            continue
        if too_long(name):
            if names or last:
                raise Errno(linux.ENAMETOOLONG)
            return Place(at, name, None)
        dot = ""
        child = at.child(name)
        if child is None:
            if names:
                raise Errno(linux.ENOENT)
            return Place(at, name, None, slash=slash)
        if resolve & linux.RESOLVE_NO_XDEV and child.filesystem is not at.filesystem:
            raise Errno(linux.EXDEV)
        if isinstance(child, Symlink) and (names or follow or slash):
            links += 1
            if links > _LINKS_MAX or resolve & linux.RESOLVE_NO_SYMLINKS:
                raise Errno(linux.ELOOP)
            if isinstance(child, MagicLink):
                if resolve & (linux.RESOLVE_NO_MAGICLINKS | linux.RESOLVE_IN_ROOT):
                    raise Errno(linux.ELOOP if resolve & 2 else linux.EXDEV)
                if resolve & linux.RESOLVE_BENEATH:
                    raise Errno(linux.EXDEV)
                at = child.destination()
                if not names and not isinstance(at, Directory):
                    if slash:
                        raise Errno(linux.ENOTDIR)
                    return Place(None, "", at)
                dot = "/"
                continue
            target = child.target()
            if not target:
                raise Errno(linux.ENOENT)
            if target[0] == "/":
                if resolve & linux.RESOLVE_BENEATH:
                    raise Errno(linux.EXDEV)
                at = top
                dot = "/"
            if not names:
                slash = slash or target[-1] == "/"
            names += [part for part in reversed(target.split("/")) if part]
            continue
        if not names:
            if slash and not isinstance(child, Directory):
                raise Errno(linux.ENOTDIR)
            return Place(at, name, child, slash=slash)
        at = child
    if not isinstance(at, Directory):
        raise Errno(linux.ENOTDIR)
    return Place(None, "", at, dot=dot, slash=slash)
