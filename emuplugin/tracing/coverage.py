"""Which code has run, by blocks of machine code, and what that says of lines and functions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from .copies import Block, Copy, Counts, copies
from .functions import FunctionTable

__all__ = ["Block", "Coverage"]


class Coverage(Mapping[int, Block]):
    """The blocks that have run, by address.

    Blocks are those of the emulator: one may begin in the middle of another, where a jump leads
    there. ``watched`` are the ranges of code (first address, address behind) that were looked at,
    in order: what is not in them may have run as well.
    """

    def __init__(
        self,
        blocks: dict[int, Block],
        functions: FunctionTable,
        watched: Sequence[tuple[int, int]] = (),
    ) -> None:
        self._blocks = blocks
        self._functions = functions
        self._watched = tuple(watched)

    def __getitem__(self, pc: int) -> Block:
        return self._blocks[pc]

    def __iter__(self) -> Iterator[int]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    def __repr__(self) -> str:
        return f"<Coverage: {len(self._blocks)} blocks>"

    def watched(self, pc: int) -> bool:
        """Whether the code at an address was looked at."""
        at = bisect_right(self._watched, (pc, 1 << 64)) - 1
        return at >= 0 and pc < self._watched[at][1]

    @cached_property
    def counts(self) -> Counts:
        """How often each instruction ran."""
        return Counts(self._blocks)

    def lines(self) -> dict[str, dict[int, int]]:
        """How often each line has run, by file: the sum over the copies that the compiler made of
        it, and in each the most that any of its code did. Lines without code that ran are not in
        it. Inlined code counts where its source is."""
        files: dict[str, dict[int, int]] = {}
        for copy in self._copies():
            for (file, line), count in copy.lines.items():
                if count:
                    lines = files.setdefault(file, {})
                    lines[line] = lines.get(line, 0) + count
        return {file: dict(sorted(lines.items())) for file, lines in sorted(files.items())}

    def functions(self) -> dict[str, int]:
        """How often each function was entered, those that were inlined as well."""
        functions: dict[str, int] = {}
        for copy in self._copies():
            if copy.ran:
                functions[copy.function] = functions.get(copy.function, 0) + copy.entered
        return functions

    def _copies(self) -> Iterator[Copy]:
        """The copies in all functions of which something ran."""
        behind = 0
        for pc in sorted(self._blocks):
            function = self._functions.function(pc) if pc >= behind else None
            if function is not None:
                behind = function.end
                module = self._functions.module(pc)
                assert module is not None  # it has the function
                yield from copies(function, self.counts, module.name)
