"""Stacks of the running goroutine, unwound with the function tables.

On amd64 the size of a function's frame at a pc tells where its caller's pc lies
(``runtime/traceback.go``; see :mod:`emuplugin.runtime_shims.traceback`). What is found out about a
pc is kept: stacks are taken often, and mostly at the same places.
"""

from __future__ import annotations

from emuplugin.errors import FormatError

from .events import Frame, Stack
from .guest import TracedGuest

_MAX_FRAMES = 256
# After these the pc is where a fault or a signal happened, not a return address.
_FAULTS = frozenset(("runtime.sigpanic", "runtime.sigpanic0", "runtime.asyncPreempt"))
# Below these there is nothing of the goroutine's.
_ENDS = frozenset(("runtime.goexit", "runtime.rt0_go", "runtime.mstart"))


class Stacks:
    """Unwinds stacks of one guest."""

    def __init__(self, guest: TracedGuest) -> None:
        self._guest = guest
        self._frames: dict[int, tuple[int, Stack, bool, bool] | None] = {}

    def take(self, pc: int, sp: int, exact: bool = True) -> Stack:
        """The frames from ``pc`` outwards; ``sp`` is RSP there. ``exact``: ``pc`` is not a return
        address."""
        found: list[Frame] = []
        word = self._guest.word
        for _ in range(_MAX_FRAMES):
            known = self._of(pc if exact else pc - 1, pc)
            if known is None:
                break
            size, frames, faulted, ends = known
            if ends:
                break
            found += frames
            if size < 0:
                break
            sp += size
            pc = word(sp)
            sp += 8
            exact = faulted
        return tuple(found)

    def caller(self, sp: int) -> Frame | None:
        """The place that a function was called from; ``sp`` is RSP at its entry. None for the
        first of a goroutine."""
        pc = self._guest.word(sp)
        known = self._of(pc - 1, pc)
        if known is None or known[3] or not known[1]:
            return None
        return known[1][0]

    def _of(self, at: int, pc: int) -> tuple[int, Stack, bool, bool] | None:
        """The frame's size, its places, whether it was interrupted, and whether it is the last."""
        key = at << 1 | (at != pc)
        if key in self._frames:
            return self._frames[key]
        function = self._guest.functions.function(at)
        result = None
        if function is not None:
            name = function.name
            try:
                size = function.pcsp(pc)
            except FormatError:
                size = -1
            frames = self._guest.functions.frames(at)
            result = (size, frames, name in _FAULTS, name in _ENDS)
        self._frames[key] = result
        return result
