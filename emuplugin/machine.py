"""A machine: one emulated process with a Go runtime, and the plugins in it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from .cpu.address_space import NoMemoryError
from .cpu.memory import GuestMemoryError
from .cpu.physical import OutOfPhysicalMemoryError
from .elf.file import ElfFile
from .errors import (
    ClosedError,
    DeadMachineError,
    EmulationError,
    EmupluginError,
    GoExit,
    Goexit,
    GoPanic,
    Interrupted,
    OpenError,
)
from .fatal import ANNOUNCEMENTS, fatal_error
from .python_calls import PythonCalls
from .runtime_shims.caller import Goexit as GoexitOutcome
from .runtime_shims.caller import Panic
from .runtime_shims.goruntime import CallResult
from .runtime_shims.kernel.kernel import (
    AllAsleepError,
    ExitError,
    Fatal,
    memory_limit_exceeded,
)
from .runtime_shims.program import Module, Outcome, Program
from .runtime_shims.traceback import render
from .runtime_shims.type_area import TypeArea
from .sandbox import Sandbox
from .values import Context
from .values.guest import ModuleTypes
from .values.panics import describe_panic

if TYPE_CHECKING:
    from .cpu.memory import Memory
    from .plugin import Plugin
    from .runtime_shims.callbacks import CallbackFrame
    from .runtime_shims.roots import Root
    from .values.guest import Root as KeptAlive

T = TypeVar("T")

_AS_PANIC = "raised again as a Go panic:\n"


class Machine:
    """One emulated process. The first plugin opened in it brings the Go runtime; further ones share
    it, as in a Go program that calls ``plugin.Open`` several times.

    A machine can be used from several Python threads; calls into it happen one after the other.
    Use it as a context manager, or :meth:`close` it, to free its memory at once.
    """

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        self.sandbox = sandbox or Sandbox()
        self._lock = threading.RLock()
        self._program: Program | None = None
        self._context: Context | None = None
        self._plugins: dict[str, Plugin] = {}
        self._failures: dict[str, OpenError] = {}
        self._death: BaseException | None = None
        self._closed = False
        self._captured_panic = False
        self.python_calls = PythonCalls(self)

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        paths = ", ".join(plugin.path for plugin in self._plugins.values())
        return f"<Machine: {self.state}{'; ' + paths if paths else ''}>"

    @property
    def state(self) -> str:
        """``empty``, ``running``, ``dead`` or ``closed``."""
        if self._closed:
            return "closed"
        if self._death is not None:
            return "dead"
        return "empty" if self._program is None else "running"

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The plugins opened in this machine, in order."""
        return tuple(self._plugins.values())

    def open(self, path: str | os.PathLike[str]) -> Plugin:
        """Open a Go plugin, as ``plugin.Open``: map it, boot the runtime if it is the first, run
        its init functions. Opening the same file again returns the same plugin.

        Raises OpenError and its kinds for files that cannot be opened, InitError (with the cause)
        when an init function fails; a failure is remembered and raised again.
        """
        from .opening import open_in

        with self._lock:
            self._check_alive()
            return open_in(self, os.fspath(path))

    def close(self) -> None:
        """Free everything. Plugins, symbols and values of this machine say so when used."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._context is not None:
                self._context.close()
            self._context = None
            program, self._program = self._program, None
            if program is not None:
                program.close()

    def interrupt(self) -> None:
        """End the call that runs in another thread: it raises Interrupted there.

        The function that it called panics at the place where it is and its deferred calls run, so
        that the plugin can be used further. If it waits, or gets nowhere within a tenth of a
        second, the machine is dead. The same happens on Ctrl-C, with KeyboardInterrupt.
        """
        program = self._program
        if program is not None and program.process.kernel.watchdog.running:
            self._interrupt(Interrupted("the call was interrupted"))

    def run_goroutines(self, seconds: float | None = None) -> None:
        """Let the plugin's goroutines run, which otherwise they do during calls only.

        With ``seconds`` for that long by the machine's clock: timers that end until then go off.
        Otherwise until all of them wait for something, and no time passes.
        """
        with self._lock:
            scheduling = self.context.scheduling
            if seconds is not None:
                scheduling.wait(lambda: False, seconds)
                return
            while scheduling.run_others():
                pass

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
    def method_entries(self) -> tuple[int, ...]:
        """The code of methods that are Python's, by number."""
        return self.program.runtime.stubs.methods

    @property
    def lock(self) -> threading.RLock:
        """Held by whoever uses the machine."""
        return self._lock

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
        with self._lock:
            program = self.program
            program.process.kernel.start_clock()
            program.roots.collect()
            outcome = self._guarded(
                lambda: program.call(entry, context, ints, floats, stack, stack_size)
            )
            if self.python_calls.unstoppable is not None:
                self._raise_unstoppable(outcome)
            return outcome if type(outcome) is CallResult else self._raise(outcome)

    def call_words(self, entry: int, closure: int, words: Sequence[int]) -> int:
        """Call Go code whose arguments are all integers in registers; its first integer result.

        Stack space for spilled arguments is there. Raises as :meth:`call`.
        """
        with self._lock:
            program = self._program
            if program is None or self._death is not None:
                program = self.program  # raises
            kernel = program.process.kernel
            if kernel.limited:
                kernel.start_clock()
            if program.roots.returned:
                program.roots.collect()
            try:
                outcome = program.caller.call_words(entry, closure, words)
            except BaseException as error:
                self._ended(error)
            if self.python_calls.unstoppable is not None:
                self._raise_unstoppable(outcome)
            return outcome if isinstance(outcome, int) else self._raise(outcome)

    def call_runtime(self, name: str, *ints: int) -> int:
        """Call ``runtime.NAME`` with integer arguments; its first integer result."""
        with self._lock:
            program = self.program
            outcome = self._guarded(lambda: program.call_runtime("runtime." + name, *ints))
            return outcome if isinstance(outcome, int) else self._raise(outcome)

    def malloc(self, size: int, type_address: int, zero: bool = True) -> int:
        """``runtime.mallocgc``: memory of the Go heap, freed when nothing refers to it."""
        return self.call_runtime("mallocgc", size, type_address, int(zero))

    def symbol(self, name: str) -> int | None:
        """The guest address of a linker symbol."""
        return self.program.symbol(name)

    def hold(self, address: int) -> Root:
        """Keep the heap object at ``address`` alive as long as the root is."""
        with self._lock:
            program = self.program
            return self._guarded(lambda: program.hold(address))

    def func_value(
        self,
        function: Callable[[CallbackFrame], None],
        dropped: Callable[[], None] | None = None,
    ) -> KeptAlive:
        """A Go func value that calls ``function`` with the registers and stack of each call. When
        Go has no more use for it, ``dropped`` is called."""
        with self._lock:
            return self.python_calls.func_value(function, dropped)

    def func_value_again(self, address: int) -> KeptAlive | None:
        """An earlier func value, rooted; None if Go has dropped it."""
        with self._lock:
            return self.python_calls.func_value_again(address)

    # --- inside -----------------------------------------------------------------------------

    @property
    def program(self) -> Program:
        """The running program; raises when the machine is dead, closed or empty."""
        if self._program is None or self._death is not None:
            self._check_alive()
            raise ClosedError("nothing was opened in this machine yet")
        return self._program

    @property
    def context(self) -> Context:
        """What all values of this machine share."""
        if self._context is None:
            self._context = Context(self)
        return self._context

    def start(self, file: ElfFile) -> Module:
        """Boot the machine with its first plugin."""
        program = self._guarded(lambda: Program(self.sandbox, file))
        program.on_fatal = self._on_fatal
        program.on_callback = self.python_calls.handle
        program.process.engine.on_interrupt = self._interrupt
        self._program = program
        return program.modules[0]

    def link(self, module: Module) -> None:
        """Make a further plugin part of the program."""
        program = self.program
        self._guarded(lambda: program.link(module))

    def opened(self, path: str) -> Plugin | None:
        """The plugin opened from a real path."""
        return self._plugins.get(path)

    def failure(self, path: str) -> OpenError | None:
        """What went wrong when a real path was opened, if that is remembered."""
        return self._failures.get(path)

    def remember(self, path: str, plugin: Plugin) -> None:
        self._plugins[path] = plugin

    def remember_failure(self, path: str, failure: OpenError) -> None:
        self._failures[path] = failure

    def run_inits(self, module: Module) -> None:
        """Run the init functions of a module that have not run."""
        program = self.program
        ended = self._guarded(lambda: program.run_inits(module))
        if ended is not None:
            self._raise(ended)

    def _check_alive(self) -> None:
        if self._closed:
            raise ClosedError("the plugin's machine was closed")
        if self._death is not None:
            reason = str(self._death).partition("\n")[0] or type(self._death).__name__
            raise DeadMachineError(
                f"the machine is dead: {reason}; open the plugin again"
            ) from self._death

    def _guarded(self, action: Callable[[], T]) -> T:
        """Run guest code; what ends the whole process ends the machine."""
        try:
            return action()
        except BaseException as error:
            self._ended(error)

    def _ended(self, error: BaseException) -> NoReturn:
        """The guest stopped in the middle of something, because of ``error``."""
        if isinstance(error, OpenError):
            raise error
        if isinstance(error, ExitError):
            self._die(self._fatal("") or GoExit(error.code))
        if isinstance(error, AllAsleepError):
            self._die(self._fatal("every thread waits, and nothing can wake them"))
        if isinstance(error, Fatal):
            where = f"pc={error.rip:#x}, address {error.address:#x}"
            self._die(self._fatal(f"signal {error.number} at {where}"))
        if isinstance(error, (NoMemoryError, OutOfPhysicalMemoryError)):
            error = memory_limit_exceeded(self.sandbox.limits.memory)
        if isinstance(error, GuestMemoryError):
            self._die(EmulationError(f"the runtime's data are corrupt: {error}"))
        # A broken limit, Ctrl-C, a bug of ours.
        self._death = error
        raise error

    def _die(self, error: EmupluginError | None) -> NoReturn:
        assert error is not None
        self._death = error
        raise error from None

    def _on_fatal(self, panic: bool) -> None:
        """The runtime starts to report why it gives up: keep what it prints for the exception."""
        kernel = self.program.process.kernel
        if kernel.stderr_capture is None:
            kernel.capture_stderr(ANNOUNCEMENTS)
            self._captured_panic = panic

    def _fatal(self, otherwise: str) -> EmupluginError | None:
        program = self._program
        text = ""
        if program is not None and program.process.kernel.stderr_capture is not None:
            text = program.process.kernel.stderr_capture.decode(errors="replace")
        if not text and not otherwise:
            return None
        return fatal_error(text or otherwise, panic=self._captured_panic)

    def _raise_unstoppable(self, outcome: Outcome | int) -> None:
        """Something is to end the outermost call, even if Go code has recovered from it: Ctrl-C,
        SystemExit in a callback, :meth:`interrupt`. Inner calls end with it when it is new, and if
        they panicked."""
        error, program = self.python_calls.unstoppable, self.program
        asked = program.interruption.error is not None
        program.interruption.end()
        if program.caller.enter_host is None:
            self.python_calls.unstoppable = None
        elif not asked and not isinstance(outcome, Panic):
            return
        if error is not None:
            if isinstance(outcome, Panic):
                error.add_note(_AS_PANIC + self._trace(outcome))
            raise error

    def _interrupt(self, error: BaseException) -> None:
        program = self._program
        if program is not None:
            self.python_calls.unstoppable = error
            program.interruption.request(error)

    def _trace(self, outcome: Panic | GoexitOutcome) -> str:
        goroutine = self.program.runtime.get_at(self.program.caller.g, "runtime.g", "goid")
        return render(goroutine, outcome.frames)

    def _raise(self, outcome: Outcome) -> NoReturn:
        assert not isinstance(outcome, CallResult)
        trace = self._trace(outcome)
        if isinstance(outcome, Panic):
            exception = self.python_calls.exception(outcome.value)
            if exception is not None:
                exception.add_note(_AS_PANIC + trace)
                raise exception
            text = describe_panic(self.context, outcome.value.type, outcome.printed)
            raise GoPanic(text.text, text.type, trace)
        raise Goexit(trace)
