"""Inodes: what regular files, directories, symbolic links and special files have in common.

A node knows neither paths nor permissions of the caller: :mod:`names` and :mod:`opening` check
those before they come here. Methods raise :class:`Errno`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from .. import linux
from ..state import NOTHING, TEXT, WHOLE, mapped, optional, reference, state
from ..table import Errno
from .storage import Filesystem

if TYPE_CHECKING:
    from ..open_file import OpenFile
    from .coherence import Shared
    from .inotify import Watches
    from .locks import Locks
    from .opening import Opening

BLOCK = 4096


class Stat(NamedTuple):
    """What stat tells. Times in nanoseconds since 1970; ``blocks`` of 512 bytes."""

    device: int
    inode: int
    mode: int
    links: int
    uid: int
    gid: int
    rdev: int
    size: int
    blocks: int
    accessed: int
    modified: int
    changed: int
    born: int


class Listed(NamedTuple):
    """An entry of a directory: ``kind`` is the type of its inode, as in ``st_mode``."""

    name: str
    inode: int
    kind: int


@state(
    abstract=True,
    filesystem=reference(Filesystem), inode=WHOLE, permissions=WHOLE, uid=WHOLE, gid=WHOLE,
    links=WHOLE, rdev=WHOLE, accessed=WHOLE, modified=WHOLE, changed=WHOLE, born=WHOLE,
    locks=NOTHING, watches=NOTHING, shared=NOTHING,
)  # fmt: skip
class Node:
    """An inode. ``kind`` is its type (S_IFREG, ...), ``permissions`` the other bits of its mode."""

    kind = 0

    def __init__(
        self, filesystem: Filesystem, permissions: int, uid: int = 0, gid: int = 0
    ) -> None:
        self.filesystem = filesystem
        self.inode = filesystem.next_inode()
        self.permissions, self.uid, self.gid = permissions, uid, gid
        self.links = 1
        self.rdev = 0
        self.accessed = self.modified = self.changed = self.born = filesystem.now()
        #: Locks, inotify watches and shared mappings, for nodes that have any.
        self.locks: Locks | None = None
        self.watches: Watches | None = None
        self.shared: Shared | None = None

    @property
    def mode(self) -> int:
        return self.kind | self.permissions

    def size(self) -> int:
        """Bytes, as stat tells it."""
        return 0

    def blocks(self) -> int:
        """Units of 512 bytes that the content takes."""
        return 0

    def stat(self) -> Stat:
        return Stat(
            self.filesystem.device,
            self.inode,
            self.mode,
            self.links,
            self.uid,
            self.gid,
            self.rdev,
            self.size(),
            self.blocks(),
            self.accessed,
            self.modified,
            self.changed,
            self.born,
        )

    def open(self, opening: Opening) -> OpenFile:
        """What a descriptor refers to when this is opened. Permissions have been checked."""
        raise Errno(linux.ENXIO)

    def change_mode(self, permissions: int) -> None:
        self.permissions = permissions
        self.changed = self.filesystem.now()

    def change_owner(self, uid: int, gid: int) -> None:
        self.uid, self.gid = uid, gid
        self.changed = self.filesystem.now()

    def change_times(self, accessed: int | None, modified: int | None) -> None:
        """Set times (nanoseconds); None leaves one as it is."""
        if accessed is not None:
            self.accessed = accessed
        if modified is not None:
            self.modified = modified
        self.changed = self.filesystem.now()

    def touch(self) -> None:
        """The content changed now."""
        self.modified = self.changed = self.filesystem.now()

    def unlinked(self) -> None:
        """A name of this node is gone."""
        self.links -= 1
        self.changed = self.filesystem.now()


@state(abstract=True, seals=optional(WHOLE))
class Regular(Node):
    """A regular file. Between :meth:`acquire` and :meth:`release` its content can be used.

    ``load`` and ``store`` are the content as it is kept; everybody else uses :meth:`read_at` and
    :meth:`write_at`, which also see what shared mappings of the file hold.
    """

    kind = linux.S_IFREG
    #: Seals of a memfd (man 2 fcntl, F_ADD_SEALS); None for a file that cannot be sealed.
    seals: int | None = None

    def acquire(self, writing: bool) -> None:
        """Somebody opened the file."""

    def release(self) -> None:
        """Somebody closed it."""

    def load(self, offset: int, size: int) -> bytes:
        raise NotImplementedError

    def store(self, offset: int, data: bytes | bytearray | memoryview) -> int:
        """Write, making the file longer if need be; how many bytes were taken."""
        raise NotImplementedError

    def resize(self, size: int) -> None:
        raise NotImplementedError

    def allocate(self, offset: int, size: int) -> None:
        """Make sure that there is room (fallocate); never changes the size."""
        raise Errno(linux.EOPNOTSUPP)

    def punch(self, offset: int, size: int) -> None:
        """Make a hole."""
        raise Errno(linux.EOPNOTSUPP)

    def find(self, offset: int, hole: bool) -> int:
        """The next hole, or the next data, from ``offset`` on (SEEK_HOLE, SEEK_DATA)."""
        size = self.size()
        if offset >= size:
            raise Errno(linux.ENXIO)
        return size if hole else offset

    def flush(self) -> None:
        """Bring the content to where it is kept for good."""

    # --- the content, with its shared mappings ----------------------------------------------

    def read_at(self, offset: int, size: int) -> bytes:
        if self.shared is not None:
            self.shared.gather(self, offset, size)
        return self.load(offset, size)

    def write_at(self, offset: int, data: bytes | bytearray | memoryview) -> int:
        if self.shared is not None:
            self.shared.gather(self, offset, len(data))
        done = self.store(offset, data)
        if self.shared is not None:
            self.shared.spread(self, offset, data[:done])
        return done

    def truncate(self, size: int) -> None:
        if self.shared is None:
            self.resize(size)
            return
        before = self.size()
        self.shared.gather(self, 0, before)
        self.resize(size)
        self.shared.clear(min(before, size), max(before, size))

    def make_hole(self, offset: int, size: int) -> None:
        self.punch(offset, size)
        if self.shared is not None:
            self.shared.clear(offset, offset + size)

    def open(self, opening: Opening) -> OpenFile:
        from .regular import RegularFile

        return RegularFile(self, opening)


@state(abstract=True, _target=TEXT)
class Symlink(Node):
    """A symbolic link."""

    kind = linux.S_IFLNK

    def __init__(self, filesystem: Filesystem, target: str, uid: int = 0, gid: int = 0) -> None:
        super().__init__(filesystem, 0o777, uid, gid)
        self._target = target

    def target(self) -> str:
        return self._target

    def size(self) -> int:
        return len(self._target.encode(errors="surrogateescape"))

    def open(self, opening: Opening) -> OpenFile:
        raise Errno(linux.ELOOP)


class MagicLink(Symlink):
    """A link of /proc that leads to an open file, whatever its text says."""

    def destination(self) -> Node:
        raise NotImplementedError


@state(abstract=True, parent=reference(Node), name=TEXT, mounts=mapped(TEXT, reference(Node)))
class Directory(Node):
    """A directory. ``parent`` and ``name`` say where it is (the root is its own parent); both are
    kept when it is removed. ``mounts`` are the roots of what is mounted at names in it.

    The base is a directory in which nothing can be changed.
    """

    kind = linux.S_IFDIR

    def __init__(
        self, filesystem: Filesystem, permissions: int, uid: int = 0, gid: int = 0
    ) -> None:
        super().__init__(filesystem, permissions, uid, gid)
        self.links = 2
        self.parent: Directory = self
        self.name = ""
        self.mounts: dict[str, Directory] = {}

    def child(self, name: str) -> Node | None:
        """What a path finds under ``name``."""
        mounted = self.mounts and self.mounts.get(name)
        if mounted:
            mounted.visited()
            return mounted
        return self.lookup(name)

    def visited(self) -> None:
        """A path leads to this directory, where it is mounted."""

    def children(self) -> list[Listed]:
        """All entries, sorted by name: the order must not depend on the host."""
        found = {entry.name: entry for entry in self.entries()}
        for name, root in self.mounts.items():
            found[name] = Listed(name, root.inode, root.kind)
        return [found[name] for name in sorted(found)]

    def mount(self, name: str, root: Directory) -> None:
        root.parent, root.name = self, name
        self.mounts[name] = root

    def path(self) -> str:
        """The path from the root of the tree."""
        names: list[str] = []
        at = self
        while at.parent is not at:
            names.append(at.name)
            at = at.parent
        return "/" + "/".join(reversed(names))

    def ancestors(self) -> Iterator[Directory]:
        """This directory, its parent, and so on up to the root."""
        at = self
        while True:
            yield at
            if at.parent is at:
                return
            at = at.parent

    def open(self, opening: Opening) -> OpenFile:
        from .regular import DirectoryFile

        return DirectoryFile(self, opening)

    # --- what the kinds of directories do ---------------------------------------------------

    def lookup(self, name: str) -> Node | None:
        raise NotImplementedError

    def entries(self) -> list[Listed]:
        raise NotImplementedError

    def create(self, name: str, permissions: int, uid: int, gid: int) -> Regular:
        raise Errno(linux.EPERM)

    def make_directory(self, name: str, permissions: int, uid: int, gid: int) -> Directory:
        raise Errno(linux.EPERM)

    def make_symlink(self, name: str, target: str, uid: int, gid: int) -> Symlink:
        raise Errno(linux.EPERM)

    def make_special(self, name: str, mode: int, uid: int, gid: int) -> Node:
        """A fifo or a socket."""
        raise Errno(linux.EPERM)

    def link(self, name: str, node: Node) -> None:
        """Another name for a node of the same file system."""
        raise Errno(linux.EPERM)

    def remove(self, name: str, node: Node) -> None:
        """Remove a name; of a directory, which is empty, too."""
        raise Errno(linux.EPERM)

    def rename(self, name: str, node: Node, target: Directory, new: str, old: Node | None) -> None:
        """Move ``node`` from here to ``target`` under the name ``new``, in place of ``old``."""
        raise Errno(linux.EPERM)

    def exchange(self, name: str, node: Node, target: Directory, new: str, other: Node) -> None:
        """Swap two names (RENAME_EXCHANGE)."""
        raise Errno(linux.EINVAL)

    def is_empty(self) -> bool:
        return not self.children()
