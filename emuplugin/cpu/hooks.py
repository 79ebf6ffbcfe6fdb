"""Observers inside of the processor: what the guest does at chosen places, told while it runs.

The engine puts calls into the code that it translates, and only where somebody asked for them: all
other code is as fast as ever, and so is everything once the hooks are gone. Hooks come and go
between runs; what was translated is thrown away then.

There are no hooks for blocks: with them a translated block no longer begins with the question
whether to stop, which is where instructions are counted (see :mod:`stops`).

An observer may look at registers and memory and must not change them. What it raises ends the run
and is raised by :meth:`Engine.run`, as with system calls.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from itertools import pairwise
from struct import Struct

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from . import registers as reg
from .code_counts import CodeCounts
from .engine import Engine
from .host_code import HostCodeError
from .mark_filter import MarkFilter
from .registers import Batch

#: So many places may have a hook each: the engine looks through all of them for each instruction
#: that it translates, and again whenever one of them is reached.
FEW = 48
#: Places further apart than this do not share a range in which each instruction is looked at.
_NEAR = 1 << 12
_MOST_RANGES = 32

# uc_ctl's control word: the request, two arguments, both ways (unicorn.h: UC_CTL_READ_WRITE).
_CTL_BLOCK = ctypes.c_int(unicorn.UC_CTL_TB_REQUEST_CACHE | 2 << 26 | 3 << 30)
_AT = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
# Engine, type, physical address, size, value; the user data behind them go unused.
_ACCESS = ctypes.CFUNCTYPE(
    None, ctypes.c_size_t, ctypes.c_int, ctypes.c_uint64, ctypes.c_int, ctypes.c_uint64
)
_ACCESS_RECORD = Struct("<QiQiQ")


class _BlockInfo(ctypes.Structure):
    """``uc_tb``."""

    _fields_ = (("pc", ctypes.c_uint64), ("icount", ctypes.c_uint16), ("size", ctypes.c_uint16))


class Points:
    """Places that an action is called at; more can be added while the hooks are there."""

    def __init__(self, marked: Sequence[MarkFilter], also: set[int] | None) -> None:
        self._marked = marked
        self._also = also

    def add(self, address: int) -> None:
        """One more place, in a range that the points were made for; others are ignored."""
        if self._also is not None:
            self._also.add(address)
        for marks in self._marked:
            if marks.start <= address < marks.end:
                marks.add(address)


class Hooks:
    """The hooks of one observer or several. They take effect together, with :meth:`attach`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._wanted: list[tuple[int, int, int, int, int]] = []
        self._attached: list[int] = []
        self._keep: list[object] = []
        self._blocks: dict[int, int] = {}

    # --- what to observe --------------------------------------------------------------------

    def at(self, addresses: Iterable[int], action: Callable[[], None]) -> None:
        """Call ``action`` before each instruction at one of a few ``addresses``. The registers,
        RIP too, are those of that moment."""
        function = self._function(action)
        for address in addresses:
            self._wanted.append((unicorn.UC_HOOK_CODE, address, address, function, 0))

    def points(
        self,
        addresses: Iterable[int],
        action: Callable[[], None],
        ranges: Sequence[tuple[int, int]] | None = None,
    ) -> Points:
        """Call ``action`` before each instruction at one of ``addresses``, however many they are.

        With ``ranges``, pairs of a first address and the one behind the last, places within them
        can be added later. Each instruction of the ranges then costs a few of the host's more.
        """
        places = sorted(set(addresses))
        if ranges is None and len(places) <= FEW:
            self.at(places, action)
            return Points((), None)
        if ranges is None:
            ranges = clusters(places)
        try:
            function = self._function(action)
            marked = [MarkFilter(start, end, function) for start, end in ranges]
        except HostCodeError:
            also = set(places)
            self.code(ranges, partial(self._if_in, also, self._engine.batch(reg.RIP), action))
            return Points((), also)
        points = Points(marked, None)
        for marks in marked:
            self._keep.append(marks)
            self._wanted.append(
                (unicorn.UC_HOOK_CODE, marks.start, marks.end - 1, marks.function, marks.cells)
            )
        for place in places:
            points.add(place)
        return points

    def code(self, ranges: Iterable[tuple[int, int]], action: Callable[[], None]) -> None:
        """Call ``action`` before each instruction in ``ranges``."""
        function = self._function(action)
        for start, end in ranges:
            self._wanted.append((unicorn.UC_HOOK_CODE, start, end - 1, function, 0))

    def count(self, ranges: Iterable[tuple[int, int]]) -> list[CodeCounts]:
        """Count how often each instruction in ``ranges`` runs."""
        found = []
        for start, end in ranges:
            counts = CodeCounts(start, end)
            function = counts.function
            if not function:
                rip = self._engine.batch(reg.RIP)
                function = self._function(partial(self._count, counts, rip))
            self._keep.append(counts)
            self._wanted.append((unicorn.UC_HOOK_CODE, start, end - 1, function, counts.cells))
            found.append(counts)
        return found

    def accesses(
        self,
        start: int,
        end: int,
        action: Callable[[bool, int, int, int], None],
        *,
        reads: bool = True,
        writes: bool = True,
    ) -> None:
        """Call ``action(write, address, size, value)`` before each access that begins in the
        *physical* addresses ``[start, end)``; of a read the value is 0. RIP is the instruction's.
        An access of 16 bytes is told as two."""
        # Two functions, because Python raises KeyboardInterrupt first thing in a function that has
        # more than one argument: the first keeps the arguments, and is no Python code.
        record = bytearray(_ACCESS_RECORD.size)
        keep = _ACCESS(partial(_ACCESS_RECORD.pack_into, record, 0))

        def tell() -> None:
            _, kind, address, size, value = _ACCESS_RECORD.unpack_from(record)
            action(kind == unicorn.UC_MEM_WRITE, address, size, value)

        self._keep.append(keep)
        first = ctypes.cast(keep, ctypes.c_void_p).value or 0
        for function in (first, self._function(tell)):
            for wanted, kind in (
                (reads, unicorn.UC_HOOK_MEM_READ),
                (writes, unicorn.UC_HOOK_MEM_WRITE),
            ):
                if wanted:
                    self._wanted.append((kind, start, end - 1, function, 0))

    # --- attaching --------------------------------------------------------------------------

    def attach(self) -> None:
        """Begin to observe. Only between runs."""
        engine = self._engine
        engine.observe(self, on=bool(self._wanted))
        for kind, begin, end, function, data in self._wanted:
            hook = ctypes.c_size_t()
            error = uclib.uc_hook_add(
                engine.handle,
                ctypes.byref(hook),
                ctypes.c_int(kind),
                ctypes.c_void_p(function),
                ctypes.c_void_p(data),
                ctypes.c_uint64(begin),
                ctypes.c_uint64(end),
            )
            if error:
                self.detach()
                raise unicorn.UcError(error)
            self._attached.append(hook.value)
        if self._attached:
            self._flush()

    def detach(self) -> None:
        """Observe nothing any more. Only between runs."""
        if self._attached and not self._engine.closed:
            for hook in self._attached:
                uclib.uc_hook_del(self._engine.handle, ctypes.c_size_t(hook))
            self._engine.settle()
            self._engine.observe(self, on=False)
            self._flush()
        self._attached.clear()
        self._wanted.clear()

    def _flush(self) -> None:
        self._engine.space.flush_code()
        self._engine.space.flush_tlb()

    # --- where in time ----------------------------------------------------------------------

    def block_length(self, pc: int) -> int:
        """Instructions of the translated block that begins at ``pc``, where the guest is now."""
        known = self._blocks.get(pc)
        if known is None:
            info = _BlockInfo()
            error = uclib.uc_ctl(
                self._engine.handle, _CTL_BLOCK, ctypes.c_uint64(pc), ctypes.byref(info)
            )
            if error:
                raise unicorn.UcError(error)
            known = self._blocks[pc] = info.icount
        return known

    def executed_before(self, pc: int) -> int:
        """How many instructions ran before the one at ``pc``, where the guest is now and a block
        begins: the whole block counts as soon as it is entered."""
        stops = self._engine.stops
        return stops.executed - self.block_length(pc) if stops.exact else stops.executed

    # --- inside -----------------------------------------------------------------------------

    def _function(self, action: Callable[[], None]) -> int:
        """The address of a C function that calls ``action``."""
        calls = self._calls(action)
        next(calls)
        function = _AT(calls.send)
        self._keep.append(function)
        return ctypes.cast(function, ctypes.c_void_p).value or 0

    def _calls(self, action: Callable[[], None]) -> Generator[None, int, None]:
        """A generator for the reason that :meth:`Engine._system_calls` is one."""
        engine = self._engine
        while True:
            try:
                while True:
                    yield
                    try:
                        action()
                    except KeyboardInterrupt as interrupt:
                        engine.interrupted(interrupt)
                    except BaseException as exception:
                        engine.end_with(exception)
            except KeyboardInterrupt as interrupt:
                engine.interrupted(interrupt)

    @staticmethod
    def _count(counts: CodeCounts, rip: Batch) -> None:
        counts.count(rip.load()[0])

    @staticmethod
    def _if_in(places: set[int], rip: Batch, action: Callable[[], None]) -> None:
        if rip.load()[0] in places:
            action()


def clusters(places: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges that hold all ``places``, which are in order: few, and without wide gaps."""
    gaps = sorted(after - before for before, after in pairwise(places))
    near = max(_NEAR, gaps[-_MOST_RANGES] if len(gaps) > _MOST_RANGES else 0)
    found: list[tuple[int, int]] = []
    for place in places:
        if found and place - found[-1][1] < near:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found
