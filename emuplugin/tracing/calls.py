"""Calls of functions and their ends, with arguments and results.

Hooks are at the entries and at the ``ret`` instructions of the chosen functions. Each goroutine has
a list of calls that it is inside of. A call is known by how deep its stack is, counted from the
stack's upper end: that number stays the same when the stack grows and moves. So a function that
comes to its entry a second time, after ``morestack``, is seen to be the same call; and whatever
was deeper than a call that ends, or than a frame that recovers, has ended as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emuplugin.cpu.hooks import Hooks, Points
from emuplugin.elf.pclntab import Func
from emuplugin.errors import FormatError
from emuplugin.runtime_shims.goruntime import FLOAT_REGISTERS

from .code import returns
from .events import Argument, Call, Return
from .goroutines import DEAD, PREEMPTED, RUNNABLE, RUNNING, WAITING
from .guest import TracedGuest
from .observer import FS_BASE, RAX, RBX, RCX, RIP, RSP, Observer, named
from .ranges import joined
from .recoveries import Recovery, recovery_at
from .signatures import Signature, Signatures
from .what import Pattern, matcher

if TYPE_CHECKING:
    from .recorder import Recorder

#: Of more functions than this the ends are looked for when they are first entered.
_MANY = 400
_INTS = slice(RAX, RAX + 9)


@dataclass(slots=True)
class _Function:
    """A traced function, as its events tell of it."""

    entry: int
    name: str
    file: str
    line: int
    signature: Signature


@dataclass(slots=True)
class _Live:
    """A call that has not ended: ``used`` bytes of stack are above its return address."""

    function: _Function
    used: int
    executed: int
    away: int
    recovered: bool = False


@dataclass(slots=True)
class _Goroutine:
    """``left``: when it stopped running, None while it runs. ``away``: instructions of others
    since the trace began."""

    id: int
    calls: list[_Live]
    left: int | None = None
    away: int = 0


class Calls(Observer):
    """See the module."""

    def __init__(self, recorder: Recorder, guest: TracedGuest, pattern: Pattern) -> None:
        super().__init__(recorder, guest)
        self._fits = matcher(pattern, recorder.is_own)
        self._signatures = Signatures(guest)
        self._floats = guest.engine.batch(wide=FLOAT_REGISTERS)
        self._functions: dict[int, Func] = {}
        self._entries: dict[int, _Function] = {}
        self._goroutines: dict[int, _Goroutine] = {}
        # Functions that begin with their end.
        self._empty: set[int] = set()
        self._points = Points((), None)
        self._lazy = False

    def install(self, hooks: Hooks) -> None:
        guest = self.guest
        self._hooks = hooks
        chosen = [f for f in guest.functions if self._fits(guest.functions.name(f))]
        self._functions = {function.entry: function for function in chosen}
        self._lazy = len(chosen) > _MANY
        places = list(self._functions)
        if self._lazy:
            ranges = joined([(function.entry, function.end) for function in chosen])
            for entry in self._entries:
                places += self._ends_of(self._functions[entry])
            self._points = hooks.points(places, self._reached, ranges)
        else:
            for function in chosen:
                places += self._ends_of(function)
            self._points = hooks.points(places, self._reached)
        if chosen:
            self.at_functions(hooks, named("runtime.casgstatus"), self._changes)
            self.at_functions(hooks, named("runtime.recovery"), self._recovers)
            ends = named("runtime.fatalpanic", "runtime.goexit1")
            self.at_functions(hooks, ends, self._goroutine_ends)

    # --- entries and ends -------------------------------------------------------------------

    def _reached(self) -> None:
        values = self.registers.load()
        rip, sp = values[RIP], values[RSP]
        g = self.g(values[FS_BASE])
        goroutine = self._goroutine(g)
        used = self.guest.word(g + self.guest.stack_hi) - sp
        if rip in self._functions:
            self._entered(goroutine, rip, sp, used, values[_INTS])
        if rip not in self._functions or rip in self._empty:
            self._returns(goroutine, sp, used, values[_INTS])

    def _entered(
        self, goroutine: _Goroutine, rip: int, sp: int, used: int, ints: list[int]
    ) -> None:
        calls = goroutine.calls
        executed = self._hooks.executed_before(rip)
        while calls and calls[-1].used > used:
            self._unwound(goroutine, calls.pop(), executed)
        if calls and calls[-1].used == used and calls[-1].function.entry == rip:
            return  # the stack was too small, or others had to run: it begins once more
        function = self._entries.get(rip) or self._found(rip)
        floats = self._floats.load()[::2] if function.signature.floats else ()
        arguments = function.signature.arguments(self.guest, ints, floats, sp)
        self.emit(
            Call(
                *self.moment(executed, goroutine.id),
                function.name,
                function.file,
                function.line,
                rip,
                len(calls),
                arguments,
                self.stacks.caller(sp),
            )
        )
        calls.append(_Live(function, used, executed, goroutine.away))

    def _returns(self, goroutine: _Goroutine, sp: int, used: int, ints: list[int]) -> None:
        calls = goroutine.calls
        executed = self._stops.executed - 1
        while calls and calls[-1].used > used:
            self._unwound(goroutine, calls.pop(), executed)
        # Several calls end with one instruction where functions have jumped to others.
        while calls and calls[-1].used == used:
            call = calls.pop()
            signature = call.function.signature
            floats = self._floats.load()[::2] if signature.floats else ()
            results = signature.results(self.guest, ints, floats, sp)
            self._ended(goroutine, call, executed, results, call.recovered)

    def _unwound(self, goroutine: _Goroutine, call: _Live, executed: int) -> None:
        self._ended(goroutine, call, executed, (), True)

    def _ended(
        self,
        goroutine: _Goroutine,
        call: _Live,
        executed: int,
        results: tuple[Argument, ...],
        by_panic: bool,
    ) -> None:
        spent = executed - call.executed - (goroutine.away - call.away)
        moment = self.moment(executed, goroutine.id)
        depth = len(goroutine.calls)
        self.emit(Return(*moment, call.function.name, depth, results, spent, by_panic))

    def _found(self, entry: int) -> _Function:
        """A function that is entered for the first time."""
        function = self._functions[entry]
        if self._lazy:
            for place in self._ends_of(function):
                self._points.add(place)
        try:
            file, line = function.file(entry), max(function.start_line, 0)
        except FormatError:
            file, line = "", 0
        name = self.guest.functions.name(function)
        signature = self._signatures.of(function)
        found = self._entries[entry] = _Function(entry, name, file, line, signature)
        return found

    def _ends_of(self, function: Func) -> list[int]:
        """The places where a function returns."""
        places = returns(self.guest, function)
        if function.entry in places:
            self._empty.add(function.entry)
        return places

    # --- goroutines -------------------------------------------------------------------------

    def _goroutine(self, g: int) -> _Goroutine:
        goid = self.guest.goroutine(g)
        known = self._goroutines.get(g)
        if known is None or known.id != goid:
            known = self._goroutines[g] = _Goroutine(goid, [])
        return known

    def _changes(self) -> None:
        """A goroutine's state changes: instructions of others do not count as its own."""
        values = self.registers.load()
        known = self._goroutines.get(values[RAX])
        if known is None:
            return
        old, new = values[RBX] & 0xFFFFFFFF, values[RCX] & 0xFFFFFFFF
        executed = self._hooks.executed_before(values[RIP])
        if old == RUNNING and new in (RUNNABLE, WAITING, DEAD, PREEMPTED):
            known.left = executed
        elif new == RUNNING and known.left is not None:
            known.away += executed - known.left
            known.left = None

    def _recovers(self) -> None:
        """``recovery(gp)``: the frames below the one that recovers are gone."""
        values = self.registers.load()
        g = values[RAX]
        known = self._goroutines.get(g)
        if known is None:
            return
        executed = self._hooks.executed_before(values[RIP])
        recovery: Recovery = recovery_at(self.guest, g)
        used = self.guest.word(g + self.guest.stack_hi) - recovery.sp
        while known.calls and known.calls[-1].used > used:
            self._unwound(known, known.calls.pop(), executed)
        if known.calls and known.calls[-1].function.name == recovery.function:
            known.calls[-1].recovered = True

    def _goroutine_ends(self) -> None:
        """A panic that nobody recovers, or the end: nothing of the goroutine's will return."""
        values = self.registers.load()
        g = self.g(values[FS_BASE])
        known = self._goroutines.get(g)
        if known is None or not known.calls:
            return
        executed = self._hooks.executed_before(values[RIP])
        while known.calls:
            self._unwound(known, known.calls.pop(), executed)
