"""Inodes that are kept in memory, as on a tmpfs."""

from __future__ import annotations

from .. import linux
from ..state import TEXT, WHOLE, mapped, part, reference, state
from ..table import Errno
from .fifo import Fifo
from .node import BLOCK, Directory, Listed, Node, Regular, Symlink
from .sparse import SparseData
from .storage import INODE_BYTES, Filesystem


@state(_charged=WHOLE, data=part(SparseData), users=WHOLE)
class MemoryFile(Regular):
    """A regular file in memory. Its content goes when it has neither names nor users."""

    def __init__(
        self,
        filesystem: Filesystem,
        permissions: int,
        uid: int = 0,
        gid: int = 0,
        *,
        charged: bool = True,
    ) -> None:
        self._charged = INODE_BYTES if charged else 0
        filesystem.storage.charge(self._charged)
        super().__init__(filesystem, permissions, uid, gid)
        self.data = SparseData(filesystem.storage)
        self.users = 0

    def acquire(self, writing: bool) -> None:
        self.users += 1

    def release(self) -> None:
        self.users -= 1
        self._free()

    def unlinked(self) -> None:
        super().unlinked()
        self._free()

    def size(self) -> int:
        return self.data.size

    def blocks(self) -> int:
        return self.data.page_count * (BLOCK // 512)

    def load(self, offset: int, size: int) -> bytes:
        return self.data.read(offset, size)

    def store(self, offset: int, data: bytes | bytearray | memoryview) -> int:
        self.data.write(offset, data)
        return len(data)

    def resize(self, size: int) -> None:
        self.data.resize(size)

    def allocate(self, offset: int, size: int) -> None:
        if size > self.filesystem.storage.free and self.filesystem.storage.allowed is None:
            raise Errno(linux.ENOSPC)
        self.data.allocate(offset, size)

    def punch(self, offset: int, size: int) -> None:
        self.data.punch(offset, min(offset + size, max(self.data.size, offset)))

    def find(self, offset: int, hole: bool) -> int:
        if offset >= self.data.size:
            raise Errno(linux.ENXIO)
        if hole:
            return self.data.next_hole(offset)
        found = self.data.next_data(offset)
        if found is None:
            raise Errno(linux.ENXIO)
        return found

    def _free(self) -> None:
        if self.links == 0 and self.users == 0:
            self.data.resize(0)
            self.filesystem.storage.release(self._charged)
            self.links = -1  # never again


@state(_charged=WHOLE)
class MemorySymlink(Symlink):
    """A symbolic link in memory."""

    def __init__(self, filesystem: Filesystem, target: str, uid: int, gid: int) -> None:
        self._charged = INODE_BYTES + len(target)
        filesystem.storage.charge(self._charged)
        super().__init__(filesystem, target, uid, gid)

    def unlinked(self) -> None:
        super().unlinked()
        if not self.links:
            self.filesystem.storage.release(self._charged)


@state(charged=WHOLE, _children=mapped(TEXT, reference(Node)))
class MemoryDirectory(Directory):
    """A directory in memory."""

    counts_links = True

    def __init__(
        self,
        filesystem: Filesystem,
        permissions: int,
        uid: int = 0,
        gid: int = 0,
        *,
        charged: bool = True,
    ) -> None:
        self.charged = INODE_BYTES if charged else 0
        filesystem.storage.charge(self.charged)
        super().__init__(filesystem, permissions, uid, gid)
        self._children: dict[str, Node] = {}

    def size(self) -> int:
        return 20 * len(self._children) + 40  # as tmpfs tells it: BOGO_DIRENT_SIZE

    def lookup(self, name: str) -> Node | None:
        return self._children.get(name)

    def entries(self) -> list[Listed]:
        return [Listed(name, node.inode, node.kind) for name, node in self._children.items()]

    def is_empty(self) -> bool:
        return not self._children and not self.mounts

    def create(self, name: str, permissions: int, uid: int, gid: int) -> MemoryFile:
        file = MemoryFile(self.filesystem, permissions, uid, gid)
        self._put(name, file)
        return file

    def make_directory(self, name: str, permissions: int, uid: int, gid: int) -> MemoryDirectory:
        directory = MemoryDirectory(self.filesystem, permissions, uid, gid)
        self._put(name, directory)
        return directory

    def make_symlink(self, name: str, target: str, uid: int, gid: int) -> Symlink:
        link = MemorySymlink(self.filesystem, target, uid, gid)
        self._put(name, link)
        return link

    def make_special(self, name: str, mode: int, uid: int, gid: int) -> Node:
        self.filesystem.storage.charge(INODE_BYTES)
        node: Node
        if mode & linux.S_IFMT == linux.S_IFIFO:
            node = Fifo(self.filesystem, mode & 0o7777, uid, gid)
        else:
            node = Special(self.filesystem, mode, uid, gid)
        self._put(name, node)
        return node

    def put(self, name: str, node: Node) -> None:
        """Place a node that was made elsewhere (devices, files of /etc)."""
        self._put(name, node)

    def link(self, name: str, node: Node) -> None:
        self.filesystem.storage.charge(INODE_BYTES)
        node.links += 1
        node.changed = self.filesystem.now()
        self._put(name, node)

    def remove(self, name: str, node: Node) -> None:
        self._take(name, node)
        self._gone(node)

    def rename(self, name: str, node: Node, target: Directory, new: str, old: Node | None) -> None:
        assert isinstance(target, MemoryDirectory)
        if old is not None:
            target.remove(new, old)
        self._take(name, node)
        target._put(new, node)
        node.changed = self.filesystem.now()

    def exchange(self, name: str, node: Node, target: Directory, new: str, other: Node) -> None:
        assert isinstance(target, MemoryDirectory)
        self._take(name, node)
        target._take(new, other)
        target._put(new, node)
        self._put(name, other)
        node.changed = other.changed = self.filesystem.now()

    def _put(self, name: str, node: Node) -> None:
        self._children[name] = node
        if isinstance(node, Directory):
            node.parent, node.name = self, name
            self.links += self.counts_links
        self.touch()

    def _take(self, name: str, node: Node) -> None:
        del self._children[name]
        if isinstance(node, Directory):
            self.links -= self.counts_links
        self.touch()

    def _gone(self, node: Node) -> None:
        if isinstance(node, MemoryDirectory):
            node.links = 0
            self.filesystem.storage.release(node.charged)
            return
        node.unlinked()
        if node.links > 0 or isinstance(node, Fifo | Special):
            self.filesystem.storage.release(INODE_BYTES)


class Special(Node):
    """A socket's name: it cannot be opened, only connected to."""

    def __init__(self, filesystem: Filesystem, mode: int, uid: int, gid: int) -> None:
        self.kind = mode & linux.S_IFMT
        super().__init__(filesystem, mode & 0o7777, uid, gid)
