"""What the sockets that keep the boundaries of messages share: UDP and Unix datagrams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import abi
from .queue import Message, Queue
from .socket import Socket

if TYPE_CHECKING:
    from .network import NetworkStack


class DatagramSocket(Socket):
    """Messages lie in ``queue`` until they are received. ``read_shut`` and ``write_shut`` are the
    halves that shutdown has closed."""

    def __init__(self, network: NetworkStack, family: int, kind: int, protocol: int) -> None:
        super().__init__(network, family, kind, protocol)
        self.queue = Queue(network.pool, reader=self)
        self.read_shut = self.write_shut = False

    def broken(self, error: int) -> None:
        """Nothing breaks it, unless its kind says so: a peer's end is found out by sending."""

    def pending(self) -> Message | None:
        return self.queue.take_message(peek=True)

    def receive(self, size: int, peek: bool = False, skip: int = 0) -> Message | None:
        self.raise_error()
        message = self.queue.take_message(peek)
        if message is None and self.read_shut:
            return Message(b"")
        return message

    def shut(self, how: int) -> None:
        """Close the halves that ``how`` (SHUT_*) names."""
        self.read_shut |= how != abi.SHUT_WR
        self.write_shut |= how != abi.SHUT_RD
        self.arrived()
