"""Open regular files and directories: a position and flags over an inode."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .. import linux
from ..open_file import OpenFile
from ..state import FLAG, TEXT, WHOLE, listed, named_tuple, optional, reference, state
from ..table import Errno
from .node import Directory, Listed, Node, Regular, Stat
from .opening import Opening

if TYPE_CHECKING:
    from ..kernel import Kernel

#: The largest size of a file (MAX_LFS_FILESIZE).
SIZE_MAX = (1 << 63) - 1
_SEALED = linux.F_SEAL_WRITE | linux.F_SEAL_FUTURE_WRITE


@state(abstract=True, node=reference(Node), opening=reference(Opening))
class NodeFile(OpenFile):
    """Something opened by path."""

    def __init__(self, node: Node, opening: Opening) -> None:
        super().__init__(opening.flags & ~_ONLY_AT_OPEN | _ALWAYS)
        self.node, self.opening = node, opening

    @property
    def mode(self) -> int:  # type: ignore[override]
        return self.node.mode

    def stat(self) -> Stat:
        return self.node.stat()

    def size(self) -> int:
        return self.node.size()

    def describe(self) -> str:
        return self.opening.path(self.node)


# What the kernel does not remember (and what Go's syscall.Open adds by itself is kept, as there).
_ONLY_AT_OPEN = linux.O_CREAT | linux.O_EXCL | linux.O_TRUNC | linux.O_CLOEXEC | 0o400


# What 64-bit programs open with, whether they say so or not.
_ALWAYS = linux.O_LARGEFILE


@state(readable=FLAG, writable=FLAG, at=WHOLE)
class RegularFile(NodeFile):
    """An open regular file."""

    node: Regular

    def __init__(self, node: Regular, opening: Opening) -> None:
        super().__init__(node, opening)
        access = opening.flags & linux.O_ACCMODE
        self.readable = access in (linux.O_RDONLY, linux.O_RDWR)
        self.writable = access in (linux.O_WRONLY, linux.O_RDWR)
        self.at = 0
        node.acquire(self.writable)

    def closed(self) -> None:
        self.node.release()

    def read(self, kernel: Kernel, size: int) -> bytes:
        data = self.pread(size, self.at)
        self.at += len(data)
        return data

    def write(self, kernel: Kernel, data: bytes) -> int:
        done = self.pwrite(data, self.at)
        self.at = self.node.size() if self.flags & linux.O_APPEND else self.at + done
        return done

    def pread(self, size: int, offset: int) -> bytes:
        if not self.readable:
            raise Errno(linux.EBADF)
        return self.node.read_at(offset, size)

    def pwrite(self, data: bytes, offset: int) -> int:
        """Write at a place; a file opened for appending writes at its end whatever the place."""
        node = self.node
        if not self.writable:
            raise Errno(linux.EBADF)
        if node.seals is not None and node.seals & _SEALED:
            raise Errno(linux.EPERM)
        if not data:
            return 0
        if self.flags & linux.O_APPEND:
            offset = node.size()
        if offset + len(data) > SIZE_MAX:
            raise Errno(linux.EFBIG)
        if (
            node.seals is not None
            and node.seals & linux.F_SEAL_GROW
            and offset + len(data) > node.size()
        ):
            raise Errno(linux.EPERM)
        done = node.write_at(offset, data)
        node.touch()
        self.opening.notify(node, MODIFIED)
        return done

    def seek(self, offset: int, whence: int) -> int:
        if whence in (linux.SEEK_DATA, linux.SEEK_HOLE):
            if offset < 0:
                raise Errno(linux.ENXIO)
            self.at = self.node.find(offset, whence == linux.SEEK_HOLE)
            return self.at
        if whence == linux.SEEK_CUR:
            offset += self.at
        elif whence == linux.SEEK_END:
            offset += self.node.size()
        elif whence != linux.SEEK_SET:
            raise Errno(linux.EINVAL)
        if not 0 <= offset <= SIZE_MAX:
            raise Errno(linux.EINVAL)
        self.at = offset
        return offset

    def truncate(self, size: int) -> None:
        if not self.writable:
            raise Errno(linux.EINVAL)
        change_size(self.node, size)
        self.opening.notify(self.node, MODIFIED)

    def sync(self) -> None:
        self.node.flush()

    def waiting(self) -> int:
        return max(min(self.node.size() - self.at, 0x7FFFFFFF), 0)


#: IN_MODIFY (linux/inotify.h).
MODIFIED = 2


def change_size(node: Regular, size: int) -> None:
    """truncate and ftruncate, of a file that may be written."""
    if size < 0:
        raise Errno(linux.EINVAL)
    if node.seals is not None:
        before = node.size()
        if (size < before and node.seals & linux.F_SEAL_SHRINK) or (
            size > before and node.seals & linux.F_SEAL_GROW
        ):
            raise Errno(linux.EPERM)
    node.truncate(size)
    node.touch()


@state(abstract=True, _at=WHOLE)
class UnwritableFile(NodeFile):
    """What can be gone through but not be written, and has no end to seek from."""

    def __init__(self, node: Node, opening: Opening) -> None:
        super().__init__(node, opening)
        self._at = 0

    def write(self, kernel: Kernel, data: bytes) -> int:
        raise Errno(linux.EBADF)

    def pwrite(self, data: bytes, offset: int) -> int:
        raise Errno(linux.EBADF)

    def seek(self, offset: int, whence: int) -> int:
        if whence == linux.SEEK_CUR:
            offset += self._at
        elif whence != linux.SEEK_SET:
            raise Errno(linux.EINVAL)
        if offset < 0:
            raise Errno(linux.EINVAL)
        self._at = offset
        return offset


@state(_entries=optional(listed(named_tuple(Listed, TEXT, WHOLE, WHOLE))))
class DirectoryFile(UnwritableFile):
    """An open directory. Its entries are those of the moment of the first look, or of the last
    ``lseek`` to the start."""

    node: Directory

    def __init__(self, node: Directory, opening: Opening) -> None:
        super().__init__(node, opening)
        self._entries: list[Listed] | None = None

    def read(self, kernel: Kernel, size: int) -> bytes:
        raise Errno(linux.EISDIR)

    def pread(self, size: int, offset: int) -> bytes:
        raise Errno(linux.EISDIR)

    def seek(self, offset: int, whence: int) -> int:
        offset = super().seek(offset, whence)
        if not offset:
            self._entries = None
        return offset

    def sync(self) -> None:
        """The names are where they are."""

    def list(self, size: int, old: bool = False) -> bytes:
        """Up to ``size`` bytes of ``struct linux_dirent64``, or of the old ``linux_dirent``."""
        node = self.node
        if self._entries is None:
            if not node.links:
                raise Errno(linux.ENOENT)
            self._entries = [
                Listed(".", node.inode, node.kind),
                Listed("..", node.parent.inode, node.kind),
                *node.children(),
            ]
        parts: list[bytes] = []
        used = 0
        while self._at < len(self._entries):
            entry = self._entries[self._at]
            record = _record(entry, self._at + 1, old)
            if used + len(record) > size:
                if not parts:
                    raise Errno(linux.EINVAL)
                break
            parts.append(record)
            used += len(record)
            self._at += 1
        return b"".join(parts)


def _record(entry: Listed, offset: int, old: bool) -> bytes:
    name = entry.name.encode(errors="surrogateescape")
    kind = entry.kind >> 12
    if old:
        length = (18 + len(name) + 2 + 7) & -8
        head = struct.pack("<QQH", entry.inode, offset, length) + name + b"\0"
        return head.ljust(length - 1, b"\0") + bytes([kind])
    length = (19 + len(name) + 1 + 7) & -8
    return (struct.pack("<QQHB", entry.inode, offset, length, kind) + name).ljust(length, b"\0")


@state()
class PathFile(NodeFile):
    """A descriptor that only names a place (O_PATH)."""

    def __init__(self, node: Node, opening: Opening) -> None:
        super().__init__(node, opening)
        self.flags &= ~_ALWAYS

    def seek(self, offset: int, whence: int) -> int:
        raise Errno(linux.EBADF)

    def read(self, kernel: Kernel, size: int) -> bytes:
        raise Errno(linux.EBADF)

    def write(self, kernel: Kernel, data: bytes) -> int:
        raise Errno(linux.EBADF)

    def pread(self, size: int, offset: int) -> bytes:
        raise Errno(linux.EBADF)

    def pwrite(self, data: bytes, offset: int) -> int:
        raise Errno(linux.EBADF)

    def truncate(self, size: int) -> None:
        raise Errno(linux.EBADF)

    def sync(self) -> None:
        raise Errno(linux.EBADF)
