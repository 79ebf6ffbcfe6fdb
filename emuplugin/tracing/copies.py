"""Machine code by source line: the copies that the compiler made of each function's lines.

A function is compiled once for itself, and again wherever it is inlined; a generic one once for
every shape of its type arguments.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, Generic, NamedTuple, TypeVar

from emuplugin.elf.pclntab import Func

T = TypeVar("T")

OWN: Final = -1
"""The copy of a function that is its own, as against inlined calls in it, which count from 0."""


class Block(NamedTuple):
    """A block of code without branches inside: its ``size`` in bytes and how often it ran."""

    size: int
    times: int


class Counts:
    """How often the instruction at an address has run: the sum of the blocks over it, which
    overlap where a jump led into the middle of one."""

    def __init__(self, blocks: Mapping[int, Block]) -> None:
        changes: dict[int, int] = {}
        for start, (size, count) in blocks.items():
            changes[start] = changes.get(start, 0) + count
            changes[start + size] = changes.get(start + size, 0) - count
        self._blocks = sorted(blocks)
        self._starts = sorted(changes)
        self._counts = list(accumulate(changes[start] for start in self._starts))

    def at(self, address: int) -> int:
        """How often the instruction that begins at ``address`` ran."""
        at = bisect_right(self._starts, address) - 1
        return self._counts[at] if at >= 0 else 0

    def last_block(self, start: int, end: int) -> int | None:
        """Where the last block that begins in ``[start, end)`` begins."""
        at = bisect_right(self._blocks, end - 1) - 1
        return self._blocks[at] if at >= 0 and self._blocks[at] >= start else None

    def most(self, start: int, end: int) -> int:
        """The most that any instruction in ``[start, end)`` ran."""
        first = max(bisect_right(self._starts, start) - 1, 0)
        last = bisect_right(self._starts, end - 1)
        return max(self._counts[first:last], default=0)


class Stretch(NamedTuple):
    """Code of one place: ``copy`` tells inlined calls apart, -1 for the function's own."""

    start: int
    end: int
    file: str
    line: int
    copy: int


def stretches(function: Func) -> Iterator[Stretch]:
    """The code of a function by place, in order; a walk over its tables."""
    files = _Cursor(function.files(), "")
    copies = _Cursor(function.inline_indices(), -1)
    for start, end, line in function.lines():
        here = start
        while here < end:
            file, file_end = files.at(here, end)
            copy, copy_end = copies.at(here, end)
            stop = min(end, file_end, copy_end)
            yield Stretch(here, stop, file, line, copy)
            here = stop


class _Cursor(Generic[T]):
    """Ranges of addresses with values, asked for in ascending order."""

    def __init__(self, ranges: Iterator[tuple[int, int, T]], nothing: T) -> None:
        self._ranges = ranges
        self._nothing = nothing
        self._now = next(ranges, None)

    def at(self, address: int, end: int) -> tuple[T, int]:
        """The value at an address, and where it ends; at ``end``, if there is none."""
        while self._now is not None and self._now[1] <= address:
            self._now = next(self._ranges, None)
        if self._now is None:
            return self._nothing, end
        if self._now[0] > address:
            return self._nothing, self._now[0]
        return self._now[2], self._now[1]


# --- copies -------------------------------------------------------------------------------------


@dataclass
class Copy:
    """One copy of a function's code: its lines by file and number, and how often each ran; how
    often its first instruction did, which for inlined calls may be inside of a loop.
    ``start_line`` is where the function begins, 0 where that is not known."""

    function: str
    start_line: int
    entered: int = 0
    lines: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def ran(self) -> bool:
        """Whether any of its code did."""
        return any(self.lines.values())

    @property
    def name(self) -> str:
        """The function's name, without the shapes of type arguments."""
        head, bracket, rest = self.function.partition("[")
        return head + "[...]" + rest.rpartition("]")[2] if bracket else head

    def add(self, place: tuple[str, int], count: int) -> None:
        self.lines[place] = max(self.lines.get(place, 0), count)


def _growth(function: Func, counts: Counts) -> int | None:
    """Where a function begins anew after its stack had to grow; None if that did not happen.

    The last code of a function calls ``runtime.morestack`` and jumps to the beginning
    (``cmd/internal/obj/x86/obj6.go: stacksplit``). Nothing else behind the frame has none of its
    own and begins a block, and functions without a frame do not check the stack.
    """
    start = counts.last_block(function.entry + 1, function.end)
    if start is None or function.pcsp(start) != 0 or function.line(start) != function.start_line:
        return None
    frame = any(function.pcsp(pc) > 0 for pc in range(start - 4, function.entry, -4))
    return start if frame else None


def copies(function: Func, counts: Counts, named: Callable[[str], str]) -> list[Copy]:
    """The copies in a function's code: its own first. ``named`` makes names of the linker's."""
    again = _growth(function, counts)
    entered = counts.at(function.entry) - (counts.at(again) if again else 0)
    own = Copy(named(function.name), max(function.start_line, 0), entered)
    inlined = [Copy(named(call.function), max(call.start_line, 0)) for call in function.inlined()]
    stray: dict[tuple[str, int], int] = {}
    for start, end, file, line, number in stretches(function):
        if line <= 0 or (again is not None and start <= again < end):
            continue
        count = counts.most(start, end)
        if start == function.entry and count == counts.at(start):
            count = entered
        place = (file, line)
        if number != OWN:
            copy = inlined[number] if 0 <= number < len(inlined) else own
            if not copy.lines:
                copy.entered = counts.at(start)
            copy.add(place, count)
        elif file == function.start_file:
            own.add(place, count)
        else:
            stray[place] = max(stray.get(place, 0), count)
    for place, count in stray.items():
        # The compiler has lost what inlined call some instructions are of.
        near = (copy for copy in inlined if place in copy.lines)
        next(near, own).add(place, count)
    return [own, *inlined]
