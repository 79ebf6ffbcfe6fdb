"""What has changed in the file tree since the sandbox furnished it."""

from __future__ import annotations

from collections.abc import Iterator

from emuplugin.runtime_shims.kernel.fs.host_node import HostFilesystem
from emuplugin.runtime_shims.kernel.fs.memory import MemoryDirectory, MemoryFile
from emuplugin.runtime_shims.kernel.fs.node import Directory, Node
from emuplugin.runtime_shims.kernel.fs.proc import Folder
from emuplugin.runtime_shims.kernel.fs.tree import Tree

from .objects import Keeper


def name_of(node: Node) -> str:
    """What an inode is known by. Numbers are given out in order, so they are the same each time."""
    return f"node {node.filesystem.device} {node.inode}"


def parts(tree: Tree) -> dict[str, object]:
    """The tree and all that it has from the start, by name, but for inodes."""
    filesystems = (*tree.mounted.values(), tree.anonymous)
    named = {
        f"filesystem {filesystem.device}": filesystem
        for filesystem in filesystems
        if not isinstance(filesystem, HostFilesystem)  # nobody has looked at those
    }
    return {"tree": tree, "storage": tree.storage, **named}


def nodes(tree: Tree) -> dict[str, Node]:
    """All inodes by name; of folders of the host only the topmost."""
    found: dict[str, Node] = {}
    waiting: list[Node] = [tree.root]
    while waiting:
        node = waiting.pop()
        if name_of(node) not in found:
            found[name_of(node)] = node
            waiting += _below(node)
    return found


def _below(node: Node) -> Iterator[Node]:
    if not isinstance(node, Directory) or isinstance(node.filesystem, HostFilesystem):
        return
    yield from node.mounts.values()
    if isinstance(node, Folder):  # which makes more when it is asked for its entries
        yield from node.fixed.values()
    elif isinstance(node, MemoryDirectory):
        yield from filter(None, (node.lookup(entry.name) for entry in node.entries()))


class Changes:
    """A tree beside what it was at first."""

    def __init__(self, tree: Tree) -> None:
        """Raises OSError where a folder of the host cannot be mounted any more."""
        first = Tree(tree.kernel)
        try:
            self._parts, self._nodes = parts(first), nodes(first)
        finally:
            first.close()
        self._tree = tree

    def name(self, node: Node) -> str | None:
        """The name of an inode that was there at first."""
        first = self._nodes.get(name_of(node))
        return name_of(node) if type(first) is type(node) else None

    def describe(self, keeper: Keeper) -> dict[str, object]:
        """The state of all that is there since the start and is not the same any more, by name.
        Raises UnkeptError."""
        found: dict[str, object] = {}
        for name, thing in parts(self._tree).items():
            before = Keeper(_name_at_first).state(self._parts[name])
            if Keeper(self._name_of).state(thing) != before:
                found[name] = keeper.state(thing)
        waiting = [node for node in nodes(self._tree).values() if self.name(node)]
        done: set[str] = set()
        while waiting:
            for node in waiting:
                done.add(name := name_of(node))
                if _look(node) != _look(self._nodes[name]):
                    found[name] = keeper.state(node)
            # What these refer to, and open files, may have no name in the tree any more.
            keeper.describe()
            waiting = [node for name, node in keeper.nodes() if name not in done]
        return found

    def _name_of(self, thing: object) -> str | None:
        return self.name(thing) if isinstance(thing, Node) else None


def _name_at_first(thing: object) -> str | None:
    return name_of(thing) if isinstance(thing, Node) else None


def _look(node: Node) -> tuple[object, ...]:
    """What is another if anything of an inode is: nothing changes without the time of its change,
    but for the number of those who have it open."""
    users = node.users if isinstance(node, MemoryFile) else 0
    names = tuple(node.fixed) if isinstance(node, Folder) else ()
    return node.permissions, node.uid, node.gid, node.links, node.changed, users, names
