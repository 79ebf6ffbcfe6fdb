"""TCP sockets of the private loopback (man 7 tcp). What leaves the machine is played by an end
that stands for the outside: :mod:`bridge`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import linux
from ..table import Errno
from . import abi
from .addresses import Address, Inet, any_of
from .inet import InetSocket
from .queue import Message
from .socket import Socket
from .stream import StreamSocket

if TYPE_CHECKING:
    from .network import NetworkStack


class TcpSocket(InetSocket, StreamSocket):
    """A TCP socket. ``announce``: a connect that could not wait has ended since, and the program
    has not heard it from another connect. ``linger`` is SO_LINGER: on, seconds."""

    def __init__(self, network: NetworkStack, family: int, kind: int, protocol: int) -> None:
        super().__init__(network, family, kind, protocol)
        self.ports = network.tcp
        self.announce = False
        self.linger: tuple[int, int] = (0, 0)

    # --- connecting -------------------------------------------------------------------------------

    def connect(self, address: Address | None) -> bool:
        if address is None:
            self._disconnect()
            return True
        if self.backlog is not None:
            raise Errno(abi.EISCONN)
        if self.connecting:
            raise Errno(abi.EALREADY)
        if self.announce:
            self.announce = False
            if not self.reset:
                return True
            self.raise_error()
            raise Errno(abi.ECONNABORTED)  # the program has read SO_ERROR already
        if self.incoming is not None and not self.reset:
            raise Errno(abi.EISCONN)
        target = self.target(address)
        self.autobind(target.ip)
        self.incoming = self.outgoing = None
        self.error, self.reset, self.read_shut, self.write_shut = 0, False, False, False
        self.connecting = True
        self.remote = target
        try:
            self.network.connect_tcp(self, target)
        except BaseException:
            self.connecting = False
            raise
        return not self.connecting

    def _disconnect(self) -> None:
        self._leave()
        self.incoming = self.outgoing = self.remote = None
        self.reset = self.connecting = False
        self.error = 0
        if self.bound is not None:
            self.local = self.bound

    def name_accepted(self, server: StreamSocket, client: StreamSocket) -> None:
        server.local = client.remote

    def remote_name(self) -> bytes:
        if self.incoming is None or self.reset:
            raise Errno(abi.ENOTCONN)
        return super().remote_name()

    # --- listening --------------------------------------------------------------------------------

    def listen(self, backlog: int) -> None:
        if self.bound is None:
            self.ports.bind(self, Inet(any_of(self.family), 0))
        if self.backlog is None and not self.ports.may_listen(self):
            raise Errno(abi.EADDRINUSE)
        first = self.backlog is None
        super().listen(backlog)
        if first:
            self.network.listening_began(self)

    def accept(self) -> Socket | None:
        server = super().accept()
        if server is not None:
            self.network.accepted(self)
        return server

    # --- breaking and closing ---------------------------------------------------------------------

    def broken(self, error: int) -> None:
        # tcp_reset: who has got a FIN already learns EPIPE.
        ended = self.incoming is not None and self.incoming.ended
        super().broken(linux.EPIPE if ended and error == abi.ECONNRESET else error)

    def send_to_nobody(self, message: Message) -> int:
        # What is sent to a socket that is gone is taken, and answered by a RST.
        self.broken(abi.ECONNRESET)
        return len(message.data)

    def _leave(self) -> None:
        """Say good-bye to the peer: FIN, or RST where data lie unread or SO_LINGER wants it."""
        incoming, outgoing = self.incoming, self.outgoing
        if incoming is None or outgoing is None:
            if self.connecting:
                self.network.abandon(self)
            return
        unread = bool(incoming.messages)
        incoming.deaf = True
        incoming.clear()
        if self.reset:
            return
        if unread or self.linger == (1, 0):
            if outgoing.reader is not None:
                outgoing.reader.broken(abi.ECONNRESET)
            outgoing.ended = True
        else:
            outgoing.end()

    def closed(self) -> None:
        self.ports.release(self)
        if self.backlog is not None:
            self.network.listening_ended(self)
            for server in self.backlog:
                server.linger = (1, 0)  # type: ignore[attr-defined]
                server.closed()
            for client in self.turned_away:
                if client.connecting:
                    client.refuse(abi.ECONNREFUSED)
            self.backlog = None
        self._leave()
