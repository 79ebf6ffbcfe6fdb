"""The connection to a worker: requests, the callbacks within them, and its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from emuplugin.errors import ClosedError, DeadMachineError, Interrupted, TimeLimitExceeded
from emuplugin.isolation.channel import Channel, ClosedChannelError
from emuplugin.isolation.control_c import ControlC
from emuplugin.isolation.objects import finished
from emuplugin.isolation.parent_values import Maker, ParentValues
from emuplugin.isolation.process import WorkerProcess
from emuplugin.isolation.start import describe_sandbox
from emuplugin.isolation.things import CALLBACK, RAISE, REQUEST, RETURN, STATES, Op
from emuplugin.isolation.wire import Reader, WireError, Writer
from emuplugin.sandbox import Sandbox
from emuplugin.values.asynchronous import Worker as Asynchronous

if TYPE_CHECKING:
    from emuplugin.isolation.types import RemoteType
    from emuplugin.values.guest import Guest

T = TypeVar("T")
_TO_START: Final = 60.0
_GRACE: Final = 2.0
"""Seconds that the worker has beyond ``Limits.seconds`` to say that they are over."""
_TO_STOP: Final = 5.0
"""Seconds that it has to end a call on Ctrl-C."""
_PERIOD: Final = 0.25
_OWN_MEMORY: Final = 512 << 20
"""Bytes that a worker may use beside the guest's memory."""
_ABOVE_MEMORY: Final = 64 << 20
MACHINE: Final = 1
"""The number of the machine itself."""


class Connection:
    """A worker, and who talks to it: one thread at a time, which serves the callbacks of its own
    requests. ``state`` is the machine's, as of the last answer."""

    def __init__(self, sandbox: Sandbox, makers: Mapping[int, Maker]) -> None:
        self.lock = threading.RLock()
        self.state = "empty"
        self.death: BaseException | None = None
        self._limits = sandbox.limits
        self._values = ParentValues(self, dict(makers))
        self._dropped: list[int] = []
        self._depth = 0
        self._turn = 0
        self._requests = 0
        self._asked_to_end = -1
        self._worked = 0.0  # seconds of the outermost request that the worker has used
        self._since = 0.0
        self._budget: float | None = _TO_START
        self._control_c = ControlC(self.interrupt)
        self._process = WorkerProcess()
        limit = sandbox.limits.memory + _ABOVE_MEMORY
        self._channel = Channel(self._process.main, limit, _PERIOD, self._waited)
        self.pid = self._process.pid
        writer = Writer(self._values.write)
        writer.value(describe_sandbox(sandbox))
        self.plan: dict[str, str] = self._begin(writer)

    # --- requests ---------------------------------------------------------------------------

    def ask(self, op: Op, number: int, *args: Any, **named: Any) -> Any:
        """Have the worker do something with one of its things; what it returns or raises.

        Raises WorkerDied if it ends meanwhile, ClosedError and DeadMachineError if it has ended.
        """
        with self.lock:
            self.check_alive()
            dropped, self._dropped = self._dropped, []
            writer = Writer(self._values.write)
            writer.out.append(REQUEST)
            writer.value(dropped or None)
            writer.number(op)
            writer.number(number)
            try:
                writer.value(args)
                writer.value(named or None)
            except BaseException:
                self._dropped += dropped
                raise
            self._requests += 1
            if not self._depth:
                seconds = self._limits.seconds
                self._turn += 1
                self._worked, self._budget = 0.0, None if seconds is None else seconds + _GRACE
            return self._control_c.held_back(self._exchange, writer)

    def ask_type(self, go_type: RemoteType, name: str) -> Any:
        """A fact about a Go type."""
        return self.ask(Op.TYPE_FACT, MACHINE, go_type, name)

    @property
    def requests(self) -> int:
        """How many requests were made: as long as there is none, nothing changes in the worker."""
        return self._requests

    def drop(self, number: int) -> None:
        """A proxy is gone. Any thread may come by here, in the middle of anything."""
        self._dropped.append(number)

    def interrupt(self) -> None:
        """End the request that another thread waits for."""
        self._asked_to_end = self._turn
        self._tell(b"interrupt %d\n" % self._turn)

    def send_signal(self, number: int) -> None:
        """Send the guest a signal, whoever waits for what."""
        self._tell(b"signal %d\n" % number)

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._depth > 0

    def close(self) -> None:
        """End the worker."""
        with self.lock:
            if self.state != "closed":
                self.state = "closed"
                if "asynchronous" in self.__dict__:
                    self.asynchronous.close()
                self._process.close()

    @property
    def over(self) -> bool:
        """Whether the worker can be asked nothing any more."""
        return self.state == "closed" or self.death is not None

    @cached_property
    def asynchronous(self) -> Asynchronous:
        """The thread of calls that asyncio waits for."""
        return Asynchronous(cast("Guest", self))

    def trusted(self, check: Callable[[Any], T], found: Any) -> T:
        """What ``check`` makes of data from the worker. If it finds that no sound worker sends
        them, the worker is ended."""
        try:
            return check(found)
        except WireError as error:
            raise self._end(f"it sent what no sound worker sends ({error})") from None

    def check_alive(self) -> None:
        """Raise ClosedError or DeadMachineError if there is no worker to ask."""
        if self.state == "closed":
            raise ClosedError("the plugin's machine was closed")
        if self.death is not None:
            reason = str(self.death).partition("\n")[0]
            raise DeadMachineError(
                f"the machine is dead: {reason}; open the plugin again"
            ) from self.death

    def _begin(self, writer: Writer) -> dict[str, str]:
        try:
            plan: dict[str, str] = self._exchange(writer)
        except BaseException:
            self._process.kill()
            self._process.close()
            raise
        return plan

    # --- messages ---------------------------------------------------------------------------

    def _exchange(self, writer: Writer) -> Any:
        """Send a request and serve callbacks until its answer comes."""
        self._depth += 1
        self._since = monotonic()
        try:
            self._channel.send(writer.out)
            while True:
                message = self._channel.receive()
                self._worked += monotonic() - self._since
                reader = Reader(message, self._values.read)
                kind = reader.byte()
                self._take_head(reader)
                if kind == CALLBACK:
                    answer = self._serve(reader)
                    self._since = monotonic()
                    self._channel.send(answer.out)
                    continue
                return self._take_answer(reader, kind)
        except ClosedChannelError:
            raise self._end() from None
        except WireError as error:
            raise self._end(f"it sent what no sound worker sends ({error})") from None
        finally:
            self._depth -= 1

    def _take_head(self, reader: Reader) -> None:
        state = reader.byte()
        if state >= len(STATES):
            raise WireError("an unknown state")
        self.state = STATES[state]
        released = reader.value()
        if released is None:
            return
        if type(released) is not list:
            raise WireError("no list of what was released")
        for entry in released:
            if type(entry) is not tuple or len(entry) != 2 or type(entry[1]) is not int:
                raise WireError("no list of what was released")
            self._values.objects.release(*entry)

    def _take_answer(self, reader: Reader, kind: int) -> Any:
        value = reader.value()
        if kind == RETURN:
            reader.end()
            return value
        notes = reader.value()
        reader.end()
        if kind != RAISE or not isinstance(value, BaseException) or type(notes) is not list:
            raise WireError("an answer that is none")
        if isinstance(value, Interrupted) and self._asked_to_end != self._turn:
            # It would pass every ``except Exception``, and end the program.
            raise WireError("an interruption that nobody has asked for")
        for note in notes:
            value.add_note(str(note))
        raise value

    def _serve(self, reader: Reader) -> Writer:
        """A callback: call what the worker has asked for, and make its answer."""
        outer, self._values.writable = self._values.writable, []
        try:
            number, name, args = reader.value(), reader.value(), reader.value()
            reader.end()
            if type(args) is not tuple or type(name) is not str:
                raise WireError("a callback that is none")
            writable, self._values.writable = self._values.writable, outer
            try:
                call = self._values.objects.call
                value = self._control_c.let_through(call, number, name, args)
                return self._answer(RETURN, value, writable)
            except WireError:
                raise
            except BaseException as error:
                return self._answer(RAISE, error, writable)
        finally:
            self._values.writable = outer

    def _answer(self, kind: int, value: Any, writable: list[Any]) -> Writer:
        writer = Writer(self._values.write)
        dropped, self._dropped = self._dropped, []
        writer.out.append(kind)
        writer.value(dropped or None)
        written = [(entry.index, bytes(entry.now)) for entry in writable if entry.changed]
        writer.value(written or None)
        writer.value(value)
        finished(value)
        return writer

    # --- the end ----------------------------------------------------------------------------

    def _end(self, why: str = "") -> BaseException:
        """The worker is no more, or shall be no more."""
        error: BaseException = self._process.died(why)
        if self.state == "closed":
            return ClosedError("the plugin's machine was closed")
        self.state, self.death = "dead", error
        return error

    def _waited(self) -> None:
        """Called every now and then while the worker is at work: it may be stuck."""
        now = monotonic()
        used = self._worked + now - self._since
        if self._budget is not None and used > self._budget:
            died = self._end("it did not answer in time")
            if not self._turn:
                raise died
            allowed = self._limits.seconds or _TO_START
            self.death = TimeLimitExceeded(
                f"the call ran longer than {allowed:g} s, and the worker process, which did not"
                " end it by itself, was killed",
                limit="seconds", allowed=allowed, used=used,
            )  # fmt: skip
            raise self.death
        pressed = self._control_c.pressed
        if pressed is not None and now - pressed > _TO_STOP:
            raise self._end("it did not end the call when it was interrupted")
        if self._process.resident > self._limits.memory + _OWN_MEMORY:
            raise self._end(
                f"it used {self._process.resident} bytes of memory, and the guest may have"
                f" {self._limits.memory}"
            )

    def _tell(self, line: bytes) -> None:
        with suppress(OSError):
            self._process.control.send(line)
