"""``machine.files``: the guest's files from Python, like :class:`pathlib.Path`.

Paths are the guest's, and lead through its own tree: into memory, and into mounted folders as far
as their mode allows. Python may read and change everything in it, whatever the permissions say.
Errors are Python's own (FileNotFoundError and its kind).
"""

from __future__ import annotations

import errno
import os
import posixpath
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from .runtime_shims.kernel import linux
from .runtime_shims.kernel.fs import names
from .runtime_shims.kernel.fs.node import Directory, Node, Regular, Symlink
from .runtime_shims.kernel.fs.proc import TextNode
from .runtime_shims.kernel.fs.walk import Place
from .runtime_shims.kernel.table import Errno

if TYPE_CHECKING:
    from .runtime_shims.kernel.kernel import Kernel

_PIECE = 1 << 20
# Linux numbers to those of this host, by which Python chooses the class of an OSError.
_HERE = {
    linux.EPERM: errno.EPERM,
    linux.ENOENT: errno.ENOENT,
    linux.EIO: errno.EIO,
    linux.EACCES: errno.EACCES,
    linux.EBUSY: errno.EBUSY,
    linux.EEXIST: errno.EEXIST,
    linux.EXDEV: errno.EXDEV,
    linux.ENOTDIR: errno.ENOTDIR,
    linux.EISDIR: errno.EISDIR,
    linux.EINVAL: errno.EINVAL,
    linux.EFBIG: errno.EFBIG,
    linux.ENOSPC: errno.ENOSPC,
    linux.EROFS: errno.EROFS,
    linux.ENAMETOOLONG: errno.ENAMETOOLONG,
    linux.ENOTEMPTY: errno.ENOTEMPTY,
    linux.ELOOP: errno.ELOOP,
    linux.ENXIO: errno.ENXIO,
}


class FileStat(NamedTuple):
    """What is known of a file. ``mode`` holds its type and permissions (see module ``stat``),
    ``modified`` is in seconds since 1970 by the machine's clock."""

    mode: int
    size: int
    modified: float
    inode: int
    links: int
    uid: int
    gid: int


class GuestFiles:
    """The file tree of a machine: ``machine.files["/tmp/out"]`` is a path in it.

    Iterating goes over what is in the root; :meth:`walk` over everything.
    """

    def __init__(self, lock: threading.RLock, kernel: Callable[[], Kernel]) -> None:
        self._lock, self._kernel = lock, kernel

    def __getitem__(self, path: str) -> GuestPath:
        return GuestPath(self, path)

    def __iter__(self) -> Iterator[GuestPath]:
        return self["/"].iterdir()

    def __contains__(self, path: str) -> bool:
        return self[path].exists()

    def __repr__(self) -> str:
        return "<GuestFiles>"

    def walk(self, top: str = "/") -> Iterator[GuestPath]:
        """Everything below ``top``, folders before what is in them; links are not followed.
        ``/dev``, ``/proc`` and ``/sys`` are left out unless ``top`` lies in them."""
        return self[top].walk()

    @contextmanager
    def using(self, path: str) -> Iterator[Kernel]:
        """The kernel, for an action that Python does itself; errors come out as Python's."""
        try:
            with self._lock:
                kernel = self._kernel()
                with kernel.tree.as_python():
                    yield kernel
        except Errno as error:
            number = _HERE.get(error.number, errno.EIO)
            raise OSError(number, os.strerror(number), path) from None


class GuestPath:
    """A path in the guest's tree. Nothing is looked up before a method is called."""

    def __init__(self, files: GuestFiles, path: str) -> None:
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
            raise ValueError(f"{path!r}: must be an absolute path of the guest, such as '/tmp/out'")
        self._files = files
        self._path = path.rstrip("/") or "/"

    def __str__(self) -> str:
        return self._path

    def __repr__(self) -> str:
        return f"GuestPath({self._path!r})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, GuestPath)
            and other._files is self._files
            and other._path == self._path
        )

    def __hash__(self) -> int:
        return hash(self._path)

    def __truediv__(self, name: str) -> GuestPath:
        return GuestPath(self._files, posixpath.join(self._path, name))

    @property
    def name(self) -> str:
        """The last component."""
        return posixpath.basename(self._path)

    @property
    def parent(self) -> GuestPath:
        """The path without its last component."""
        return GuestPath(self._files, posixpath.dirname(self._path))

    # --- what there is ----------------------------------------------------------------------

    def _place(self, kernel: Kernel, follow: bool = True) -> Place:
        return kernel.tree.walk(kernel.tree.root, self._path, follow=follow)

    def _node(self, kernel: Kernel, follow: bool = True) -> Node:
        return self._place(kernel, follow).found

    def _found(self, follow: bool = True) -> Node | None:
        try:
            with self._files.using(self._path) as kernel:
                return self._place(kernel, follow).node
        except OSError:
            return None

    def exists(self) -> bool:
        """Whether there is something, behind links."""
        return self._found() is not None

    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return isinstance(self._found(), Regular | TextNode)

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return isinstance(self._found(), Directory)

    def is_symlink(self) -> bool:
        """Whether it is a symbolic link itself."""
        return isinstance(self._found(follow=False), Symlink)

    def stat(self, *, follow_symlinks: bool = True) -> FileStat:
        """Size, mode and so on. Raises FileNotFoundError and its kind."""
        with self._files.using(self._path) as kernel:
            stat = self._node(kernel, follow_symlinks).stat()
        return FileStat(
            stat.mode, stat.size, stat.modified / 1e9, stat.inode, stat.links, stat.uid, stat.gid
        )

    def readlink(self) -> str:
        """What a symbolic link says."""
        with self._files.using(self._path) as kernel:
            return names.read_link(self._place(kernel, follow=False))

    def iterdir(self) -> Iterator[GuestPath]:
        """What is in the folder, in the order of names."""
        with self._files.using(self._path) as kernel:
            node = self._node(kernel)
            if not isinstance(node, Directory):
                raise Errno(linux.ENOTDIR)
            found = node.children()
        return iter([self / entry.name for entry in found])

    def walk(self) -> Iterator[GuestPath]:
        """Everything below, folders before what is in them; links are not followed."""
        for path in self.iterdir():
            if str(path) in ("/dev", "/proc", "/sys"):
                continue
            yield path
            if isinstance(path._found(follow=False), Directory):
                yield from path.walk()

    # --- content ----------------------------------------------------------------------------

    def read_bytes(self) -> bytes:
        """The whole content. OSError (EFBIG) if there is more of holes in it than the machine may
        have memory: of a sparse file that a plugin made to be too large."""
        with self._files.using(self._path) as kernel:
            node = self._node(kernel)
            if isinstance(node, TextNode):
                return node.text(kernel)
            file = _regular(node)
            if file.size() - 512 * file.blocks() > kernel.sandbox.limits.memory:
                raise Errno(linux.EFBIG)
            file.acquire(False)
            try:
                parts: list[bytes] = []
                at = 0
                while part := file.read_at(at, _PIECE):
                    parts.append(part)
                    at += len(part)
            finally:
                file.release()
        return b"".join(parts)

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The whole content as text."""
        return self.read_bytes().decode(encoding, errors)

    def write_bytes(self, data: bytes | bytearray | memoryview) -> int:
        """Make this the content; the file is made if need be, and belongs to the guest's user
        then. Raises FileSizeLimitExceeded where there is no room for it."""
        with self._files.using(self._path) as kernel:
            place = self._place(kernel)
            node = place.node
            if node is None:
                node = _create(kernel, place)
            file = _regular(node)
            kernel.tree.user.check(file, 2)
            file.acquire(True)
            try:
                if file.size():
                    file.truncate(0)
                view = memoryview(data).cast("B")
                done = 0
                while done < len(view):
                    done += file.write_at(done, view[done : done + _PIECE])
                file.touch()
            finally:
                file.release()
        return done

    def write_text(self, text: str, encoding: str = "utf-8", errors: str = "strict") -> int:
        """Make this the content."""
        return self.write_bytes(text.encode(encoding, errors))

    # --- names ------------------------------------------------------------------------------

    def mkdir(self, mode: int = 0o755, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a folder that belongs to the guest's user."""
        if parents and self._path != "/":
            self.parent.mkdir(parents=True, exist_ok=True)
        if exist_ok and self.is_dir():
            return
        with self._files.using(self._path) as kernel:
            names.mkdir(kernel.tree, kernel.tree.root, self._path, mode)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove a file or a link."""
        try:
            with self._files.using(self._path) as kernel:
                names.unlink(kernel.tree, kernel.tree.root, self._path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rmdir(self) -> None:
        """Remove an empty folder."""
        with self._files.using(self._path) as kernel:
            names.rmdir(kernel.tree, kernel.tree.root, self._path)

    def rename(self, target: str | GuestPath) -> GuestPath:
        """Move to another path; what is there is replaced. The new path."""
        new = target if isinstance(target, GuestPath) else GuestPath(self._files, target)
        with self._files.using(self._path) as kernel:
            root = kernel.tree.root
            names.rename(kernel.tree, root, self._path, root, str(new))
        return new

    def symlink_to(self, target: str) -> None:
        """Make a symbolic link that says ``target``."""
        with self._files.using(self._path) as kernel:
            names.symlink(kernel.tree, target, kernel.tree.root, self._path)

    def chmod(self, mode: int) -> None:
        """Set the permissions."""
        with self._files.using(self._path) as kernel:
            node = self._node(kernel)
            if node.filesystem.read_only:
                raise Errno(linux.EROFS)
            node.change_mode(mode & 0o7777)


def _regular(node: Node) -> Regular:
    if isinstance(node, Directory):
        raise Errno(linux.EISDIR)
    if not isinstance(node, Regular):
        raise Errno(linux.EINVAL)
    return node


def _create(kernel: Kernel, place: Place) -> Node:
    directory, user = place.directory, kernel.tree.user
    assert directory is not None
    if directory.filesystem.read_only:
        raise Errno(linux.EROFS)
    node = directory.create(place.name, 0o644, user.uid, user.gid)
    kernel.report.file(place.path(), "create")
    return node
