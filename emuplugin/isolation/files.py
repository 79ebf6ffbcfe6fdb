"""``machine.files`` of a machine in another process."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from emuplugin.guest_files import FileStat, GuestFiles, GuestPath
from emuplugin.isolation.things import Op

if TYPE_CHECKING:
    from emuplugin.isolation.connection import Connection


class RemoteFiles(GuestFiles):
    """See :class:`emuplugin.guest_files.GuestFiles`."""

    def __init__(self, end: Connection, machine: int) -> None:
        self._end = end
        self._machine = machine

    def __getitem__(self, path: str) -> RemotePath:
        return RemotePath(self, path)

    def ask(self, name: str, path: str, *args: Any, **options: Any) -> Any:
        """Something of one path."""
        return self._end.ask(Op.FILES, self._machine, name, path, *args, **options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteFiles) and other._end is self._end

    def __hash__(self) -> int:
        return hash(id(self._end))


class RemotePath(GuestPath):
    """See :class:`emuplugin.guest_files.GuestPath`. Content comes and goes as a whole."""

    _files: RemoteFiles

    def _ask(self, name: str, *args: Any, **options: Any) -> Any:
        return self._files.ask(name, self._path, *args, **options)

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(self._files, posixpath.join(self._path, name))

    @property
    def parent(self) -> RemotePath:
        """The path without its last component."""
        return RemotePath(self._files, posixpath.dirname(self._path))

    def exists(self) -> bool:
        return bool(self._ask("exists"))

    def is_file(self) -> bool:
        return bool(self._ask("is_file"))

    def is_dir(self) -> bool:
        return bool(self._ask("is_dir"))

    def is_symlink(self) -> bool:
        return bool(self._ask("is_symlink"))

    def stat(self, *, follow_symlinks: bool = True) -> FileStat:
        found: FileStat = self._ask("stat", follow_symlinks=follow_symlinks)
        return found

    def readlink(self) -> str:
        found: str = self._ask("readlink")
        return found

    def iterdir(self) -> Iterator[GuestPath]:
        return iter([RemotePath(self._files, path) for path in self._ask("iterdir")])

    def walk(self) -> Iterator[GuestPath]:
        return iter([RemotePath(self._files, path) for path in self._ask("walk")])

    def read_bytes(self) -> bytes:
        found: bytes = self._ask("read_bytes")
        return found

    def write_bytes(self, data: bytes | bytearray | memoryview) -> int:
        written: int = self._ask("write_bytes", bytes(data))
        return written

    def mkdir(self, mode: int = 0o755, parents: bool = False, exist_ok: bool = False) -> None:
        self._ask("mkdir", mode, parents, exist_ok)

    def unlink(self, missing_ok: bool = False) -> None:
        self._ask("unlink", missing_ok)

    def rmdir(self) -> None:
        self._ask("rmdir")

    def rename(self, target: str | GuestPath) -> GuestPath:
        return RemotePath(self._files, self._ask("rename", str(target)))

    def symlink_to(self, target: str) -> None:
        self._ask("symlink_to", target)

    def chmod(self, mode: int) -> None:
        self._ask("chmod", mode)
