"""Allocations from the Go heap.

They all go through ``runtime.mallocgc``, and since Go 1.26 also through copies of it that the
compiler calls for objects of one size. Some of these call others, or jump to them; the outermost
one counts, and it ends with the return that leaves the stack as it was at its entry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from emuplugin.cpu.hooks import Hooks
from emuplugin.errors import CorruptDataError

from .code import returns
from .events import Allocation, Stack
from .guest import TracedGuest
from .observer import FS_BASE, RAX, RBX, RIP, RSP, Moment, Observer

if TYPE_CHECKING:
    from .recorder import Recorder

_ALL: Final = re.compile(r"runtime\.mallocgc\w*")
_OUTER: Final = re.compile(r"runtime\.mallocgc((Small|Tiny)\w*S(C|ize)\d+)?")


class Allocations(Observer):
    """See the module."""

    def __init__(self, recorder: Recorder, guest: TracedGuest) -> None:
        super().__init__(recorder, guest)
        self._begun: dict[int, tuple[int, Moment, int, int, Stack]] = {}
        self._entries: frozenset[int] = frozenset()
        self._names: dict[int, str] = {}

    def install(self, hooks: Hooks) -> None:
        self._hooks = hooks
        functions = self.guest.named(lambda name: _ALL.fullmatch(name) is not None)
        self._entries = frozenset(f.entry for f in functions if _OUTER.fullmatch(f.name))
        ends = [place for function in functions for place in returns(self.guest, function)]
        hooks.points([*self._entries, *ends], self._reached)

    def _reached(self) -> None:
        values = self.registers.load()
        g, sp = self.g(values[FS_BASE]), values[RSP]
        used = self.guest.word(g + self.guest.stack_hi) - sp
        begun = self._begun.get(g)
        if values[RIP] in self._entries:
            if begun is not None and used > begun[0]:
                return  # from inside of another one
            if begun is not None and used == begun[0] and begun[2:4] == (values[RAX], values[RBX]):
                return  # the stack was too small: it begins once more
            executed = self._hooks.executed_before(values[RIP])
            stack = self.stacks.take(self.guest.word(sp), sp + 8, exact=False)
            moment = self.moment(executed, self.guest.goroutine(g))
            self._begun[g] = (used, moment, values[RAX], values[RBX], stack)
        elif begun is not None and used == begun[0]:
            del self._begun[g]
            _, moment, size, type_address, stack = begun
            self.emit(Allocation(*moment, size, self._name(type_address), values[RAX], stack))

    def _name(self, address: int) -> str:
        name = self._names.get(address)
        if name is None:
            try:
                name = self.guest.types.at(address).string if address else ""
            except CorruptDataError:
                name = ""
            self._names[address] = name
        return name
