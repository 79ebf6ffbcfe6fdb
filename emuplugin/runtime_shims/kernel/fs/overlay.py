"""A folder of the host that can be written to, where what is written stays in memory.

Nodes are those of the memory file system with a *lower* node of the host behind them. A file is
copied up by the first change of its content; a name that is removed or moved away hides the
host's.
"""

from __future__ import annotations

from collections.abc import Callable

from .host import HostDirectory, mount_host
from .host_file import HostFile
from .host_node import HostNode, HostSymlink
from .memory import MemoryDirectory, MemoryFile
from .node import Listed, Node, Regular, Symlink
from .storage import Storage

_COPY = 1 << 20


def mount_overlay(
    folder: str, device: int, storage: Storage, now: Callable[[], int]
) -> OverlayDirectory:
    """The root of an overlay over a folder of the host. Raises OSError."""
    lower = mount_host(folder, device, storage, now, read_only=False, kind="overlay")
    return OverlayDirectory(lower)


def _take_over(node: Node, lower: HostNode) -> None:
    """The attributes of the host's node, as they are now."""
    node.inode = lower.inode
    node.accessed, node.modified = lower.accessed, lower.modified
    node.changed, node.born = lower.changed, lower.born


class OverlayFile(MemoryFile):
    """A file of the host until it is changed."""

    def __init__(self, lower: HostFile) -> None:
        super().__init__(lower.filesystem, lower.permissions, lower.uid, lower.gid, charged=False)
        _take_over(self, lower)
        self._lower: HostFile | None = lower

    def acquire(self, writing: bool) -> None:
        if self._lower is not None:
            self._lower.acquire(False)
        super().acquire(writing)

    def release(self) -> None:
        if self._lower is not None:
            self._lower.release()
        super().release()

    def size(self) -> int:
        return super().size() if self._lower is None else self._lower.size()

    def blocks(self) -> int:
        return super().blocks() if self._lower is None else self._lower.blocks()

    def load(self, offset: int, size: int) -> bytes:
        return super().load(offset, size) if self._lower is None else self._lower.load(offset, size)

    def find(self, offset: int, hole: bool) -> int:
        return super().find(offset, hole) if self._lower is None else Regular.find(
            self, offset, hole
        )  # fmt: skip

    def store(self, offset: int, data: bytes | bytearray | memoryview) -> int:
        self._copy_up()
        return super().store(offset, data)

    def resize(self, size: int) -> None:
        self._copy_up(size)
        super().resize(size)

    def allocate(self, offset: int, size: int) -> None:
        self._copy_up()
        super().allocate(offset, size)

    def punch(self, offset: int, size: int) -> None:
        self._copy_up()
        super().punch(offset, size)

    def _copy_up(self, limit: int | None = None) -> None:
        """Take the content, or the first ``limit`` bytes of it, into memory."""
        lower = self._lower
        if lower is None:
            return
        lower.acquire(False)
        try:
            at, end = 0, lower.size()
            end = end if limit is None else min(end, limit)
            while at < end:
                part = lower.load(at, min(_COPY, end - at))
                if not part:
                    break
                self.data.write(at, part)
                at += len(part)
        except BaseException:
            self.data.resize(0)
            raise
        finally:
            lower.release()
        self._lower = None
        for _ in range(self.users):
            lower.release()


class OverlaySymlink(Symlink):
    """A link of the host."""

    def __init__(self, lower: HostSymlink) -> None:
        super().__init__(lower.filesystem, lower.target(), lower.uid, lower.gid)
        _take_over(self, lower)


class OverlayDirectory(MemoryDirectory):
    """A folder of the host with changes. Which names it hides is kept beside its own entries."""

    # As overlayfs does: how many subfolders the host's has is not counted.
    counts_links = False

    def __init__(self, lower: HostDirectory) -> None:
        super().__init__(lower.filesystem, lower.permissions, lower.uid, lower.gid, charged=False)
        _take_over(self, lower)
        self.links = 1
        self._lower = lower
        self._hidden: set[str] = set()

    def visited(self) -> None:
        self._lower.visited()

    def lookup(self, name: str) -> Node | None:
        found = super().lookup(name)
        if found is not None or name in self._hidden:
            return found
        lower = self._lower.lookup(name)
        if lower is None:
            return None
        node: Node
        if isinstance(lower, HostDirectory):
            node = OverlayDirectory(lower)
            node.parent, node.name = self, name
        elif isinstance(lower, HostFile):
            node = OverlayFile(lower)
        elif isinstance(lower, HostSymlink):
            node = OverlaySymlink(lower)
        else:
            return lower
        self._children[name] = node
        return node

    def entries(self) -> list[Listed]:
        found = {entry.name: entry for entry in self._lower.entries()}
        for name in self._hidden:
            found.pop(name, None)
        found |= {entry.name: entry for entry in super().entries()}
        return list(found.values())

    def is_empty(self) -> bool:
        return not self.entries() and not self.mounts

    def _take(self, name: str, node: Node) -> None:
        if self._lower.lookup(name) is not None:
            self._hidden.add(name)
        if name in self._children:
            super()._take(name, node)
        else:
            self.touch()
