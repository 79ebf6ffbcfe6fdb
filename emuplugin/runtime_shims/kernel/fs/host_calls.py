"""What is done with the host's files, always below one folder and never through a link.

:class:`DirFdCalls` goes from the folder down by file descriptors, a component at a time, and no
step follows a symbolic link, so that nobody who moves things about meanwhile can lead it outside.
:class:`host_paths.PathCalls` is for hosts without such calls (Windows): it looks at every component
before and at the real path after opening.

Places are tuples of names below the folder; ``()`` is the folder itself. Errors are the host's.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

Names = tuple[str, ...]

_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
# What could wait (a fifo), become a terminal, or change line ends.
PLAIN = (
    _CLOEXEC
    | _NOFOLLOW
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
)


#: What is kept of a mode: no set-user-ID, no set-group-ID.
PERMISSIONS = 0o1777


class HostEntry(NamedTuple):
    """An entry of a host folder; ``kind`` as in ``st_mode``, 0 if it is gone already."""

    name: str
    inode: int
    kind: int


class HostCalls(Protocol):
    """The interface of both."""

    def status(self, names: Names) -> os.stat_result: ...
    def list(self, names: Names) -> list[HostEntry]: ...
    def open(self, names: Names, flags: int) -> int:
        """Open a regular file; anything else is EACCES and is not opened."""

    def create(self, names: Names, permissions: int) -> int:
        """Make a regular file that is not there yet, and open it for both."""

    def mkdir(self, names: Names, permissions: int) -> None: ...
    def symlink(self, names: Names, target: str) -> None: ...
    def read_link(self, names: Names) -> str: ...
    def unlink(self, names: Names) -> None: ...
    def rmdir(self, names: Names) -> None: ...
    def rename(self, names: Names, new: Names) -> None: ...
    def link(self, names: Names, new: Names) -> None: ...
    def chmod(self, names: Names, permissions: int) -> None: ...
    def utime(self, names: Names, accessed: int, modified: int) -> None: ...
    def close(self) -> None: ...


def refuse(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def kind_of(entry: os.DirEntry[str]) -> int:
    try:
        if entry.is_symlink():
            return stat.S_IFLNK
        if entry.is_dir(follow_symlinks=False):
            return stat.S_IFDIR
        if entry.is_file(follow_symlinks=False):
            return stat.S_IFREG
        return stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return 0


class DirFdCalls:
    """By descriptors of folders; see the module."""

    # Until there is one: an object without is closed, too, when it goes.
    _root = -1

    def __init__(self, folder: str) -> None:
        self._root = os.open(folder, os.O_RDONLY | _DIRECTORY | _CLOEXEC)

    def again(self) -> DirFdCalls:
        """The same folder, for somebody else."""
        other = object.__new__(DirFdCalls)
        other._root = os.dup(self._root) if self._root >= 0 else -1
        return other

    def close(self) -> None:
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    __del__ = close

    @contextmanager
    def _folder(self, names: Names) -> Iterator[int]:
        """A descriptor of the folder at ``names``."""
        at = self._root
        if at < 0:
            raise refuse(errno.EIO)
        try:
            for name in names:
                below = os.open(_encoded(name), os.O_RDONLY | _DIRECTORY | _NOFOLLOW | _CLOEXEC,
                                dir_fd=at)  # fmt: skip
                if at != self._root:
                    os.close(at)
                at = below
            yield at
        finally:
            if at != self._root:
                os.close(at)

    def status(self, names: Names) -> os.stat_result:
        if not names:
            return os.fstat(self._root)
        with self._folder(names[:-1]) as at:
            return os.stat(_encoded(names[-1]), dir_fd=at, follow_symlinks=False)

    def list(self, names: Names) -> list[HostEntry]:
        found = []
        with self._folder(names) as at, os.scandir(at) as entries:
            for entry in entries:
                name = os.fsencode(entry.name).decode(errors="surrogateescape")
                found.append(HostEntry(name, entry.inode(), kind_of(entry)))
        return found

    def open(self, names: Names, flags: int) -> int:
        with self._folder(names[:-1]) as at:
            name = _encoded(names[-1])
            # Opening a device can have effects, so look first; and once more at what was opened.
            before = os.stat(name, dir_fd=at, follow_symlinks=False)
            if not stat.S_ISREG(before.st_mode):
                raise refuse(errno.EACCES)
            fd = os.open(name, flags | PLAIN, dir_fd=at)
            if not same(before, os.fstat(fd)):
                os.close(fd)
                raise refuse(errno.EACCES)
            return fd

    def create(self, names: Names, permissions: int) -> int:
        with self._folder(names[:-1]) as at:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | PLAIN
            fd = os.open(_encoded(names[-1]), flags, 0o600, dir_fd=at)
            os.fchmod(fd, permissions & PERMISSIONS)
            return fd

    def mkdir(self, names: Names, permissions: int) -> None:
        with self._folder(names[:-1]) as at:
            os.mkdir(_encoded(names[-1]), permissions & PERMISSIONS, dir_fd=at)

    def symlink(self, names: Names, target: str) -> None:
        with self._folder(names[:-1]) as at:
            os.symlink(_encoded(target), _encoded(names[-1]), dir_fd=at)

    def read_link(self, names: Names) -> str:
        with self._folder(names[:-1]) as at:
            target = os.readlink(_encoded(names[-1]), dir_fd=at)
            return target.decode(errors="surrogateescape")

    def unlink(self, names: Names) -> None:
        with self._folder(names[:-1]) as at:
            os.unlink(_encoded(names[-1]), dir_fd=at)

    def rmdir(self, names: Names) -> None:
        with self._folder(names[:-1]) as at:
            os.rmdir(_encoded(names[-1]), dir_fd=at)

    def rename(self, names: Names, new: Names) -> None:
        with self._folder(names[:-1]) as at, self._folder(new[:-1]) as to:
            os.rename(_encoded(names[-1]), _encoded(new[-1]), src_dir_fd=at, dst_dir_fd=to)

    def link(self, names: Names, new: Names) -> None:
        with self._folder(names[:-1]) as at, self._folder(new[:-1]) as to:
            os.link(_encoded(names[-1]), _encoded(new[-1]), src_dir_fd=at, dst_dir_fd=to,
                    follow_symlinks=False)  # fmt: skip

    def chmod(self, names: Names, permissions: int) -> None:
        with self._folder(names[:-1]) as at:
            # Without a way to change the mode of a name without following it, by a descriptor.
            name = _encoded(names[-1]) if names else b"."
            if sys.platform == "linux":
                fd = os.open(name, os.O_PATH | _NOFOLLOW | _CLOEXEC, dir_fd=at)
            else:
                fd = os.open(name, os.O_RDONLY | PLAIN, dir_fd=at)
            try:
                if stat.S_ISLNK(os.fstat(fd).st_mode):
                    raise refuse(errno.EOPNOTSUPP)
                target = f"/proc/self/fd/{fd}" if sys.platform == "linux" else fd
                os.chmod(target, permissions & PERMISSIONS)
            finally:
                os.close(fd)

    def utime(self, names: Names, accessed: int, modified: int) -> None:
        with self._folder(names[:-1]) as at:
            name = _encoded(names[-1]) if names else b"."
            os.utime(name, ns=(accessed, modified), dir_fd=at, follow_symlinks=False)


def _encoded(name: str) -> bytes:
    return name.encode(errors="surrogateescape")
