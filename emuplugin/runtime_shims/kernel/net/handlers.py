"""Connections that Python code serves: ``Network(handler=...)``.

Each runs in a thread of its own. While such code computes or sleeps, the machine waits for it in
real time; while it waits for the plugin, virtual time may jump.
"""

from __future__ import annotations

import inspect
import socket as host
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import abi
from .addresses import Inet
from .bridge import Bridge
from .connection import Connection, Datagrams, Progress

if TYPE_CHECKING:
    from .network import NetworkStack
    from .tcp import TcpSocket
    from .udp import UdpSocket

Handler = Callable[[Any], object]


def _serve(handler: Handler, connection: Connection | Datagrams, progress: Progress) -> None:
    """The thread. An exception refuses or breaks the connection, and goes on to
    ``threading.excepthook``, unless it only says that the plugin is gone."""
    try:
        answer = handler(connection)
        if inspect.iscoroutine(answer):
            import asyncio  # takes long to import, and few need it

            answer = asyncio.run(answer)
        progress.decide(answer is not False)
    except ConnectionError:
        progress.decide(False)
    except BaseException:
        progress.failed = True
        progress.decide(False)
        raise
    finally:
        progress.finished = True
        if isinstance(connection, Datagrams):
            connection.close()
        progress.stir()


def _start(handler: Handler, connection: Connection | Datagrams, progress: Progress) -> None:
    name = f"emuplugin-handler-{connection.address[0]}:{connection.address[1]}"
    threading.Thread(
        target=_serve, args=(handler, connection, progress), name=name, daemon=True
    ).start()


class HandlerBridge(Bridge):
    """Between a TCP socket of the guest and a handler's :class:`Connection`."""

    def __init__(
        self, network: NetworkStack, guest: TcpSocket, handler: Handler, address: tuple[str, int]
    ) -> None:
        ours, theirs = host.socketpair()
        super().__init__(network, guest, ours)
        self.progress = Progress(network.outside.wake)
        self.connecting = True
        self._sent = 0
        self._idle = False
        self._address = address
        network.checked.append(self)
        network.handlers.append(self.progress)
        self._kept = 0
        self._keep(1)
        _start(handler, Connection(theirs, address, self.progress), self.progress)

    def check(self) -> None:
        """See what the handler did meanwhile."""
        if not self.open:
            return
        if self.connecting:
            self._check_decision()
            return
        self._report_failure()
        idle = self.progress.idle(self._sent)
        before = self.inward.size
        self._fill()
        self._idle = idle and self.inward.size == before and not self.outward.messages
        self.watch()

    def _check_decision(self) -> None:
        if self.progress.accepted is None:
            return
        self._keep(0)
        if self.progress.accepted:
            self.network.record("tcp connect", _text(self._address), "handler")
            self.established()
        else:
            outcome = "handler failed" if self.progress.failed else "refused by the handler"
            self.network.record("tcp connect", _text(self._address), outcome)
            self.connecting = False
            self.network.settled(self.guest)
            self.close()
            self.guest.refuse(abi.ECONNREFUSED)

    def _report_failure(self) -> None:
        if self.progress.failed:
            self.progress.failed = False
            self.network.record("tcp connect", _text(self._address), "handler failed")
            self._fill()
            if self.open:
                self.close()
                self.guest.broken(abi.ECONNRESET)

    def _keep(self, kept: int) -> None:
        self.network.outside.keep += kept - self._kept
        self._kept = kept

    def arrived(self) -> None:
        self._idle = False
        super().arrived()

    def drained(self) -> None:
        self._idle = False
        super().drained()

    def sent(self, size: int) -> None:
        self._sent += size

    def interest(self) -> int:
        found = super().interest()
        return 0 if self._idle or self.connecting else found

    def close(self) -> None:
        if self.open:
            self._keep(0)
            self.network.checked.remove(self)
        super().close()


class HandlerDatagrams:
    """Between a UDP socket of the guest and a handler, for one address."""

    def __init__(
        self,
        network: NetworkStack,
        guest: UdpSocket,
        handler: Handler,
        to: Inet,
        address: tuple[str, int],
    ) -> None:
        self.network, self.guest, self.to = network, guest, to
        self._address = address
        self.progress = Progress(network.outside.wake)
        self.datagrams = Datagrams(address, self.progress)
        self._sent = 0
        self._kept = 0
        self._decided = False
        network.checked.append(self)
        network.handlers.append(self.progress)
        _start(handler, self.datagrams, self.progress)

    def send(self, data: bytes) -> None:
        """The guest sends a datagram."""
        self._sent += 1
        self.datagrams.deliver(data)
        self._keep(int(not self.progress.finished))

    def check(self) -> None:
        """See what the handler did meanwhile."""
        if not self._decided and self.progress.accepted is not None:
            self._decided = True
            outcome = "handler" if self.progress.accepted else "refused by the handler"
            if self.progress.failed:
                outcome = "handler failed"
            self.network.record("udp send", _text(self._address), outcome)
            if not self.progress.accepted:
                self.guest.broken(abi.ECONNREFUSED)
        finished = self.progress.finished
        idle = finished or self.progress.idle(self._sent)
        came = bool(self.datagrams.outbox)
        while self.datagrams.outbox:
            self.guest.deliver(self.datagrams.outbox.popleft(), self.to)
        self._keep(int(not idle or (came and not finished)))

    def close(self) -> None:
        """The guest's socket is gone."""
        self._keep(0)
        if self in self.network.checked:
            self.network.checked.remove(self)
        self.datagrams.close()

    def _keep(self, kept: int) -> None:
        self.network.outside.keep += kept - self._kept
        self._kept = kept


def _text(address: tuple[str, int]) -> str:
    name, port = address
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
