"""What a descriptor can refer to: streams, pseudo-files, the root, devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import linux
from .table import Errno

if TYPE_CHECKING:
    from .kernel import Kernel

#: Bytes moved by one call; programs loop over the rest.
COPY_MAX = 1 << 24


class OpenFile:
    """What a descriptor refers to. The base refuses everything, as Linux does for a wrong kind."""

    mode = linux.S_IFREG | 0o600
    inode = 1

    def __init__(self, flags: int = linux.O_RDWR) -> None:
        self.flags = flags
        self.users = 0

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        """Up to ``size`` bytes, b"" at the end, None if there is nothing yet."""
        raise Errno(linux.EINVAL)

    def write(self, kernel: Kernel, data: bytes) -> int | None:
        """How many bytes were taken, None if there is no room yet."""
        raise Errno(linux.EINVAL)

    def seek(self, offset: int, whence: int) -> int:
        raise Errno(linux.ESPIPE)

    def size(self) -> int:
        return 0

    def content(self) -> bytes:
        """All bytes, for mmap."""
        raise Errno(linux.ENODEV)

    def events(self) -> int:
        """Which of EPOLLIN, EPOLLOUT, ... hold now; -1 where epoll does not apply (EPERM)."""
        return -1

    def closed(self) -> None:
        """The last descriptor is gone."""


class Stream(OpenFile):
    """A standard stream: bytes go to or come from Python."""

    mode = linux.S_IFCHR | 0o620

    def __init__(
        self, source: Callable[[int], bytes] | None, sink: Callable[[bytes], None] | None
    ) -> None:
        super().__init__(linux.O_RDONLY if source else linux.O_WRONLY)
        self._source, self._sink = source, sink

    def read(self, kernel: Kernel, size: int) -> bytes:
        if self._source is None:
            raise Errno(linux.EBADF)
        return self._source(size)

    def write(self, kernel: Kernel, data: bytes) -> int:
        if self._sink is None:
            raise Errno(linux.EBADF)
        kernel.count_output(len(data))
        self._sink(data)
        return len(data)


class Bytes(OpenFile):
    """A read-only pseudo-file."""

    mode = linux.S_IFREG | 0o444

    def __init__(self, content: bytes) -> None:
        super().__init__(linux.O_RDONLY)
        self._content, self._at = content, 0

    def read(self, kernel: Kernel, size: int) -> bytes:
        part = self._content[self._at : self._at + size]
        self._at += len(part)
        return part

    def seek(self, offset: int, whence: int) -> int:
        origin = {linux.SEEK_SET: 0, linux.SEEK_CUR: self._at, linux.SEEK_END: len(self._content)}
        if whence not in origin or origin[whence] + offset < 0:
            raise Errno(linux.EINVAL)
        self._at = origin[whence] + offset
        return self._at

    def size(self) -> int:
        return len(self._content)

    def content(self) -> bytes:
        return self._content


class Directory(OpenFile):
    """The root, which has nothing in it that could be listed."""

    mode = linux.S_IFDIR | 0o555

    def read(self, kernel: Kernel, size: int) -> bytes:
        raise Errno(linux.EISDIR)

    def seek(self, offset: int, whence: int) -> int:
        return 0


class Device(OpenFile):
    """/dev/null, zero, full, random, urandom."""

    mode = linux.S_IFCHR | 0o666

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def read(self, kernel: Kernel, size: int) -> bytes:
        if self._name == "null":
            return b""
        if self._name in ("random", "urandom"):
            return kernel.random(min(size, COPY_MAX))
        return bytes(min(size, COPY_MAX))

    def write(self, kernel: Kernel, data: bytes) -> int:
        if self._name == "full":
            raise Errno(linux.ENOSPC)
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        return 0
