"""What is done with the host's files by paths, for hosts without better ways (Windows), and the
choice between both; see :mod:`host_calls`."""

from __future__ import annotations

import errno
import os
import stat

from .host_calls import (
    PERMISSIONS,
    PLAIN,
    DirFdCalls,
    HostCalls,
    HostEntry,
    Names,
    kind_of,
    refuse,
    same,
)


def host_calls(folder: str) -> HostCalls:
    """The better of the two for this host."""
    wanted = (os.open, os.stat, os.mkdir, os.unlink, os.rename, os.link, os.symlink, os.readlink)
    if (
        hasattr(os, "O_NOFOLLOW")
        and hasattr(os, "O_DIRECTORY")
        and all(call in os.supports_dir_fd for call in wanted)
    ):
        return DirFdCalls(folder)
    return PathCalls(folder)


class PathCalls:
    """By paths; see the module. What is no plain file or folder on the way is not passed."""

    def __init__(self, folder: str) -> None:
        self._root = os.path.realpath(folder)

    def again(self) -> PathCalls:
        """The same folder, for somebody else."""
        return self

    def close(self) -> None:
        """Nothing is kept open."""

    def _path(self, names: Names, last: bool = False) -> str:
        """The host's path, after a look at every folder on the way, or at the last name, too."""
        path = self._root
        for index, name in enumerate(names):
            check_name(name)
            path = os.path.join(path, name)
            if (last or index < len(names) - 1) and not stat.S_ISDIR(_plain_mode(path)):
                raise refuse(errno.ENOTDIR)
        return path

    def _confirm(self, path: str, names: Names) -> str:
        """The path again, if what is there now is really there."""
        if os.path.realpath(path) != os.path.join(self._root, *names):
            raise refuse(errno.EACCES)
        return path

    def status(self, names: Names) -> os.stat_result:
        return os.lstat(self._path(names))

    def list(self, names: Names) -> list[HostEntry]:
        path = self._path(names, last=True)
        with os.scandir(path) as entries:
            found = [HostEntry(entry.name, entry.inode(), kind_of(entry)) for entry in entries]
        self._confirm(path, names)
        return found

    def open(self, names: Names, flags: int) -> int:
        path = self._path(names)
        before = os.lstat(path)
        if not stat.S_ISREG(_plain_mode(path)):
            raise refuse(errno.EACCES)
        fd = os.open(path, flags | PLAIN)
        try:
            if not same(before, os.fstat(fd)):
                raise refuse(errno.EACCES)
            self._confirm(path, names)
        except OSError:
            os.close(fd)
            raise
        return fd

    def create(self, names: Names, permissions: int) -> int:
        path = self._path(names)
        self._confirm(os.path.dirname(path), names[:-1])
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | PLAIN, permissions & PERMISSIONS)
        try:
            self._confirm(path, names)
        except OSError:
            os.close(fd)
            raise
        return fd

    def _checked(self, names: Names) -> str:
        path = self._path(names)
        self._confirm(os.path.dirname(path), names[:-1])
        return path

    def mkdir(self, names: Names, permissions: int) -> None:
        os.mkdir(self._checked(names), permissions & PERMISSIONS)

    def symlink(self, names: Names, target: str) -> None:
        os.symlink(target, self._checked(names))

    def read_link(self, names: Names) -> str:
        return os.readlink(self._checked(names)).removeprefix("\\\\?\\").replace(os.sep, "/")

    def unlink(self, names: Names) -> None:
        os.unlink(self._checked(names))

    def rmdir(self, names: Names) -> None:
        os.rmdir(self._checked(names))

    def rename(self, names: Names, new: Names) -> None:
        os.replace(self._checked(names), self._checked(new))

    def link(self, names: Names, new: Names) -> None:
        os.link(self._checked(names), self._checked(new))

    def chmod(self, names: Names, permissions: int) -> None:
        path = self._checked(names) if names else self._root
        if stat.S_ISLNK(os.lstat(path).st_mode):
            raise refuse(errno.EOPNOTSUPP)
        os.chmod(path, permissions & PERMISSIONS)

    def utime(self, names: Names, accessed: int, modified: int) -> None:
        path = self._checked(names) if names else self._root
        if stat.S_ISLNK(os.lstat(path).st_mode):
            raise refuse(errno.EOPNOTSUPP)
        os.utime(path, ns=(accessed, modified))


_REPARSE_POINT = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT: links, junctions, and their like


def _plain_mode(path: str) -> int:
    """The mode of what is at ``path``; 0 for what leads elsewhere."""
    status = os.lstat(path)
    if getattr(status, "st_file_attributes", 0) & _REPARSE_POINT:
        return 0
    return status.st_mode


_WINDOWS_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{name}{digit}" for name in ("COM", "LPT") for digit in "123456789¹²³"]
)


def check_name(name: str) -> None:
    """Refuse what is more than a name: another separator, a drive, a stream, a device."""
    if any(c in '\\/:*?"<>|' or c < " " for c in name) or name in ("", ".", ".."):
        raise refuse(errno.ENOENT)
    if name[-1] in ". " or name.split(".")[0].rstrip().upper() in _WINDOWS_DEVICES:
        raise refuse(errno.ENOENT)
