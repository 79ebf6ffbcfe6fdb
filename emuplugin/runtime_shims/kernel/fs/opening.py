"""Opening a path (man 2 open, openat2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import linux
from ..open_file import OpenFile
from ..state import KNOWN, NOTHING, TEXT, WHOLE, optional, reference, state
from ..table import Errno
from .node import Directory, Node, Regular, Symlink
from .walk import READ, WRITE, Place, User

if TYPE_CHECKING:
    from ..kernel import Kernel

_PATH_FLAGS = linux.O_DIRECTORY | linux.O_NOFOLLOW | linux.O_CLOEXEC | linux.O_PATH
_TMPFILE = linux.O_TMPFILE | linux.O_DIRECTORY
_CREATE_DIRECTORY = linux.O_CREAT | linux.O_DIRECTORY
_WANTED = {linux.O_RDONLY: READ, linux.O_WRONLY: WRITE, linux.O_RDWR: READ | WRITE, 3: READ | WRITE}
# linux/inotify.h
IN_CREATE, IN_OPEN, IN_CLOSE_WRITE, IN_CLOSE_NOWRITE = 0x100, 0x20, 0x8, 0x10


@state(
    kernel=KNOWN, flags=WHOLE, directory=optional(reference(Directory)), name=TEXT,
    condition=NOTHING,
)  # fmt: skip
class Opening:
    """One act of opening: by whom, how, and what name was used."""

    __slots__ = ("condition", "directory", "flags", "kernel", "name")

    def __init__(
        self, kernel: Kernel, flags: int, directory: Directory | None = None, name: str = ""
    ) -> None:
        self.kernel, self.flags = kernel, flags
        self.directory, self.name = directory, name
        #: What the caller has to wait for before it gets the descriptor.
        self.condition: Callable[[], bool] | None = None

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """The file is open, but its descriptor comes only when ``condition`` holds."""
        self.condition = condition

    def path(self, node: Node) -> str:
        """Where the file lies now, as /proc/self/fd tells it."""
        if isinstance(node, Directory):
            path, there = node.path(), node.links > 0
        elif self.directory is None:
            return self.name
        else:
            path = self.directory.path().rstrip("/") + "/" + self.name
            there = self.directory.child(self.name) is node
        return path if there else path + " (deleted)"

    def notify(self, node: Node, event: int) -> None:
        """Tell inotify what happened to the file."""
        if node.watches is not None:
            node.watches.happened(event, isinstance(node, Directory))
        if self.directory is not None and self.directory.watches is not None:
            self.directory.watches.happened(event, isinstance(node, Directory), self.name)


def open_path(
    kernel: Kernel, start: Directory, path: str, flags: int, permissions: int, resolve: int = 0
) -> tuple[OpenFile, Opening]:
    """Open what is at ``path``. Permission bits for a new file count as they are: the caller
    has applied the umask."""
    tree, user = kernel.tree, kernel.tree.user
    if flags & linux.O_PATH:
        flags &= _PATH_FLAGS
    access = flags & linux.O_ACCMODE
    temporary = flags & _TMPFILE == _TMPFILE
    if flags & linux.O_TMPFILE and (not temporary or access == linux.O_RDONLY):
        raise Errno(linux.EINVAL)
    if flags & _CREATE_DIRECTORY == _CREATE_DIRECTORY and not temporary:
        raise Errno(linux.EINVAL)
    exclusive = flags & (linux.O_CREAT | linux.O_EXCL) == linux.O_CREAT | linux.O_EXCL
    follow = not (flags & linux.O_NOFOLLOW or exclusive)
    if flags & linux.O_CREAT:
        _refuse_slash(kernel, start, path, resolve)
    place = tree.walk(start, path, follow=follow, resolve=resolve)
    node, report = place.node, kernel.report
    if temporary:
        return _open_temporary(kernel, place, flags, permissions)
    created = False
    if flags & linux.O_CREAT:
        if place.slash and node is None:
            raise Errno(linux.EISDIR)
        if node is None:
            node, created = _create(place, user, permissions), True
            report.file(place.path(), "create")
        elif exclusive:
            raise Errno(linux.EEXIST)
        elif isinstance(node, Directory):
            raise Errno(linux.EISDIR)
    if node is None:
        raise Errno(linux.ENOENT)
    opening = Opening(kernel, flags, place.directory, place.name)
    if flags & linux.O_DIRECTORY and not isinstance(node, Directory):
        raise Errno(linux.ENOTDIR)
    if flags & linux.O_PATH:
        from .regular import PathFile

        return PathFile(node, opening), opening
    if isinstance(node, Symlink):
        raise Errno(linux.ELOOP)
    if not created:
        _check(node, user, flags, access)
        if not isinstance(node, Directory):
            report.file(place.path(), "read" if access == linux.O_RDONLY else "write")
        else:
            report.file(node.path(), "list")
    file = node.open(opening)
    if flags & linux.O_TRUNC and isinstance(node, Regular) and not created:
        if node.size():
            node.truncate(0)
        node.touch()
        opening.notify(node, 2)
    if created:
        _notify_created(opening)
    opening.notify(node, IN_OPEN)
    return file, opening


def _refuse_slash(kernel: Kernel, start: Directory, path: str, resolve: int) -> None:
    """A name that is made must not end in a slash, not even if it is there."""
    stripped = path.rstrip("/")
    if len(stripped) == len(path) or stripped.rpartition("/")[2] in ("", ".", ".."):
        return
    kernel.tree.walk(start, stripped, follow=False, resolve=resolve, last=False)
    raise Errno(linux.EISDIR)


def _check(node: Node, user: User, flags: int, access: int) -> None:
    wanted = _WANTED[access]
    if flags & linux.O_TRUNC:
        wanted |= WRITE
    if wanted & WRITE and isinstance(node, Directory):
        raise Errno(linux.EISDIR)
    user.check(node, wanted)
    if flags & linux.O_NOATIME and not user.owns(node):
        raise Errno(linux.EPERM)


def _create(place: Place, user: User, permissions: int) -> Node:
    directory = place.directory
    assert directory is not None
    if not directory.links:
        raise Errno(linux.ENOENT)
    user.check(directory, WRITE | 1)
    return directory.create(place.name, permissions & 0o7777, user.uid, user.gid)


def _open_temporary(
    kernel: Kernel, place: Place, flags: int, permissions: int
) -> tuple[OpenFile, Opening]:
    """O_TMPFILE: a file without a name."""
    from .memory import MemoryDirectory, MemoryFile

    directory = place.found
    if not isinstance(directory, Directory):
        raise Errno(linux.ENOTDIR)
    user = kernel.tree.user
    user.check(directory, WRITE | 1)
    if not isinstance(directory, MemoryDirectory):
        raise Errno(linux.EOPNOTSUPP)
    node = MemoryFile(directory.filesystem, permissions & 0o7777, user.uid, user.gid)
    node.links = 0
    opening = Opening(kernel, flags, None, f"{directory.path()}/#{node.inode} (deleted)")
    kernel.report.file(directory.path(), "create")
    return node.open(opening), opening


def _notify_created(opening: Opening) -> None:
    directory = opening.directory
    if directory is not None and directory.watches is not None:
        directory.watches.happened(IN_CREATE, False, opening.name)
