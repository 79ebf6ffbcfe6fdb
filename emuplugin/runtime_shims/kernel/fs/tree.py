"""The file tree of one machine: what is where, who uses it, and from where."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .. import linux
from ..record import Access
from ..state import SAME, WHOLE, reference, state
from ..table import Errno
from . import dev, etc, proc, proc_text
from .host import HostDirectory, mount_host
from .host_node import HostFilesystem
from .memory import MemoryDirectory, MemoryFile
from .node import Directory
from .overlay import mount_overlay
from .storage import Filesystem, Storage
from .walk import Place, User, walk

if TYPE_CHECKING:
    from emuplugin.sandbox import Mount

    from ..kernel import Kernel

TMPFS_MAGIC, PROC_MAGIC, SYSFS_MAGIC = 0x01021994, 0x9FA0, 0x62656572
PYTHON = User(1000, 1000, privileged=True)
HOME = "/home/user"


@state(
    working=reference(Directory), _cookie=WHOLE, _device=WHOLE,
    kernel=SAME, user=SAME, _furnished=SAME, storage=SAME, mounted=SAME, memory=SAME,
    anonymous=SAME, root=SAME,
)  # fmt: skip
class Tree:
    """The root, the working directory, and the user on whose behalf things happen."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.user = User()
        # What is there from the start is as old as the machine, whenever it is made.
        self._furnished = False
        self.storage = Storage(None)
        #: Mounted file systems by guest path, in the order of mounting.
        self.mounted: dict[str, Filesystem] = {}
        self._cookie = 0
        self._device = 0x1F
        memory = self.filesystem("tmpfs", TMPFS_MAGIC)
        self.memory = memory
        #: What descriptors refer to that have no path: pipes, sockets, memfds.
        self.anonymous = self.filesystem("anon", TMPFS_MAGIC)
        self.root: Directory = MemoryDirectory(memory, 0o755)
        self.working: Directory = self.root
        self.mounted["/"] = memory
        self._furnish()
        for path, mount in sorted(kernel.sandbox.mounts.items(), key=lambda item: len(item[0])):
            self._mount(path, mount)
        for path, content in kernel.sandbox.files.items():
            self._give(path, content.encode() if isinstance(content, str) else content)
        # What the machine brings along is not the plugin's consumption, nor its doing.
        self.storage.used = 0
        for mounted in self.mounted.values():
            if isinstance(mounted, HostFilesystem):
                mounted.visited = False
        self._furnished = True
        self.storage.allowed = kernel.sandbox.limits.file_bytes

    def filesystem(self, kind: str, magic: int, *, read_only: bool = False) -> Filesystem:
        """A new file system with a device number of its own."""
        self._device += 1
        return Filesystem(self._device, kind, magic, self.storage, self._now, read_only=read_only)

    def _now(self) -> int:
        clock = self.kernel.clock
        return clock.realtime() if self._furnished else clock.started

    def walk(
        self,
        start: Directory,
        path: str,
        *,
        follow: bool = True,
        resolve: int = 0,
        last: bool = True,
    ) -> Place:
        """Resolve a path; see :func:`walk.walk`."""
        return walk(self.root, start, path, self.user, follow=follow, resolve=resolve, last=last)

    def report(self, path: str, access: Access) -> None:
        self.kernel.report.file(path, access)

    @property
    def has_shown_hosts(self) -> bool:
        """Whether a path has led to files of the host; always, if the root is a folder of it."""
        return any(
            isinstance(mounted, HostFilesystem) and (mounted.visited or path == "/")
            for path, mounted in self.mounted.items()
        )

    def next_cookie(self) -> int:
        """What ties the two events of a rename together."""
        self._cookie += 1
        return self._cookie

    @contextmanager
    def as_python(self) -> Iterator[None]:
        """Do something on behalf of Python, which may look at and change everything."""
        before, self.user = self.user, PYTHON
        try:
            yield
        finally:
            self.user = before

    def close(self) -> None:
        """Close what is open on the host."""
        for filesystem in self.mounted.values():
            filesystem.close()

    # --- how it is furnished ----------------------------------------------------------------

    def _furnish(self) -> None:
        root, user = self.root, self.user
        for name in ("bin", "etc", "home", "mnt", "opt", "run", "srv", "usr", "var"):
            root.make_directory(name, 0o755, 0, 0)
        root.make_directory("root", 0o700, 0, 0)
        root.make_directory("tmp", 0o1777, 0, 0)
        self.folder("/var").make_directory("tmp", 0o1777, 0, 0)
        self.folder("/home").make_directory("user", 0o755, user.uid, user.gid)
        for path, content in etc.contents().items():
            self._give(path, content, 0, 0)
        devices = self._mount_memory("/dev", "devtmpfs", TMPFS_MAGIC)
        dev.furnish(devices)
        shared = MemoryDirectory(self.filesystem("tmpfs", TMPFS_MAGIC), 0o1777)
        self._attach("/dev/shm", shared)
        processes = self.filesystem("proc", PROC_MAGIC)
        self._attach("/proc", proc.root(self.kernel, processes))
        system = self._mount_memory("/sys", "sysfs", SYSFS_MAGIC)
        for path, content in proc_text.system_files(self.kernel).items():
            self._give(path, content, 0, 0, 0o444)
        system.filesystem.read_only = True

    def _mount_memory(self, path: str, kind: str, magic: int) -> MemoryDirectory:
        directory = MemoryDirectory(self.filesystem(kind, magic), 0o755)
        self._attach(path, directory)
        return directory

    def _attach(self, path: str, root: Directory) -> None:
        parent, name = posixpath.split(path)
        self.folder(parent).mount(name, root)
        self.mounted[path] = root.filesystem

    def folder(self, path: str, uid: int = 0) -> Directory:
        """The directory at ``path``, made with all its parents where there is none."""
        at = self.root
        for name in path.split("/"):
            if not name:
                continue
            found = at.child(name)
            if found is None:
                if isinstance(at, HostDirectory):
                    raise Errno(linux.EROFS)  # no folder of the host is made for this
                found = at.make_directory(name, 0o755, uid, uid)
            if not isinstance(found, Directory):
                raise Errno(linux.ENOTDIR)
            at = found
        return at

    def _mount(self, path: str, mount: Mount) -> None:
        device = self.filesystem("", 0).device
        now = self._now
        root: Directory
        if mount.mode == "overlay":
            root = mount_overlay(mount.path, device, self.storage, now)
        else:
            root = mount_host(mount.path, device, self.storage, now, read_only=mount.mode == "read")
        if path == "/":
            self._replace_root(root)
            return
        try:
            self._attach(path, root)
        except Errno as error:
            raise ValueError(
                f"Sandbox(mounts=...): {path!r} cannot be made: a folder above it is missing in "
                "another mount, or is no folder"
            ) from error

    def _replace_root(self, root: Directory) -> None:
        """A mount at "/": what the kernel itself keeps stays reachable."""
        for name in ("dev", "proc", "sys", "tmp"):
            kept = self.root.child(name)
            assert isinstance(kept, Directory)
            root.mount(name, kept)
        self.root = self.working = root
        root.parent, root.name = root, ""
        self.mounted["/"] = root.filesystem

    def _give(
        self, path: str, content: bytes, uid: int = 1000, gid: int = 1000, permissions: int = 0o644
    ) -> None:
        """Put a file there, with its folders."""
        parent, name = posixpath.split(path)
        try:
            directory = self.folder(parent, uid)
            if directory.child(name) is not None:
                old = directory.child(name)
                if not isinstance(old, MemoryFile):
                    raise Errno(linux.EISDIR)
                directory.remove(name, old)
            file = directory.create(name, permissions, uid, gid)
            file.write_at(0, content)
        except Errno as error:
            raise ValueError(
                f"Sandbox(files=...): {path!r} cannot be made: a part of it is no folder, or it is "
                "a folder itself"
            ) from error
