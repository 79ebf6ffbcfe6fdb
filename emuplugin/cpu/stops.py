"""Ends of runs that the host decides: on request, or when a number of instructions have run.

On hosts with an x86-64 processor each block of translated code counts itself and looks whether it
should stop, in a few instructions of ours (:mod:`counting_code`); that is exact, repeats, and
costs less than the engine's own question. Elsewhere the engine is asked to stop, and instructions
are estimated: see :meth:`Stops.lapse`.
"""

from __future__ import annotations

import ctypes
import warnings
from typing import Protocol

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from .counting_code import CODE_AT, ZERO_ARGUMENT, Cells, counting_code
from .engine_internals import helper_called, last_block, translations
from .host_code import HostCode, HostCodeError, is_supported

# How far behind the cursor a new block is looked for: more than any block takes.
_WINDOW = 1 << 20
# How far a direct call reaches.
_DIRECT = 1 << 31
_EMU_STOP = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value or 0
_PAGE = 4096


class Stops(Protocol):
    """``exact``: whether instructions are counted rather than estimated."""

    exact: bool

    @property
    def executed(self) -> int:
        """Instructions that have run, as far as that is known between runs."""

    def arm(self, instructions: int) -> None:
        """Stop before the block with which more than ``instructions`` would have run from now."""

    def request(self) -> None:
        """Stop the run that is on, or the next, before its next block. Any thread may ask."""

    def take(self) -> bool:
        """Whether a stop was due; from now on it no longer is."""

    def take_expired(self) -> bool:
        """Whether the armed number of instructions was used up; see :meth:`arm`."""

    def trapped(self) -> None:
        """The run has ended at a trap: its one instruction counts, though a stop may have come
        before it."""

    def lapse(self) -> None:
        """Some time has passed: called now and then by whoever keeps the host's time."""

    def flushed(self) -> None:
        """All translations were thrown away."""

    def close(self) -> None:
        """The engine is gone."""


def stops(uc: unicorn.Uc, buffer_size: int) -> Stops:
    """The best way to stop ``uc``, which has run one block and has ``buffer_size`` bytes for
    translations."""
    places = translations() if is_supported() else None
    if places is not None:
        block = last_block(uc, places)
        helper = helper_called(block, places, ZERO_ARGUMENT) if block else 0
        if helper:
            try:
                return _CountedStops(uc, block, helper, buffer_size)
            except HostCodeError as error:
                warnings.warn(
                    f"instructions are estimated, and runs do not repeat: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
    return _EstimatedStops(uc)


class _CountedStops:
    """Stops by code of ours in every block."""

    exact = True

    def __init__(self, uc: unicorn.Uc, block: int, helper: int, buffer_size: int) -> None:
        places = translations()
        assert places is not None
        code = counting_code(places)
        # A block calls a helper that is near directly, and then a stub must be near as well.
        far = abs(helper - block) > _DIRECT + buffer_size
        self._code = HostCode(CODE_AT + len(code.content), CODE_AT, None if far else block)
        base = self._code.address
        self._cells = cells = Cells.from_address(base)
        # The first block of an engine lies at the start of the buffer, in its first page.
        start = block & -_PAGE
        cells.emu_stop, cells.helper = _EMU_STOP, helper
        cells.start = cells.cursor = start
        cells.window, cells.end = _WINDOW, start + buffer_size
        cells.stubs = base + code.stubs
        self._until = 0
        ctypes.memmove(base + CODE_AT, code.content, len(code.content))
        self._code.seal()
        hook = ctypes.c_size_t()
        error = uclib.uc_hook_add(
            uc._uch,
            ctypes.byref(hook),
            ctypes.c_int(unicorn.UC_HOOK_EDGE_GENERATED),
            ctypes.c_void_p(base + code.patcher),
            ctypes.c_void_p(base),
            ctypes.c_uint64(1),  # begin > end: everywhere
            ctypes.c_uint64(0),
        )
        if error:
            self._code.close()
            raise unicorn.UcError(error)
        self._handle = uc._uch

    @property
    def executed(self) -> int:
        done: int = self._until - self._cells.remaining
        return done

    @property
    def missed(self) -> int:
        """Blocks that count nothing, because they did not look as expected."""
        count: int = self._cells.missed
        return count

    def arm(self, instructions: int) -> None:
        self._until = self.executed + instructions
        self._cells.remaining = instructions

    def request(self) -> None:
        self._cells.requested = 1
        if self._cells.missed:
            uclib.uc_emu_stop(self._handle)

    def trapped(self) -> None:
        cells = self._cells
        if cells.left:
            cells.left = 0
            cells.remaining -= 1

    def take(self) -> bool:
        cells = self._cells
        cells.left = 0
        if cells.requested:
            cells.requested = 0
            return True
        return bool(cells.expired)

    def take_expired(self) -> bool:
        cells = self._cells
        if cells.expired:
            cells.expired = 0
            return True
        return False

    def lapse(self) -> None:
        """Nothing: instructions are counted."""

    def flushed(self) -> None:
        self._cells.cursor = self._cells.start

    def close(self) -> None:
        self._code.close()


class _EstimatedStops:
    """Stops as the engine offers them. What was armed counts as executed when time lapses."""

    exact = False

    def __init__(self, uc: unicorn.Uc) -> None:
        self._handle = uc._uch
        self._requested = self._expired = False
        self._until = self._remaining = 0

    @property
    def executed(self) -> int:
        return self._until - self._remaining

    def arm(self, instructions: int) -> None:
        self._until = self.executed + instructions
        self._remaining = instructions

    def request(self) -> None:
        self._requested = True
        uclib.uc_emu_stop(self._handle)

    def trapped(self) -> None:
        """Nothing is counted."""

    def take(self) -> bool:
        due, self._requested = self._requested or self._expired, False
        return due

    def take_expired(self) -> bool:
        expired, self._expired = self._expired, False
        return expired

    def lapse(self) -> None:
        self._remaining = 0
        self._expired = True

    def flushed(self) -> None:
        """Nothing depends on where translations are."""

    def close(self) -> None:
        """There is nothing to free."""
