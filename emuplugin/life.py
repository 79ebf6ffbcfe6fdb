"""One life of a machine: from its first plugin to its death, its reset or its closing.

It is what the values of a machine talk to (:class:`emuplugin.values.guest.Guest`): those of an
earlier life are refused and never look at the memory of the present one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from .direct_calls import DirectCall
from .elf.file import ElfFile
from .errors import ClosedError, DeadMachineError, EmupluginError, Interrupted
from .outcomes import Outcomes
from .python_calls import PythonCalls
from .runtime_shims.goruntime import CallResult
from .runtime_shims.process import Process
from .runtime_shims.program import Module, Program
from .runtime_shims.type_area import TypeArea
from .sandbox import Sandbox
from .values import Context
from .values.guest import ModuleTypes, Travel

if TYPE_CHECKING:
    from .cpu.memory import Memory
    from .report import Report
    from .runtime_shims.callbacks import CallbackFrame
    from .runtime_shims.roots import Root
    from .runtime_shims.witness import Witness
    from .tracing.recorder import Recorder
    from .values.guest import Root as KeptAlive

T = TypeVar("T")


class Life:
    """The program of a machine, once it was booted, and the calls into it.

    ``lock`` is the machine's: held by whoever uses it. ``death`` is what ended it from inside.
    """

    def __init__(self, sandbox: Sandbox, lock: threading.RLock) -> None:
        self.sandbox = sandbox
        self.lock = lock
        self.death: BaseException | None = None
        self.booted: Program | None = None
        #: Who is told how the program starts.
        self.witness: Witness | None = None
        #: The trace that is being taken.
        self.recorder: Recorder | None = None
        self._context: Context | None = None
        self._over: Callable[[], ClosedError] | None = None
        self.host_seconds = 0.0
        self._report: Report | None = None
        self.python_calls = PythonCalls(self)
        self.outcomes = Outcomes(self)

    @property
    def state(self) -> str:
        """``empty``, ``running``, ``dead`` or ``closed``."""
        if self._over is not None:
            return "closed"
        if self.death is not None:
            return "dead"
        return "empty" if self.booted is None else "running"

    @property
    def busy(self) -> bool:
        """Whether a call runs."""
        return self.booted is not None and self.booted.process.kernel.watchdog.running

    @property
    def program(self) -> Program:
        """The running program; raises when the machine is dead, closed or empty."""
        if self.booted is None or self.death is not None:
            self.check_alive()
            raise ClosedError("nothing was opened in this machine yet")
        return self.booted

    @property
    def context(self) -> Context:
        """What all values of this life share."""
        if self._context is None:
            self._context = Context(self)
        return self._context

    def check_alive(self) -> None:
        """Raise ClosedError or DeadMachineError unless plugins can be opened and used."""
        if self._over is not None:
            raise self._over()
        if self.death is not None:
            reason = str(self.death).partition("\n")[0] or type(self.death).__name__
            raise DeadMachineError(
                f"the machine is dead: {reason}; open the plugin again"
            ) from self.death

    def end(self, over: Callable[[], ClosedError]) -> None:
        """Free everything. Whoever uses something of this life gets the error that ``over``
        makes."""
        program = self.leave(over)
        if program is not None:
            program.close()

    def leave(self, over: Callable[[], ClosedError]) -> Program | None:
        """:meth:`end`, but for the program, which another life is to have."""
        self._report = self.report
        if self.recorder is not None:
            self.recorder.stop()
        self._over = over
        if self._context is not None:
            self._context.close()
        self._context = None
        program, self.booted = self.booted, None
        return program

    @property
    def report(self) -> Report:
        """What was done up to now, or up to the end."""
        from .report import Report, take

        if self.booted is None:
            return self._report or Report()
        return take(self.booted.process.kernel, self.host_seconds)

    @property
    def instructions(self) -> int:
        """How many the guest has executed."""
        if self.booted is None:
            return 0 if self._report is None else self._report.instructions
        return self.booted.process.kernel.instructions

    def interrupt(self) -> None:
        """See :meth:`Machine.interrupt`."""
        if self.busy:
            self._interrupt(Interrupted("the call was interrupted"))
            assert self.booted is not None
            self.booted.process.kernel.outside.wake()

    def send_signal(self, number: int) -> None:
        """See :meth:`Machine.send_signal`."""
        program = self.program
        program.process.kernel.signals.post(number)
        if self.lock.acquire(blocking=False):
            try:
                if not self.busy and self.death is None:
                    with suppress(EmupluginError):  # what ended the machine is its death
                        self.guarded(program.signalling.deliver)
            finally:
                self.lock.release()

    def _interrupt(self, error: BaseException) -> None:
        program = self.booted
        if program is not None:
            self.python_calls.unstoppable = error
            program.interruption.request(error)

    # --- opening ----------------------------------------------------------------------------

    def first_process(self) -> Process | None:
        """An empty process for :meth:`start`; None if there is a program already."""
        return self.guarded(lambda: Process(self.sandbox)) if self.state == "empty" else None

    def start(self, file: ElfFile, process: Process) -> Module:
        """Boot the machine with its first plugin. The process belongs to it then."""
        witness = self.witness if self.recorder is None else self.recorder.beside(self.witness)
        program = self.guarded(lambda: Program(process, file, witness))
        self.adopt(program)
        return program.modules[0]

    def adopt(self, program: Program) -> None:
        """Live in a program that was booted, or copied."""
        program.on_fatal = self.outcomes.on_fatal
        program.on_callback = self.python_calls.handle
        program.process.engine.on_interrupt = self._interrupt
        self.booted = program

    def link(self, module: Module) -> None:
        """Make a further plugin part of the program."""
        program = self.program
        self.guarded(lambda: program.link(module))
        if self.recorder is not None:
            self.recorder.linked(module.image)

    def run_inits(self, module: Module) -> None:
        """Run the init functions of a module that have not run."""
        program = self.program
        ended = self.guarded(lambda: program.run_inits(module))
        if ended is not None:
            self.outcomes.raise_from(ended)

    def guarded(self, action: Callable[[], T]) -> T:
        """Run guest code; what ends the whole process ends the machine."""
        # Calls inside of calls count themselves too: what they added is not taken over.
        before, start, executed = self.host_seconds, perf_counter(), self.instructions
        try:
            return action()
        except BaseException as error:
            if isinstance(error, RecursionError) and self.instructions == executed:
                raise  # the guest was not even asked
            self.outcomes.ended(error)
        finally:
            self.host_seconds = before + perf_counter() - start

    def _timed(self, program: Program, action: Callable[..., T], *args: Any) -> T:
        """:meth:`guarded`, for calls of the caller's."""
        before, start, entered = self.host_seconds, perf_counter(), program.caller.entered
        try:
            return action(*args)
        except BaseException as error:
            if isinstance(error, RecursionError) and program.caller.entered == entered:
                raise  # the guest was not even asked
            self.outcomes.ended(error)
        finally:
            self.host_seconds = before + perf_counter() - start

    # --- what values need (values.guest.Guest) ----------------------------------------------

    @property
    def memory(self) -> Memory:
        """Guest memory."""
        return self.program.process.memory

    @property
    def go_minor(self) -> tuple[int, int]:
        """Go's version without the patch level: ``(1, 27)``."""
        major, minor = self.program.build_info.minor.split(".")
        return int(major), int(minor)

    @property
    def experiments(self) -> frozenset[str]:
        """GOEXPERIMENT settings of the build."""
        return frozenset(self.program.build_info.experiments)

    def module_of(self, address: int) -> ModuleTypes | None:
        """The module whose type descriptors hold ``address``."""
        for module in self.program.modules:
            types, etypes = module.get("types"), module.get("etypes")
            if types <= address < etypes:
                return ModuleTypes(types, etypes, module.get("text"), {})
        if TypeArea.start <= address < TypeArea.end:
            return ModuleTypes(TypeArea.start, TypeArea.end, TypeArea.text, {})
        return None

    def type_addresses(self) -> Iterator[int]:
        """The type descriptors of all plugins."""
        for module in self.program.modules:
            yield from module.type_descriptors()

    @property
    def type_area(self) -> TypeArea:
        """Where types made at run time lie."""
        return self.program.type_area

    @property
    def unused_type_area(self) -> range:
        """Where no types were made yet; the area itself is made with the first."""
        area: TypeArea | None = vars(self.program).get("type_area")
        return range(TypeArea.start if area is None else area.used, TypeArea.end)

    @property
    def method_entries(self) -> tuple[int, ...]:
        """The code of methods that are Python's, by number."""
        return self.program.runtime.stubs.methods

    def call(
        self,
        entry: int,
        context: int,
        ints: Sequence[int],
        floats: Sequence[int],
        stack: bytes | bytearray,
        stack_size: int,
    ) -> CallResult:
        """Call Go code by ABIInternal. Raises GoPanic, Goexit, GoExit, GoFatal and limits."""
        with self.lock:
            program = self.program
            program.process.kernel.start_clock()
            if program.roots.returned:
                program.roots.collect()
            outcome = self._timed(
                program, program.caller.call, entry, context, ints, floats, stack, stack_size
            )
            if self.python_calls.unstoppable is not None:
                self.outcomes.raise_unstoppable(outcome)
            if type(outcome) is CallResult:
                return outcome
            self.outcomes.raise_from(outcome)

    def call_words(self, entry: int, closure: int, words: Sequence[int]) -> int:
        """Call Go code whose arguments are all integers in registers; its first integer result.

        Stack space for spilled arguments is there. Raises as :meth:`call`.
        """
        with self.lock:
            program = self.booted
            if program is None or self.death is not None:
                program = self.program  # raises
            if program.roots.returned:
                program.roots.collect()
            program.process.kernel.start_clock()
            outcome = self._timed(program, program.caller.call_words, entry, closure, words)
            if self.python_calls.unstoppable is not None:
                self.outcomes.raise_unstoppable(outcome)
            if isinstance(outcome, int):
                return outcome
            self.outcomes.raise_from(outcome)

    def direct(self, entry: int, closure: int, arguments: Travel, results: Travel) -> DirectCall:
        """Calls of one function, prepared; see :class:`emuplugin.values.guest.DirectCall`."""
        return DirectCall(self, entry, closure, arguments, results)

    def loop(self, body: bytes) -> int | None:
        """A loop over calls; see :class:`emuplugin.runtime_shims.loops.Loops`."""
        with self.lock:
            return self.program.loops.place(body)

    def call_runtime(self, name: str, *ints: int) -> int:
        """Call ``runtime.NAME`` with integer arguments; its first integer result."""
        with self.lock:
            program = self.program
            entry = program.runtime.function("runtime." + name)
            outcome = self._timed(program, program.caller.call_words, entry, 0, ints)
            if isinstance(outcome, int):
                return outcome
            self.outcomes.raise_from(outcome)

    def malloc(self, size: int, type_address: int, zero: bool = True) -> int:
        """``runtime.mallocgc``: memory of the Go heap, freed when nothing refers to it."""
        return self.call_runtime("mallocgc", size, type_address, int(zero))

    def symbol(self, name: str) -> int | None:
        """The guest address of a linker symbol."""
        return self.program.symbol(name)

    def hold(self, address: int) -> Root:
        """Keep the heap object at ``address`` alive as long as the root is."""
        with self.lock:
            program = self.program
            return self.guarded(lambda: program.hold(address))

    def func_value(
        self,
        function: Callable[[CallbackFrame], None],
        dropped: Callable[[int], None] | None = None,
    ) -> KeptAlive:
        """A Go func value that calls ``function`` with the registers and stack of each call. When
        Go has no more use for it, ``dropped`` is called with its address."""
        with self.lock:
            return self.python_calls.func_value(function, dropped)

    def func_value_again(self, address: int) -> KeptAlive | None:
        """An earlier func value, rooted; None if Go has dropped it."""
        with self.lock:
            return self.python_calls.func_value_again(address)

    def is_func_value(self, address: int) -> bool:
        """Whether an earlier func value is still there."""
        return self.python_calls.is_func_value(address)
