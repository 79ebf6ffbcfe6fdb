"""Regular files of a mounted folder."""

from __future__ import annotations

import os

from .. import linux
from ..table import Errno
from .host_errors import host_errors
from .host_node import HostNode
from .node import Regular

# What a hole is made of.
_ZEROS = bytes(1 << 16)


class HostFile(HostNode, Regular):
    """A regular file. It has one host descriptor as long as anybody has it open."""

    _fd = -1
    _writable = False
    _users = 0

    @property
    def is_open(self) -> bool:
        """Whether anybody has it open."""
        return self._fd >= 0

    def acquire(self, writing: bool) -> None:
        if writing:
            if self.filesystem.read_only:
                raise Errno(linux.EROFS)
            self.check_names()
        if self._fd < 0 or (writing and not self._writable):
            self._open(writing)
        self._users += 1

    def release(self) -> None:
        self._users -= 1
        if not self._users and self._fd >= 0:
            os.close(self._fd)
            self._fd, self._writable = -1, False

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def adopt(self, fd: int) -> None:
        """Use the descriptor that the file was created with: its mode may forbid another one."""
        self._fd, self._writable = fd, True

    def _open(self, writing: bool) -> None:
        calls, names = self.filesystem.calls, self.names()
        with host_errors():
            if writing:
                try:
                    fd = calls.open(names, os.O_RDWR)
                except PermissionError:
                    fd = calls.open(names, os.O_WRONLY)
            else:
                fd = calls.open(names, os.O_RDONLY)
            status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != self.key:
            os.close(fd)
            raise Errno(linux.ESTALE)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._writable = fd, writing

    def look(self) -> os.stat_result:
        if self._fd < 0:
            return super().look()
        with host_errors():
            return os.fstat(self._fd)

    def size(self) -> int:
        return self.look().st_size

    def load(self, offset: int, size: int) -> bytes:
        with host_errors():
            return _pread(self._fd, size, offset)

    def store(self, offset: int, data: bytes | bytearray | memoryview) -> int:
        grown = offset + len(data) - self.size()
        if grown > 0:
            self.filesystem.charge(self.key, grown)
        with host_errors():
            return _pwrite(self._fd, data, offset)

    def resize(self, size: int) -> None:
        self.acquire(True)
        try:
            self.filesystem.charge(self.key, size - self.size())
            with host_errors():
                os.ftruncate(self._fd, size)
        finally:
            self.release()

    def allocate(self, offset: int, size: int) -> None:
        """The host makes room when something is written."""

    def punch(self, offset: int, size: int) -> None:
        end = min(offset + size, self.size())
        while offset < end:
            offset += self.store(offset, _ZEROS[: end - offset])

    def find(self, offset: int, hole: bool) -> int:
        whence = getattr(os, "SEEK_HOLE" if hole else "SEEK_DATA", None)
        if whence is None:
            return super().find(offset, hole)
        with host_errors():
            return os.lseek(self._fd, offset, whence)

    def flush(self) -> None:
        # Some hosts refuse it for a file that was opened for reading, which has nothing to bring.
        if self._writable:
            with host_errors():
                os.fsync(self._fd)


def _pread(fd: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, size, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, size)


def _pwrite(fd: int, data: bytes | bytearray | memoryview, offset: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, data, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.write(fd, data)
