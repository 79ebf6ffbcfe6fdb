"""How often each instruction of a range runs, counted without Python where that can be.

On x86-64 hosts the engine calls a few bytes of machine code in front of each instruction, which add
one to a number in a table that has a place for each address. Most of its memory is never touched,
so it costs nothing.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from functools import cache

from .host_code import HostCode, HostCodeError, is_supported, placed
from .listing import assemble

# The hook's arguments: engine, address, size, and where the table lies minus the range's first
# address times the size of a place.
UNIX = """
    48ff04f1     | inc qword ptr [rcx + rsi*8]
    c3           | ret
"""
WINDOWS = """
    49ff04d1     | inc qword ptr [r9 + rdx*8]
    c3           | ret
"""
_CHUNK = 1 << 13


class CodeCounts:
    """Counts of the instructions in ``[start, end)``. Iterating gives (address, count) of those
    that have run, in order. ``function`` and ``cells`` are the hook and its data; 0 where Python
    has to count, with :meth:`count`."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.function = self.cells = 0
        self._counted: dict[int, int] = {}
        if not is_supported():
            return
        try:
            self.function = _counting_code().code
        except HostCodeError:
            return
        self._counts = (ctypes.c_uint64 * (end - start))()
        self.cells = (ctypes.addressof(self._counts) - 8 * start) & ((1 << 64) - 1)

    def count(self, address: int) -> None:
        """An instruction runs once more."""
        self._counted[address] = self._counted.get(address, 0) + 1

    def __iter__(self) -> Iterator[tuple[int, int]]:
        yield from sorted(self._counted.items())
        if not self.function:
            return
        counts = memoryview(self._counts).cast("B").cast("Q")
        empty = bytes(8 * _CHUNK)
        for first in range(0, len(counts), _CHUNK):
            chunk = counts[first : first + _CHUNK]
            if chunk.tobytes() == empty[: 8 * len(chunk)]:
                continue
            for at, count in enumerate(chunk):
                if count:
                    yield self.start + first + at, count


@cache
def _counting_code() -> HostCode:
    """The code; one copy serves all tables."""
    listing = WINDOWS if sys.platform == "win32" else UNIX
    return placed(assemble(listing, 0, {}, {}))
