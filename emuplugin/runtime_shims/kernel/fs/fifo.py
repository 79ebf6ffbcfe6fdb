"""Named pipes (man 7 fifo)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import linux
from ..open_file import OpenFile
from ..table import Errno
from .node import Node, Stat
from .storage import Filesystem

if TYPE_CHECKING:
    from ..kernel import Kernel
    from .opening import Opening

CAPACITY = 1 << 16


class Fifo(Node):
    """The name of a pipe. The buffer lasts as long as somebody has it open."""

    kind = linux.S_IFIFO

    def __init__(self, filesystem: Filesystem, permissions: int, uid: int, gid: int) -> None:
        super().__init__(filesystem, permissions, uid, gid)
        self.buffer = bytearray()
        self.readers = self.writers = 0
        # How often it was opened for either, so that who waits for the other end also sees one
        # that came and went.
        self.read_opens = self.write_opens = 0
        self.files: list[FifoFile] = []

    def changed_state(self) -> None:
        """Who waits for either end looks again (epoll's edges)."""
        for file in self.files:
            file.input_edges += 1
            file.output_edges += 1

    def open(self, opening: Opening) -> OpenFile:
        access = opening.flags & linux.O_ACCMODE
        waiting = not opening.flags & linux.O_NONBLOCK
        if access == linux.O_WRONLY and not waiting and not self.readers:
            raise Errno(linux.ENXIO)
        file = FifoFile(self, opening.flags)
        if access == linux.O_RDONLY and waiting and not self.writers:
            seen = self.write_opens
            opening.wait_until(lambda: self.write_opens != seen)
        elif access == linux.O_WRONLY and not self.readers:
            seen = self.read_opens
            opening.wait_until(lambda: self.read_opens != seen)
        return file


class FifoFile(OpenFile):
    """One opening of a named pipe."""

    def __init__(self, node: Fifo, flags: int) -> None:
        super().__init__(flags)
        self.node = node
        access = flags & linux.O_ACCMODE
        self._reads, self._writes = access != linux.O_WRONLY, access != linux.O_RDONLY
        node.readers += self._reads
        node.writers += self._writes
        node.read_opens += self._reads
        node.write_opens += self._writes
        node.files.append(self)
        node.changed_state()

    @property
    def mode(self) -> int:  # type: ignore[override]
        return self.node.mode

    def stat(self) -> Stat:
        return self.node.stat()

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        if not self._reads:
            raise Errno(linux.EBADF)
        node = self.node
        if not node.buffer:
            return None if node.writers and size else b""
        part = bytes(node.buffer[:size])
        del node.buffer[:size]
        node.changed_state()
        return part

    def write(self, kernel: Kernel, data: bytes) -> int | None:
        if not self._writes:
            raise Errno(linux.EBADF)
        node = self.node
        if not node.readers:
            raise Errno(linux.EPIPE)
        room = CAPACITY - len(node.buffer)
        # Up to PIPE_BUF bytes are written whole or not at all.
        if data and (not room or (len(data) <= 4096 and room < len(data))):
            return None
        node.buffer += data[:room]
        node.changed_state()
        return min(room, len(data))

    def events(self) -> int:
        node, events = self.node, 0
        if self._reads:
            events |= linux.EPOLLIN if node.buffer else 0
            events |= 0 if node.writers or not node.write_opens else linux.EPOLLHUP
        if self._writes:
            events |= linux.EPOLLOUT if len(node.buffer) < CAPACITY else 0
            events |= 0 if node.readers else linux.EPOLLERR
        return events

    def waiting(self) -> int:
        return len(self.node.buffer)

    def closed(self) -> None:
        node = self.node
        node.readers -= self._reads
        node.writers -= self._writes
        node.files.remove(self)
        node.changed_state()
        if not node.readers and not node.writers:
            node.buffer.clear()
