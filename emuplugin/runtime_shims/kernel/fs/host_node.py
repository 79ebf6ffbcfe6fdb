"""What all inodes of a mounted folder of the host share.

A node remembers its parent and its name; every use of it goes down from the mounted folder again,
see :mod:`host_calls`. What is neither file, folder nor symbolic link can be seen but not opened.
The host's users are not shown: everything belongs to the machine's own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import linux
from ..table import Errno
from .host_calls import PERMISSIONS, HostCalls, Names
from .host_errors import host_errors
from .node import Node, Stat, Symlink
from .storage import Filesystem, Storage
from .walk import User

if TYPE_CHECKING:
    from .host import HostDirectory

_MAGIC = 0x6A656A63  # FUSE, or 9p: somebody else's files
_USER = User()
_Key = tuple[int, int]


class HostFilesystem(Filesystem):
    """A mounted folder. Host inodes get numbers in the order in which they come up."""

    def __init__(
        self,
        calls: HostCalls,
        device: int,
        storage: Storage,
        now: Callable[[], int],
        *,
        read_only: bool,
        kind: str = "host",
    ) -> None:
        super().__init__(device, kind, _MAGIC, storage, now, read_only=read_only)
        self.calls = calls
        self._inodes: dict[_Key, int] = {}
        #: Bytes charged by file, and how many names of a file the guest itself has made.
        self._charged: dict[_Key, int] = {}
        self.own_links: dict[_Key, int] = {}
        #: Whether a path has led here.
        self.visited = False

    def inode(self, key: _Key) -> int:
        number = self._inodes.get(key)
        if number is None:
            number = self._inodes[key] = self.next_inode()
        return number

    def charge(self, key: _Key, grown: int) -> None:
        """A file has grown (or shrunk, where negative) by so many bytes."""
        before = self._charged.get(key, 0)
        grown = max(grown, -before)
        if grown > 0:
            self.storage.charge(grown)
        else:
            self.storage.release(-grown)
        self._charged[key] = before + grown

    def close(self) -> None:
        self.calls.close()


class HostNode(Node):
    """What all host inodes share. ``status`` is what the host said last."""

    filesystem: HostFilesystem

    def __init__(
        self, filesystem: HostFilesystem, parent: HostDirectory | None, name: str,
        status: os.stat_result,
    ) -> None:  # fmt: skip
        self.filesystem = filesystem
        self.key = (status.st_dev, status.st_ino)
        self.inode = filesystem.inode(self.key)
        self.uid, self.gid = _USER.uid, _USER.gid
        self.rdev = 0
        self.locks = self.watches = self.shared = None
        self.folder, self.name = parent, name
        self.refresh(status)

    def refresh(self, status: os.stat_result) -> None:
        self.status = status
        self.permissions = status.st_mode & PERMISSIONS
        self.links = status.st_nlink
        self.accessed, self.modified = status.st_atime_ns, status.st_mtime_ns
        self.changed = status.st_mtime_ns if os.name == "nt" else status.st_ctime_ns
        self.born = min(self.modified, self.changed)

    def names(self) -> Names:
        """The names on the way from the mounted folder."""
        found = []
        at: HostNode = self
        while at.folder is not None:
            found.append(at.name)
            at = at.folder
        return tuple(reversed(found))

    def look(self) -> os.stat_result:
        """Ask the host."""
        with host_errors():
            return self.filesystem.calls.status(self.names())

    def size(self) -> int:
        return self.status.st_size

    def blocks(self) -> int:
        return (self.size() + 4095) // 4096 * 8

    def stat(self) -> Stat:
        if self.links:
            self.refresh(self.look())
        return super().stat()

    def change_mode(self, permissions: int) -> None:
        self.check_names()
        with host_errors():
            self.filesystem.calls.chmod(self.names(), permissions)
        self.refresh(self.look())

    def change_owner(self, uid: int, gid: int) -> None:
        """The only owner that the guest could name is the one that there is."""

    def change_times(self, accessed: int | None, modified: int | None) -> None:
        self.check_names()
        status = self.look()
        with host_errors():
            self.filesystem.calls.utime(
                self.names(),
                status.st_atime_ns if accessed is None else accessed,
                status.st_mtime_ns if modified is None else modified,
            )
        self.refresh(self.look())

    def touch(self) -> None:
        """The host keeps the times."""

    def unlinked(self) -> None:
        self.links = max(self.links - 1, 0)

    def check_names(self) -> None:
        """EACCES for a file that may have another name outside of the mount (a hard link)."""
        links = self.look().st_nlink
        if not stat.S_ISDIR(self.status.st_mode) and links > self.filesystem.own_links.get(
            self.key, 1
        ):
            raise Errno(linux.EACCES)


class HostSymlink(HostNode, Symlink):
    """A link; what it says is a path of the guest."""

    def target(self) -> str:
        with host_errors():
            return self.filesystem.calls.read_link(self.names())

    def change_mode(self, permissions: int) -> None:
        raise Errno(linux.EOPNOTSUPP)

    def size(self) -> int:
        return self.status.st_size


class HostSpecial(HostNode):
    """A device, fifo or socket of the host: it is not opened."""

    def __init__(
        self, filesystem: HostFilesystem, parent: HostDirectory, name: str, status: os.stat_result
    ) -> None:
        self.kind = stat.S_IFMT(status.st_mode)
        super().__init__(filesystem, parent, name, status)

    def size(self) -> int:
        return 0
