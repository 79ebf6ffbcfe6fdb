"""The worker: ``python -m emuplugin.isolation.worker``, started by process.py."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from time import sleep
from typing import Any

from emuplugin.isolation.channel import Channel, ClosedChannelError
from emuplugin.isolation.hardening import Hardening
from emuplugin.isolation.operations import OPERATIONS
from emuplugin.isolation.standins import StandIns
from emuplugin.isolation.start import sandbox_from
from emuplugin.isolation.things import CALLBACK, RAISE, REQUEST, RETURN, STATES, Op
from emuplugin.isolation.wire import Reader, WireError, Writer
from emuplugin.isolation.worker_values import WorkerValues
from emuplugin.machine import Machine

_NO_LIMIT = 1 << 62


class Worker:
    """One machine, and the loop that serves the parent's requests."""

    def __init__(self, main: socket.socket, control: socket.socket) -> None:
        self._channel = Channel(main, _NO_LIMIT)
        self._control = control
        self._stand_ins = StandIns(self._call)
        self._values = WorkerValues(self._stand_ins)
        self._machine: Machine
        self._hardening: Hardening
        self._depth = 0
        #: How many requests have come that were not made from inside another.
        self.turn = 0

    def run(self) -> None:
        """Serve until the parent closes the connection."""
        reader = self._reader(self._channel.receive())
        description = reader.value()
        self._machine = Machine(sandbox_from(description))
        self._values.keep(self._machine)
        self._hardening = Hardening(self._machine.sandbox)
        self._channel.send(self._message(RETURN, self._hardening.plan()).out)
        self._hardening.prepare()  # while the parent goes on
        threading.Thread(target=self._watch_control, daemon=True).start()
        while True:
            reader = self._reader(self._channel.receive())
            self._answer(reader)

    # --- requests ---------------------------------------------------------------------------

    def _answer(self, reader: Reader) -> None:
        if reader.byte() != REQUEST:
            raise WireError("an answer that nobody waits for")
        if not self._depth:
            self.turn += 1
        self._depth += 1
        try:
            message = self._perform(reader)
        except BaseException as error:
            message = self._message(RAISE, error, self._values.take_notes(error))
        finally:
            self._depth -= 1
        self._channel.send(message.out)

    def _perform(self, reader: Reader) -> Writer:
        """Do what is asked. The arguments are gone when the answer leaves."""
        self._values.release(reader.value() or ())
        operation, target = reader.number(), self._values.thing(reader.number())
        args, named = reader.value(), reader.value() or {}
        reader.end()
        if operation == Op.OPEN:
            self._hardening.apply(dwarf=named.pop("dwarf"))
        return self._message(RETURN, OPERATIONS[operation](target, *args, **named))

    def _message(self, kind: int, *values: Any) -> Writer:
        writer = Writer(self._values.write)
        released = self._stand_ins.released
        writer.out += bytes((kind, STATES.index(self._machine.state)))
        writer.value([released.pop() for _ in range(len(released))] or None)
        for value in values:
            writer.value(value)
        return writer

    # --- callbacks --------------------------------------------------------------------------

    def _call(self, number: int, name: str, args: tuple[Any, ...]) -> Any:
        """Ask the parent to call an object of its own, and serve it until it has."""
        outer, self._values.writable = self._values.writable, []
        try:
            message = self._message(CALLBACK, number, name, args)
            self._channel.send(message.out)
            while True:
                reader = self._reader(self._channel.receive())
                if reader.data[0] == REQUEST:
                    self._answer(reader)
                    continue
                return self._result(reader)
        finally:
            self._values.writable = outer

    def _result(self, reader: Reader) -> Any:
        kind = reader.byte()
        self._values.release(reader.value() or ())
        for index, data in reader.value() or ():
            self._values.writable[index].cast("B")[:] = data
        value = reader.value()
        reader.end()
        if kind == RAISE:
            raise value
        return value

    def _reader(self, message: bytearray) -> Reader:
        return Reader(message, self._values.read)

    # --- beside the requests ----------------------------------------------------------------

    def _watch_control(self) -> None:
        """Interruptions and signals, which come in the middle of a call; and the parent's end,
        which ends this process whatever it is doing."""
        come = b""
        while True:
            try:
                piece = self._control.recv(4096)
            except OSError:
                piece = b""
            if not piece:
                os._exit(0)
            *lines, come = (come + piece).split(b"\n")
            for line in lines:
                word, number = line.split()
                if word == b"signal":
                    self._machine.send_signal(int(number))
                else:
                    self._interrupt(int(number))

    def _interrupt(self, turn: int) -> None:
        """End the request of that turn, once the guest runs."""
        while self.turn < turn or (self.turn == turn and self._depth):
            if self.turn == turn and self._machine.life.busy:
                self._machine.interrupt()
                return
            sleep(0.002)


def main() -> None:
    """Take the sockets that the parent has passed on, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        data = sys.stdin.buffer
        ends = [socket.fromshare(data.read(int(data.readline()))) for _ in range(2)]
    else:
        ends = [socket.socket(fileno=int(number)) for number in sys.argv[-2:]]
    try:
        Worker(*ends).run()
    except ClosedChannelError:
        os._exit(0)


if __name__ == "__main__":
    main()
