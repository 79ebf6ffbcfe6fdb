"""Stops by code of ours in every block of translated code (:mod:`counting_code`)."""

from __future__ import annotations

import ctypes
import mmap

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from emuplugin.private_memory import private_memory

from .accelerators import accelerator_code
from .counting_code import (
    CELL,
    CODE_AT,
    MAX_INLINE,
    PATCHER,
    QUANTUM,
    STUBS,
    TABLE_ENTRIES,
    Cells,
    counting_code,
)
from .engine_internals import Internals
from .helper_code import ORIGINALS, HelperCode, helper_code
from .host_code import HostCode, HostCodeError

# How far behind the cursor a new block is looked for: more than any block takes.
_WINDOW = 1 << 20
# How far a direct call reaches.
_DIRECT = 1 << 31
_EMU_STOP = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value or 0
_PAGE = 4096
# Nanoseconds that the time-stamp counter can tell: 146 years. Guests sleep longer than that.
_AGE = 1 << 62


class CountedStops:
    """Stops by code of ours in every block."""

    exact = True

    def __init__(
        self, uc: unicorn.Uc, internals: Internals, block: int, asked: int, buffer_size: int
    ) -> None:
        self._handle = uc._uch
        _, places, found = internals
        assert places is not None
        far = abs(asked - block) > _DIRECT + buffer_size
        helpers = helper_code(places.code, found) if found and far else None
        accelerators = accelerator_code(places.code, found) if found and far else None
        content = counting_code(places)
        for more in (helpers, accelerators):
            if more is not None:
                content += more.content
        size = CODE_AT + len(content)
        # A block calls a helper that is near directly, and then a stub must be near as well.
        # Where the code is near, the counting fits into the blocks.
        inline = MAX_INLINE
        try:
            self._code = HostCode(size, CODE_AT, block)
        except HostCodeError:
            if not far:
                raise
            self._code = HostCode(size, CODE_AT, None)
            inline = 0
        base = self._code.address
        self._cells = cells = Cells.from_address(base)
        # The first block of an engine lies at the start of the buffer, in its first page.
        start = block & -_PAGE
        cells.emu_stop, cells.engine, cells.helper = _EMU_STOP, self._handle.value, asked
        cells.start = cells.cursor = start
        cells.window, cells.end = _WINDOW, start + buffer_size
        cells.stubs, cells.inline, cells.quantum = base + STUBS, inline, QUANTUM
        cells.table = cells.table_end = base + CELL["spare"]
        self._table: mmap.mmap | None = None
        # Whether the counts have never been set back: no more has run than they say.
        self._fresh = True
        if helpers is not None:
            self._replace(helpers)
        self._expired = False
        self._tick = self._beyond = 0
        self._accelerators = 0
        if accelerators is not None and inline:
            self._accelerators = base + accelerators.table
            cells.match = base + accelerators.match
        ctypes.memmove(base + CODE_AT, content, len(content))
        self._code.seal()
        hook = ctypes.c_size_t()
        error = uclib.uc_hook_add(
            self._handle,
            ctypes.byref(hook),
            ctypes.c_int(unicorn.UC_HOOK_EDGE_GENERATED),
            ctypes.c_void_p(base + PATCHER),
            ctypes.c_void_p(base),
            ctypes.c_uint64(1),  # begin > end: everywhere
            ctypes.c_uint64(0),
        )
        if error:
            self._code.close()
            raise unicorn.UcError(error)

    def _replace(self, helpers: HelperCode) -> None:
        cells = self._cells
        for pair, original, entry in zip(cells.pairs, ORIGINALS, helpers.entries, strict=False):
            pair[0], pair[1] = original, self._code.address + entry
        cells.low, cells.span = min(ORIGINALS), max(ORIGINALS) - min(ORIGINALS)
        size = 16 * TABLE_ENTRIES
        self._table = private_memory(size)  # nobody has touched it: few need all of it
        cells.table = ctypes.addressof(ctypes.c_char.from_buffer(self._table))
        cells.table_end = cells.table + size
        self._no_key()

    @property
    def executed(self) -> int:
        cells = self._cells
        done: int = cells.until - cells.remaining - cells.reserve
        return done

    @property
    def left_at(self) -> int:
        address: int = self._code.address + CELL["left"]
        return address

    def accelerate(self, memory: int, tables: int) -> None:
        self._cells.physical, self._cells.root = memory, tables
        self._cells.known = self._accelerators if memory else 0

    @property
    def missed(self) -> int:
        """Blocks that count nothing, because they did not look as expected."""
        count: int = self._cells.missed
        return count

    def arm(self, instructions: int) -> None:
        self._cells.until = self.executed + instructions
        self._provide(instructions)

    def _provide(self, instructions: int) -> None:
        cells = self._cells
        cells.remaining = min(instructions, QUANTUM)
        cells.reserve = instructions - cells.remaining

    @property
    def passed(self) -> int:
        nanoseconds: int = self._cells.passed
        return self._beyond + nanoseconds

    @passed.setter
    def passed(self, nanoseconds: int) -> None:
        self._cells.passed = nanoseconds % _AGE
        self._beyond = nanoseconds - self._cells.passed
        self._cells.tick = 0 if self._beyond else self._tick

    def tell_time(self, tick: int) -> bool:
        if self._table is None:
            return False
        self._tick = self._cells.tick = tick
        return True

    def keep(self) -> tuple[int, int, int]:
        executed = self.executed
        return executed, self._cells.until - executed, self.passed

    def show(self, kept: tuple[int, int, int]) -> None:
        executed, remaining, self.passed = kept
        self._fresh = False
        self._cells.until = executed + remaining
        self._expired = False
        self._cells.left = self._cells.requested = 0
        self._provide(remaining)

    def request(self) -> None:
        self._cells.requested = 1
        if self._cells.missed:
            uclib.uc_emu_stop(self._handle)

    def request_at_once(self) -> None:
        cells = self._cells
        cells.reserve += cells.remaining
        cells.remaining = 0
        self.request()

    def trapped(self) -> None:
        cells = self._cells
        if cells.left:
            cells.left = 0
            cells.remaining -= 1

    def take(self) -> bool:
        cells = self._cells
        left, cells.left = cells.left, 0
        if not left and not cells.missed:
            return self._expired  # it has ended by itself: a request is for the next run
        if cells.requested:
            cells.requested = 0
            return True
        if left:
            self._expired = True
        return self._expired

    def withdraw(self) -> None:
        self._cells.left = self._cells.requested = 0

    def take_expired(self) -> bool:
        expired, self._expired = self._expired, False
        return expired

    def lapse(self) -> None:
        """Nothing: instructions are counted."""

    def forget(self) -> None:
        cells = self._cells
        ran = self.executed or cells.missed or not self._fresh
        if ran and self._table is not None:
            ctypes.memset(cells.table, 0, len(self._table))
            self._no_key()

    def _no_key(self) -> None:
        """Nothing is the key in the first place: that of 0 is the next."""
        ctypes.c_uint64.from_address(self._cells.table).value = 1

    def flushed(self) -> None:
        self._cells.cursor = self._cells.start
        self.forget()

    def close(self) -> None:
        self._code.close()
