"""How a run of the guest ended, as Python exceptions."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NoReturn

from .cpu.address_space import NoMemoryError
from .cpu.memory import GuestMemoryError
from .cpu.physical import OutOfPhysicalMemoryError
from .errors import (
    EmulationError,
    EmupluginError,
    GoExit,
    Goexit,
    GoPanic,
    GoroutinePanic,
    OpenError,
)
from .fatal import ANNOUNCEMENTS, fatal_error
from .runtime_shims.caller import Goexit as GoexitOutcome
from .runtime_shims.caller import Panic
from .runtime_shims.goruntime import CallResult
from .runtime_shims.kernel.kernel import (
    AllAsleepError,
    ExitError,
    Fatal,
    memory_limit_exceeded,
)
from .runtime_shims.kernel.signals import NAMES
from .runtime_shims.program import Outcome
from .runtime_shims.traceback import render
from .values.panics import describe_panic

if TYPE_CHECKING:
    from .life import Life

# What code of ours raises that meets data of the runtime's which cannot be.
_INTERNAL = (LookupError, ArithmeticError, AssertionError, MemoryError, struct.error)
_AS_PANIC = "raised again as a Go panic:\n"


class Outcomes:
    """The exceptions of one life of a machine."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._captured_panic = False

    def ended(self, error: BaseException) -> NoReturn:
        """The guest stopped in the middle of something, because of ``error``: the machine dies,
        unless it has not lived yet."""
        if isinstance(error, OpenError):
            raise error
        if isinstance(error, ExitError):
            self._die(self._fatal("") or GoExit(error.code))
        if isinstance(error, AllAsleepError):
            self._die(self._fatal("every thread waits, and nothing can wake them"))
        if isinstance(error, Fatal):
            name = NAMES.get(error.number, f"signal {error.number}")
            where = f"{name} at pc={error.rip:#x}, address {error.address:#x}"
            self._die(self._fatal(f"killed by {name}" if error.sent else where))
        if isinstance(error, (NoMemoryError, OutOfPhysicalMemoryError)):
            error = memory_limit_exceeded(self._life.sandbox.limits.memory)
        if isinstance(error, GuestMemoryError):
            self._die(EmulationError(f"the runtime's data are corrupt: {error}"))
        if isinstance(error, RecursionError):
            self._die(EmulationError("Go and Python have called each other too deeply"))
        if isinstance(error, _INTERNAL) and self._life.death is None and not self._foreign(error):
            text = f"{type(error).__name__}: {error}"
            failure = EmulationError(f"the guest is in a state that makes no sense ({text})")
            failure.__cause__ = error
            self._die(failure)
        # A broken limit, Ctrl-C, a stream of Python's that failed, a bug of ours.
        self._life.death = error
        raise error

    def _foreign(self, error: BaseException) -> bool:
        """Whether one of the sandbox's streams raised it."""
        program = self._life.booted
        return program is not None and program.process.kernel.standard.error is error

    def _die(self, error: EmupluginError | None) -> NoReturn:
        assert error is not None
        self._life.death = error
        if isinstance(error, GoroutinePanic):
            error.__cause__ = self._life.python_calls.panicked(error.message)
        raise error from error.__cause__

    def on_fatal(self, panic: bool) -> None:
        """The runtime starts to report why it gives up: keep what it prints for the exception."""
        kernel = self._life.program.process.kernel
        if kernel.standard.captured is None:
            kernel.standard.capture_stderr(ANNOUNCEMENTS)
            self._captured_panic = panic

    def _fatal(self, otherwise: str) -> EmupluginError | None:
        program = self._life.booted
        text = ""
        if program is not None and program.process.kernel.standard.captured is not None:
            text = program.process.kernel.standard.captured.decode(errors="replace")
        if not text and not otherwise:
            return None
        return fatal_error(text or otherwise, panic=self._captured_panic)

    def raise_unstoppable(self, outcome: Outcome | int) -> None:
        """Something is to end the outermost call, even if Go code has recovered from it: Ctrl-C,
        SystemExit in a callback, an interruption. Inner calls end with it when it is new, and if
        they panicked."""
        calls, program = self._life.python_calls, self._life.program
        error = calls.unstoppable
        asked = program.interruption.error is not None
        program.interruption.end()
        if program.caller.enter_host is None:
            calls.unstoppable = None
        elif not asked and not isinstance(outcome, Panic):
            return
        if error is not None:
            if isinstance(outcome, Panic):
                error.add_note(_AS_PANIC + self._trace(outcome))
            raise error

    def raise_from(self, outcome: Outcome) -> NoReturn:
        """Raise what a call ended with that did not return."""
        assert not isinstance(outcome, CallResult)
        trace = self._trace(outcome)
        if isinstance(outcome, Panic):
            exception = self._life.python_calls.exception(outcome.value)
            if exception is not None:
                exception.add_note(_AS_PANIC + trace)
                raise exception
            text = describe_panic(self._life.context, outcome.value.type, outcome.printed)
            raise GoPanic(text.text, text.type, trace)
        raise Goexit(trace)

    def _trace(self, outcome: Panic | GoexitOutcome) -> str:
        program = self._life.program
        goroutine = program.runtime.get_at(program.caller.g, "runtime.g", "goid")
        return render(goroutine, outcome.frames)
