"""One direction of a connection, or what waits at a datagram socket."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from ..table import Errno
from .abi import ETOOMANYREFS
from .addresses import Address

if TYPE_CHECKING:
    from ..open_file import OpenFile

#: Bytes under way in one direction (net.core.wmem_default). More makes the writer wait.
CAPACITY = 212992
#: What a message costs beside its bytes: many small ones must not fill the host's memory.
OVERHEAD = 256


class End(Protocol):
    """Who reads or writes a queue: a socket of the guest, or what stands for the outside."""

    def arrived(self) -> None:
        """Something was put in, or nothing more will be."""

    def drained(self) -> None:
        """There is room again for a writer that had found none."""

    def broken(self, error: int) -> None:
        """The other end broke the connection off (a RST)."""


class Message:
    """A datagram, or a piece of a stream. ``rights`` are open files that travel with it;
    ``credentials`` the sender's pid, uid and gid (Unix sockets)."""

    __slots__ = ("credentials", "data", "rights", "source")

    def __init__(
        self, data: bytes, source: Address | None = None, rights: tuple[OpenFile, ...] = ()
    ) -> None:
        self.data, self.source, self.rights = data, source, rights
        self.credentials: tuple[int, int, int] | None = None


class Pool:
    """What all queues of a machine hold together, and how much that may be: ``room`` bytes, and
    ``rights`` open files that travel."""

    def __init__(self, room: int, rights: int) -> None:
        self.room, self.rights = room, rights

    def hold(self, files: tuple[OpenFile, ...]) -> None:
        """Files go under way: they count as open. ETOOMANYREFS."""
        if len(files) > self.rights:
            raise Errno(ETOOMANYREFS)
        self.rights -= len(files)
        for file in files:
            file.users += 1

    def drop(self, files: tuple[OpenFile, ...]) -> None:
        """The counterpart of :meth:`hold`."""
        self.rights += len(files)
        for file in files:
            file.users -= 1
            if not file.users:
                file.closed()


class Queue:
    """Messages in order. ``ended``: the writer is done (a FIN). ``deaf``: nobody will read, what
    is put in is lost. ``eager``: the writer hears of each message that is gone, as in Linux's Unix
    sockets; otherwise only one that had found no room does. ``size`` counts bytes, ``cost`` what
    they take up."""

    __slots__ = (
        "_starved", "capacity", "cost", "deaf", "eager", "ended", "messages", "pool", "reader",
        "size", "writer",
    )  # fmt: skip

    def __init__(
        self,
        pool: Pool,
        reader: End | None = None,
        writer: End | None = None,
        capacity: int = CAPACITY,
        eager: bool = False,
    ) -> None:
        self.pool, self.reader, self.writer = pool, reader, writer
        self.capacity, self.eager = capacity, eager
        self.messages: deque[Message] = deque()
        self.size = self.cost = 0
        self.ended = self.deaf = self._starved = False

    @property
    def room(self) -> int:
        """How many bytes fit in; at least part of a write does if this is positive."""
        return min(self.capacity - self.cost, self.pool.room)

    @property
    def writable(self) -> bool:
        """Whether a poll reports room: a third must be free (sk_stream_is_writeable)."""
        return self.cost * 3 <= self.capacity * 2

    def put(self, message: Message) -> None:
        """Add a message."""
        self.messages.append(message)
        self.size += len(message.data)
        self.cost += len(message.data) + OVERHEAD
        self.pool.room -= len(message.data) + OVERHEAD
        if self.reader is not None:
            self.reader.arrived()

    def starve(self) -> None:
        """A writer found no room: tell it when there is some."""
        self._starved = True

    def end(self) -> None:
        """The writer is done."""
        if not self.ended:
            self.ended = True
            if self.reader is not None:
                self.reader.arrived()

    def take_message(self, peek: bool = False) -> Message | None:
        """The first message, whole."""
        if not self.messages:
            return None
        if peek:
            return self.messages[0]
        message = self.messages.popleft()
        self._taken(len(message.data), 1)
        return message

    def take(self, size: int, peek: bool = False, skip: int = 0) -> Message | None:
        """Up to ``size`` bytes of a stream, from ``skip`` on when only peeking. What carries
        rights is not joined with what came before."""
        pieces: list[bytes] = []
        rights: tuple[OpenFile, ...] = ()
        credentials = None
        wanted, used, last = size, 0, 0
        for message in self.messages:
            if message.rights and (pieces or rights):
                break
            if pieces and message.credentials != credentials:
                break
            if skip >= len(message.data) > 0:
                skip -= len(message.data)
                continue
            data = message.data[skip : skip + wanted] if skip else message.data[:wanted]
            skip = 0
            rights, credentials = rights or message.rights, message.credentials
            pieces.append(data)
            wanted -= len(data)
            if len(data) == len(message.data):
                used += 1
            else:
                last = len(data)
            if not wanted:
                break
        if not pieces:
            return None
        taken = Message(b"".join(pieces), None, rights)
        taken.credentials = credentials
        if not peek:
            for _ in range(used):
                self.messages.popleft()
            if last:
                rest = self.messages[0]
                rest.data, rest.rights = rest.data[last:], ()
            self._taken(len(taken.data), used)
        return taken

    def clear(self) -> None:
        """Forget what nobody will read, and the files under way in it."""
        messages = list(self.messages)
        self.messages.clear()
        for message in messages:
            self.pool.drop(message.rights)
        self._taken(self.size, len(messages))

    def _taken(self, size: int, messages: int) -> None:
        self.size -= size
        self.cost -= size + messages * OVERHEAD
        self.pool.room += size + messages * OVERHEAD
        if (self._starved or (self.eager and messages)) and self.writable:
            self._starved = False
            if self.writer is not None:
                self.writer.drained()
