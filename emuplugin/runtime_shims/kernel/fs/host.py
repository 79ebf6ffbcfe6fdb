"""Folders of the host: a mounted one, and those in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from weakref import WeakValueDictionary

from .. import linux
from ..table import Errno
from .host_errors import host_errors
from .host_file import HostFile
from .host_node import HostFilesystem, HostNode, HostSpecial, HostSymlink
from .host_paths import host_calls
from .node import Directory, Listed, Node, Regular, Symlink
from .storage import Storage


class HostDirectory(HostNode, Directory):
    """A folder. Nodes of what is in it are made when they are asked for, and forgotten."""

    def __init__(
        self, filesystem: HostFilesystem, parent: HostDirectory | None, name: str,
        status: os.stat_result,
    ) -> None:  # fmt: skip
        self.mounts = {}
        self._known: WeakValueDictionary[str, HostNode] = WeakValueDictionary()
        super().__init__(filesystem, parent, name, status)
        self.parent = self if parent is None else parent

    def refresh(self, status: os.stat_result) -> None:
        super().refresh(status)
        # How many subfolders there are is counted by some hosts only (1: nobody knows).
        self.links = 1

    def visited(self) -> None:
        self.filesystem.visited = True

    def size(self) -> int:
        return 4096

    def lookup(self, name: str) -> Node | None:
        try:
            status = self.filesystem.calls.status((*self.names(), name))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError:
            with host_errors():
                raise
            raise
        known = self._known.get(name)
        if known is not None and known.key == (status.st_dev, status.st_ino) and (
            known.kind == stat.S_IFMT(status.st_mode)
        ):  # fmt: skip
            known.refresh(status)
            return known
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), HostSpecial)
        node = kind(self.filesystem, self, name, status)
        self._known[name] = node
        return node

    def entries(self) -> list[Listed]:
        with host_errors():
            found = self.filesystem.calls.list(self.names())
        device = self.status.st_dev
        return [
            Listed(entry.name, self.filesystem.inode((device, entry.inode)), entry.kind)
            for entry in sorted(found)
        ]

    def create(self, name: str, permissions: int, uid: int, gid: int) -> Regular:
        with host_errors():
            fd = self.filesystem.calls.create((*self.names(), name), permissions)
        node = self.lookup(name)
        if not isinstance(node, HostFile) or not os.path.samestat(node.status, os.fstat(fd)):
            os.close(fd)
            raise Errno(linux.ESTALE)
        node.adopt(fd)
        return node

    def make_directory(self, name: str, permissions: int, uid: int, gid: int) -> Directory:
        names = (*self.names(), name)
        with host_errors():
            self.filesystem.calls.mkdir(names, permissions)
        node = self.lookup(name)
        if not isinstance(node, HostDirectory):
            raise Errno(linux.ESTALE)
        return node

    def make_symlink(self, name: str, target: str, uid: int, gid: int) -> Symlink:
        with host_errors():
            self.filesystem.calls.symlink((*self.names(), name), target)
        node = self.lookup(name)
        if not isinstance(node, HostSymlink):
            raise Errno(linux.ESTALE)
        return node

    def link(self, name: str, node: Node) -> None:
        assert isinstance(node, HostNode)
        filesystem = self.filesystem
        known = filesystem.own_links.get(node.key, 1)
        links = node.look().st_nlink
        with host_errors():
            filesystem.calls.link(node.names(), (*self.names(), name))
        if links <= known:
            filesystem.own_links[node.key] = links + 1
        node.refresh(node.look())

    def remove(self, name: str, node: Node) -> None:
        names = (*self.names(), name)
        with host_errors():
            if isinstance(node, Directory):
                self.filesystem.calls.rmdir(names)
                node.links = 0
            else:
                self.filesystem.calls.unlink(names)
                self._one_less(node)
        self._known.pop(name, None)

    def _one_less(self, node: Node) -> None:
        """A name of ``node`` is gone."""
        assert isinstance(node, HostNode)
        node.unlinked()
        own = self.filesystem.own_links.get(node.key)
        if own is not None:
            self.filesystem.own_links[node.key] = max(own - 1, 1)
        if not node.links:
            self.filesystem.charge(node.key, -node.status.st_size)

    def rename(self, name: str, node: Node, target: Directory, new: str, old: Node | None) -> None:
        assert isinstance(target, HostDirectory)
        assert isinstance(node, HostNode)
        with host_errors():
            self.filesystem.calls.rename((*self.names(), name), (*target.names(), new))
        if isinstance(old, Directory):
            old.links = 0
        elif old is not None:
            self._one_less(old)
        self._known.pop(name, None)
        target._known[new] = node
        node.folder, node.name = target, new
        if isinstance(node, HostDirectory):
            node.parent = target


_KINDS: dict[int, Callable[[HostFilesystem, HostDirectory, str, os.stat_result], HostNode]] = {
    stat.S_IFREG: HostFile,
    stat.S_IFDIR: HostDirectory,
    stat.S_IFLNK: HostSymlink,
}


def mount_host(
    folder: str, device: int, storage: Storage, now: Callable[[], int], *, read_only: bool,
    kind: str = "host",
) -> HostDirectory:  # fmt: skip
    """The root of a mounted folder. Raises OSError."""
    calls = host_calls(folder)
    filesystem = HostFilesystem(calls, device, storage, now, read_only=read_only, kind=kind)
    return HostDirectory(filesystem, None, "", calls.status(()))
