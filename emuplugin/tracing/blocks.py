"""Which blocks of code run, and how often.

What is counted are instructions; those that follow each other and ran equally often are blocks, as
far as the next jump, call or return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.cpu.code_counts import CodeCounts
from emuplugin.cpu.hooks import Hooks

from .code import decoded
from .coverage import Block, Coverage
from .guest import TracedGuest
from .observer import Observer
from .ranges import joined
from .what import Pattern, matcher

if TYPE_CHECKING:
    from .recorder import Recorder


class Blocks(Observer):
    """Counts blocks of the chosen functions; what comes out is no event but the coverage."""

    def __init__(self, recorder: Recorder, guest: TracedGuest, pattern: Pattern) -> None:
        super().__init__(recorder, guest)
        self._fits = matcher(pattern, recorder.is_own)
        self._counted: dict[int, int] = {}
        self._counts: list[CodeCounts] = []
        self._watched: list[tuple[int, int]] = []

    def install(self, hooks: Hooks) -> None:
        self._collect()
        guest = self.guest
        chosen = [f for f in guest.functions if self._fits(guest.functions.name(f))]
        self._watched = joined([(f.entry, f.end) for f in chosen])
        self._counts = hooks.count(self._watched)

    def finish(self) -> None:
        self._collect()
        functions = self.guest.functions
        blocks = blocks_of(self.guest, self._counted)
        self.recorder.trace.coverage = Coverage(blocks, functions, self._watched)

    def _collect(self) -> None:
        for counts in self._counts:
            for pc, times in counts:
                self._counted[pc] = self._counted.get(pc, 0) + times
        self._counts = []


def blocks_of(guest: TracedGuest, counted: dict[int, int]) -> dict[int, Block]:
    """Instructions that ran, with how often, as blocks."""
    blocks: dict[int, Block] = {}
    start = end = times = 0
    for pc, size, ends in decoded(guest, sorted(counted)):
        if pc != end or counted[pc] != times:
            if end > start:
                blocks[start] = Block(end - start, times)
            start, times = pc, counted[pc]
        end = pc + size
        if ends:
            blocks[start] = Block(end - start, times)
            start = end
    if end > start:
        blocks[start] = Block(end - start, times)
    return blocks
