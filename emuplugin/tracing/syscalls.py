"""System calls with their arguments and results, and what goes to the standard streams.

While this is on, the engine calls a function here instead of the kernel's; otherwise nothing is
different, and nothing is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from emuplugin.cpu import registers as reg
from emuplugin.cpu.hooks import Hooks
from emuplugin.cpu.memory import GuestMemoryError
from emuplugin.runtime_shims.kernel.standard_streams import Stream
from emuplugin.runtime_shims.kernel.table import TABLE
from emuplugin.runtime_shims.kernel.threads import Thread

from .call_arguments import CallText
from .call_flags import ERRORS
from .events import Output, SystemCall
from .guest import TracedGuest
from .observer import Moment, Observer

if TYPE_CHECKING:
    from .recorder import Recorder

_WRITES: Final = frozenset((1, 20))
_MAX_OUTPUT: Final = 1 << 20
# What is in the place for the result while a call has none.
_NOTHING: Final = 0x5EED_0000_0000_0001
_NAMES: Final[dict[int, Literal["stdout", "stderr"]]] = {1: "stdout", 2: "stderr"}


@dataclass(slots=True)
class _Made:
    """A call that has not ended."""

    moment: Moment
    number: int
    name: str
    text: CallText
    began: int
    restarted: bool = False
    waited: bool = False


class SystemCalls(Observer):
    """See the module. ``calls``: tell of all calls; ``output``: of what is written to the standard
    streams."""

    def __init__(self, recorder: Recorder, guest: TracedGuest, calls: bool, output: bool) -> None:
        super().__init__(recorder, guest)
        self._calls, self._output = calls, output
        self._place = guest.engine.batch(
            reg.RAX, reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9, reg.FS_BASE
        )
        self._waiting: dict[int, _Made] = {}
        self._now: _Made | None = None
        self._interrupted: dict[int, int] = {}
        self._installed = False
        kernel = guest.kernel
        self._kernel_call = kernel.engine.on_syscall
        #: The streams by what they are, wherever descriptors have gone.
        self._streams = {
            id(kernel.files.table[fd]): _NAMES[fd]
            for fd in _NAMES
            if isinstance(kernel.files.table.get(fd), Stream)
        }

    def install(self, hooks: Hooks) -> None:
        if not self._installed:
            self._installed = True
            self.guest.engine.on_syscall = self._called
            self.guest.kernel.threads.on_wake = self._woken

    def finish(self) -> None:
        self.guest.engine.on_syscall = self._kernel_call
        self.guest.kernel.threads.on_wake = None

    def _called(self) -> None:
        values = self._place.load()
        number = values[0]
        if not self._calls and number not in _WRITES:
            self._kernel_call()
            return
        kernel = self.guest.kernel
        thread = kernel.threads.current
        registers = list(values[1:7])
        goroutine = self.guest.goroutine(self.g(values[7]))
        executed = self._stops.executed - 1
        moment = self.moment(executed, goroutine)
        entry = TABLE.get(number)
        name = f"syscall_{number}" if entry is None else entry.name
        made = _Made(moment, number, name, CallText(kernel, name, registers), kernel.clock.now)
        made.restarted = self._interrupted.pop(thread.tid, -1) == number
        if self._output and number in _WRITES:
            self._tell_output(made, registers)
        place = kernel.result
        place[0] = _NOTHING
        self._now = made
        try:
            self._kernel_call()
        except BaseException:
            # The call ends the run: by exit_group, or by a limit that it has broken.
            self._ended(made, 0, blocked=False, final=True)
            raise
        if place[0] != _NOTHING:
            self._ended(made, place[0], blocked=made.waited)
        elif thread.tid in kernel.threads.all:
            if thread.wait is None:  # somebody has woken it already
                self._ended(made, thread.result or 0, blocked=True)
            else:
                self._waiting[thread.tid] = made
        else:
            self._ended(made, 0, blocked=False, final=True)

    def _woken(self, thread: Thread, result: int | None) -> None:
        """A thread's wait ends."""
        made = self._waiting.pop(thread.tid, None)
        if made is None and self._now is not None and thread.tid == self._now.moment[2]:
            self._now.waited = True  # nobody else could run meanwhile
        elif made is not None:
            if thread.restart is not None:
                self._interrupted[thread.tid] = made.number
            self._ended(made, result or 0, blocked=True)

    def _ended(self, made: _Made, result: int, *, blocked: bool, final: bool = False) -> None:
        """A call has ended; ``final``: it will never return."""
        self._now = None
        if not self._calls:
            return
        result -= (result & 1 << 63) << 1
        error = ERRORS.get(-result, str(-result)) if -4096 < result < 0 else ""
        duration = self.guest.kernel.clock.now - made.began
        arguments = made.text.arguments(result)
        text = "?" if final else made.text.result_text(result)
        self.emit(
            SystemCall(
                *made.moment,
                made.name,
                arguments,
                result,
                error,
                duration,
                blocked,
                made.restarted,
                text,
            )
        )

    def _tell_output(self, made: _Made, registers: list[int]) -> None:
        """write or writev: what goes to a standard stream."""
        kernel = self.guest.kernel
        file = kernel.files.table.get(registers[0] & 0xFFFFFFFF)
        stream = self._streams.get(id(file))
        if stream is None:
            return
        memory = kernel.memory
        try:
            if made.number == 1:
                data = memory.read(registers[1], min(registers[2], _MAX_OUTPUT))
            else:
                data = b""
                for index in range(min(registers[2], 1024)):
                    base = memory.read_u64(registers[1] + 16 * index)
                    size = memory.read_u64(registers[1] + 16 * index + 8)
                    data += memory.read(base, min(size, _MAX_OUTPUT - len(data)))
        except GuestMemoryError:
            return
        text = data.decode("utf-8", "surrogateescape")
        self.emit(Output(*made.moment, stream, text))
