"""Calls of one function whose arguments and results all travel in registers: the fast way.

Everything that is the same for each call is prepared once.
"""

from __future__ import annotations

from struct import Struct, error
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .cpu.crossing import RESULTS
from .runtime_shims.caller import Returned
from .runtime_shims.goruntime import FLOAT_REGISTERS, INTEGER_REGISTERS
from .values.guest import Travel

if TYPE_CHECKING:
    from .life import Life
    from .runtime_shims.program import Program

_RESULTS_AT = 8 * RESULTS
_WORD = 8


class DirectCall:
    """See :class:`emuplugin.values.guest.DirectCall`. A program that begins anew, after a reset,
    is found out before the call."""

    __slots__ = (
        "_begin",
        "_caller",
        "_closure",
        "_crossing",
        "_entry",
        "_life",
        "_pack",
        "_program",
        "_roots",
        "_travel",
        "_unpack",
    )

    def __init__(self, life: Life, entry: int, closure: int, arguments: Travel, results: Travel):
        self._life, self._entry, self._closure = life, entry, closure
        self._travel = arguments, results
        self._pack = Struct(arguments.format).pack_into
        self._unpack = Struct(results.format).unpack_from
        self._bind(life.program)

    def _bind(self, program: Program) -> None:
        self._program = program
        self._caller = caller = program.caller
        allowance = program.process.kernel.allowance
        # A call from inside another one has a share in that one's.
        self._begin = allowance.begin if allowance.limited else None
        self._roots = program.roots
        inputs, outputs = map(_registers, self._travel)
        self._crossing = caller.crossing(self._entry, inputs, outputs)
        self._crossing.arguments[0] = self._closure

    def __call__(self, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        life, caller = self._life, self._caller
        lock = life.lock
        try:
            # A ``with`` takes longer than the run of a small function.
            lock.acquire()
            if life.booted is not self._program or life.death is not None:
                self._bind(life.program)  # raises, if it died or was closed
                caller = self._caller
            if self._roots.returned:
                self._roots.collect()
            if self._begin is not None and caller.enter_host is None:
                self._begin()
            caller.prepare()
            crossing = self._crossing
            try:
                self._pack(crossing.arguments, _WORD, *values)
            except (error, OverflowError):
                return None
            before, start, entered = life.host_seconds, perf_counter(), caller.entered
            try:
                ended = caller.cross(crossing)
            except BaseException as ending:
                if isinstance(ending, RecursionError) and caller.entered == entered:
                    raise  # the guest was not even asked
                life.outcomes.ended(ending)
            finally:
                life.host_seconds = before + perf_counter() - start
            if ended is not None or life.python_calls.unstoppable is not None:
                self._take(ended)
            return self._unpack(crossing.results, _RESULTS_AT)
        finally:
            # If Ctrl-C has come while it waited for the lock, there is nothing to release.
            if lock._is_owned():  # type: ignore[attr-defined]
                lock.release()

    def _take(self, ended: Any) -> None:
        """Something was unusual. Raises it, if it was not only that others ran meanwhile."""
        life, returned = self._life, isinstance(ended, Returned)
        if life.python_calls.unstoppable is not None:
            life.outcomes.raise_unstoppable(0 if returned or ended is None else ended)
        if ended is None:
            return
        if not returned:
            life.outcomes.raise_from(ended)
        results, at = self._crossing.results, RESULTS
        for register, is_float in self._travel[1].registers:
            results[at] = (ended.floats if is_float else ended.ints)[register]
            at += 2 if is_float else 1


def _registers(travel: Travel) -> list[int]:
    return [
        (FLOAT_REGISTERS if is_float else INTEGER_REGISTERS)[register]
        for register, is_float in travel.registers
    ]
