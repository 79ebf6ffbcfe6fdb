"""Connected sockets: what TCP and the Unix stream and seqpacket sockets share."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .. import linux
from ..table import Errno
from . import abi
from .addresses import Address
from .queue import CAPACITY, Message, Queue
from .socket import Socket

if TYPE_CHECKING:
    from .network import NetworkStack

_RDHUP = linux.EPOLLRDHUP


class StreamSocket(Socket):
    """A socket that is connected or listens.

    ``incoming`` and ``outgoing`` are the two directions; a socket whose connect has not ended is
    ``connecting``. ``backlog`` holds connections that nobody has accepted yet, ``turned_away``
    the sockets that found no room there.
    """

    def __init__(self, network: NetworkStack, family: int, kind: int, protocol: int) -> None:
        super().__init__(network, family, kind, protocol)
        self.incoming: Queue | None = None
        self.outgoing: Queue | None = None
        self.connecting = False
        self.backlog: deque[StreamSocket] | None = None
        self.room_in_backlog = 0
        self.turned_away: deque[StreamSocket] = deque()
        self.read_shut = self.write_shut = False
        self.reset = False

    @property
    def listening(self) -> bool:
        return self.backlog is not None

    # --- connecting -------------------------------------------------------------------------------

    def establish(self, incoming: Queue, outgoing: Queue, remote: Address | None) -> None:
        """The connection stands."""
        incoming.reader = outgoing.writer = self
        self.incoming, self.outgoing, self.remote = incoming, outgoing, remote
        self.connecting = False
        self.arrived()
        self.drained()

    def refuse(self, error: int) -> None:
        """The connect fails."""
        self.connecting = False
        self.broken(error)

    def broken(self, error: int) -> None:
        """The peer broke the connection off."""
        self.error = error
        self.reset = True
        self.arrived()
        self.drained()

    def connected(self) -> bool:
        if self.connecting:
            return False
        self.raise_error()
        return True

    def pair(self) -> StreamSocket:
        """The other end of a new connection of this kind, not connected yet."""
        return type(self)(self.network, self.family, self.kind, self.protocol)

    def join(self, other: StreamSocket) -> None:
        """Connect both sockets to each other."""
        eager, pool = self.family == abi.AF_UNIX, self.network.pool
        there = Queue(pool, capacity=_capacity(self, other), eager=eager)
        back = Queue(pool, capacity=_capacity(other, self), eager=eager)
        other.establish(there, back, self.local)
        self.establish(back, there, other.local)

    # --- listening --------------------------------------------------------------------------------

    def listen(self, backlog: int) -> None:
        if self.incoming is not None or self.connecting:
            raise Errno(linux.EINVAL)
        # Linux: one more than asked for (sk_acceptq_is_full); a negative number is a large one.
        self.room_in_backlog = min(backlog if backlog >= 0 else abi.SOMAXCONN, abi.SOMAXCONN) + 1
        if self.backlog is None:
            self.backlog = deque()

    def offer(self, client: StreamSocket) -> bool:
        """A socket wants to connect here; whether there was room. Otherwise it waits for it."""
        assert self.backlog is not None
        if len(self.backlog) >= self.room_in_backlog:
            self.turned_away.append(client)
            return False
        server = self.pair()
        server.options = dict(self.options)
        self.name_accepted(server, client)
        client.join(server)
        self.queue_accepted(server)
        return True

    def queue_accepted(self, server: StreamSocket) -> None:
        """A connection waits to be accepted."""
        assert self.backlog is not None
        self.backlog.append(server)
        self.arrived()

    def name_accepted(self, server: StreamSocket, client: StreamSocket) -> None:
        """Give the server's end its name."""
        server.local = self.local

    def accept(self) -> Socket | None:
        if self.backlog is None:
            raise Errno(linux.EINVAL)
        if not self.backlog:
            return None
        server = self.backlog.popleft()
        while self.turned_away and len(self.backlog) < self.room_in_backlog:
            client = self.turned_away.popleft()
            if client.connecting:
                self.offer(client)
        return server

    # --- moving bytes -----------------------------------------------------------------------------

    def receive(self, size: int, peek: bool = False, skip: int = 0) -> Message | None:
        queue = self.incoming
        if queue is None:
            if self.connecting and self.stream and self.family != abi.AF_UNIX:
                return None
            if self.reset:
                self.raise_error()
                return Message(b"")
            raise Errno(self.not_connected)
        message = queue.take(size, peek, skip) if self.stream else queue.take_message(peek)
        if message is not None:
            return message
        self.raise_error()
        return Message(b"") if queue.ended or self.read_shut or self.reset else None

    #: Linux has different words for reading a socket that is not connected.
    not_connected = abi.ENOTCONN

    def send(self, message: Message, to: Address | None) -> int | None:
        if to is not None and not self.stream and self.outgoing is not None:
            raise Errno(abi.EISCONN)
        self.raise_error()
        if self.write_shut or self.reset:
            raise Errno(linux.EPIPE)
        queue = self.outgoing
        if queue is None:
            if self.connecting:
                return None
            raise Errno(linux.EPIPE if self.stream and self.family != abi.AF_UNIX else abi.ENOTCONN)
        if queue.deaf:
            return self.send_to_nobody(message)
        size = len(message.data)
        if not self.stream:
            if size > queue.capacity:
                raise Errno(abi.EMSGSIZE)
            if queue.messages and queue.room < size:
                queue.starve()
                return None
        elif size > queue.room:
            queue.starve()
            if queue.room <= 0:
                return None
            message.data = message.data[: queue.room]
        elif not size:
            return 0
        if self.family == abi.AF_UNIX:
            message.credentials = self.network.credentials
        self.network.pool.hold(message.rights)
        taken = len(message.data)
        queue.put(message)  # whoever reads it may take it apart at once
        return taken

    def pending(self) -> Message | None:
        return None if self.incoming is None else self.incoming.take(self.incoming.size, peek=True)

    def send_room(self) -> int:
        """How much a send may take now; 1 where it fails, so that it is tried."""
        queue = self.outgoing
        if queue is None or self.error or self.write_shut or self.reset or queue.deaf:
            return 0 if self.connecting else 1
        if queue.room <= 0:
            queue.starve()
        return max(queue.room, 0)

    def send_to_nobody(self, message: Message) -> int:
        """The peer has closed its end."""
        raise Errno(linux.EPIPE)

    def shutdown(self, how: int) -> None:
        if not 0 <= how <= abi.SHUT_RDWR:
            raise Errno(linux.EINVAL)
        if self.incoming is None or self.outgoing is None or self.reset:
            raise Errno(abi.ENOTCONN)
        if how != abi.SHUT_WR and not self.read_shut:
            self.read_shut = True
            self.arrived()
        if how != abi.SHUT_RD and not self.write_shut:
            self.write_shut = True
            self.outgoing.end()
            self.drained()

    # --- what polls see ---------------------------------------------------------------------------

    def events(self) -> int:
        if self.backlog is not None:
            return linux.EPOLLIN if self.backlog else 0
        if self.connecting:
            return 0
        if self.incoming is None or self.outgoing is None or self.reset:
            return self.events_unconnected()
        found = linux.EPOLLERR if self.error else 0
        done = self.incoming.ended or self.read_shut
        if done:
            found |= linux.EPOLLIN | _RDHUP
        if self.incoming.messages:
            found |= linux.EPOLLIN
        if done and self.closed_for_writing:
            found |= linux.EPOLLHUP
        if self.write_shut or self.outgoing.writable:
            found |= linux.EPOLLOUT
        return found

    @property
    def closed_for_writing(self) -> bool:
        return self.write_shut

    def events_unconnected(self) -> int:
        found = linux.EPOLLOUT | linux.EPOLLHUP
        if self.reset:
            found |= linux.EPOLLIN | _RDHUP
        return found | (linux.EPOLLERR if self.error else 0)


def _capacity(writer: Socket, reader: Socket) -> int:
    return max(
        writer.option(abi.SOL_SOCKET, abi.SO_SNDBUF, CAPACITY),
        reader.receive_capacity if reader.family != abi.AF_UNIX else 0,
    )
