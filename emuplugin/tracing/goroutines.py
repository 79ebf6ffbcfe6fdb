"""The life of goroutines: made, run, wait for something, can go on, end.

All changes of a goroutine's state go through ``runtime.casgstatus`` (runtime/proc.go, Go 1.21 to
1.27), so one hook sees them; another one is at the returns of ``newproc1``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.cpu.hooks import Hooks

from .code import returns
from .events import (
    Frame,
    GoroutineCreated,
    GoroutineEnds,
    GoroutineReady,
    GoroutineRuns,
    GoroutineWaits,
)
from .functions import NOWHERE
from .guest import TracedGuest
from .observer import FS_BASE, RAX, RBX, RCX, RIP, RSP, Observer, named

if TYPE_CHECKING:
    from .recorder import Recorder

# runtime/runtime2.go: _Grunnable, _Grunning, ...
RUNNABLE, RUNNING, SYSCALL, WAITING, DEAD, PREEMPTED = 1, 2, 3, 4, 6, 9
_MAX_REASONS = 64


class Goroutines(Observer):
    """See the module."""

    def __init__(self, recorder: Recorder, guest: TracedGuest) -> None:
        super().__init__(recorder, guest)
        layout = guest.layout
        self._reason = layout.field("runtime.g", "waitreason")
        self._m = layout.offset("runtime.g", "m")
        self._curg = layout.offset("runtime.m", "curg")
        self._start = layout.offset("runtime.g", "startpc")
        self._gopc = layout.offset("runtime.g", "gopc")
        self._parent = layout.offset("runtime.g", "parentGoid")
        self._sched_pc = layout.offset("runtime.g", "sched.pc")
        self._sched_sp = layout.offset("runtime.g", "sched.sp")
        self._reasons: dict[int, str] = {}

    def install(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self.at_functions(hooks, named("runtime.casgstatus"), self._changes)
        makers = self.guest.named(named("runtime.newproc1"))
        hooks.at([at for maker in makers for at in returns(self.guest, maker)], self._created)

    def _changes(self) -> None:
        values = self.registers.load()
        g, old, new = values[RAX], values[RBX] & 0xFFFFFFFF, values[RCX] & 0xFFFFFFFF
        if new == SYSCALL or (old == SYSCALL and new == RUNNING):
            return
        guest = self.guest
        goid = guest.goroutine(g)
        executed = self.at_entry(self._hooks, values[RIP])
        moment = self.moment(executed, goid)
        if new == RUNNING:
            if old in (RUNNABLE, WAITING):
                self.emit(GoroutineRuns(*moment))
        elif new == DEAD:
            if old == RUNNING:
                self.emit(GoroutineEnds(*moment))
        elif old == RUNNING and new in (RUNNABLE, WAITING, PREEMPTED):
            reason = self._wait_reason(g) if new == WAITING else self._yield(values[RSP])
            self.emit(GoroutineWaits(*moment, reason, self._place(g)))
        elif new == RUNNABLE and old in (WAITING, SYSCALL, PREEMPTED):
            by = self._current(values[FS_BASE])
            self.emit(GoroutineReady(*self.moment(executed, by), goid, by))

    def _created(self) -> None:
        guest = self.guest
        values = self.registers.load()
        g = values[RAX]
        parent = guest.word(g + self._parent)
        executed = self._stops.executed - 1
        function = guest.functions.function(guest.word(g + self._start))
        name = "" if function is None else guest.functions.name(function)
        at = guest.functions.frame(guest.word(g + self._gopc) - 1)
        moment = self.moment(executed, parent)
        self.emit(GoroutineCreated(*moment, guest.goroutine(g), name, parent, at))

    def _current(self, fs_base: int) -> int:
        """The goroutine in whose name the thread works, on whatever stack."""
        g = self.g(fs_base)
        m = self.guest.word(g + self._m) if g else 0
        return self.guest.goroutine(self.guest.word(m + self._curg)) if m else 0

    def _wait_reason(self, g: int) -> str:
        """``waitReasonStrings[g.waitreason]``."""
        field = self._reason
        number = int.from_bytes(self.guest.memory.read(g + field.offset, field.size), "little")
        known = self._reasons.get(number)
        if known is None:
            table = self.guest.symbol("runtime.waitReasonStrings")
            known = ""
            if table is not None and number < _MAX_REASONS:
                known = self.guest.string(table + 16 * number, 64)
            known = self._reasons[number] = known or f"reason {number}"
        return known

    def _yield(self, sp: int) -> str:
        """Why a goroutine that could go on gives way: it asked for that, or it was made to."""
        for frame in self.stacks.take(self.guest.word(sp), sp + 8, exact=False)[:6]:
            if frame.function in ("runtime.gosched_m", "runtime.goyield_m"):
                return "yield"
        return "preempted"

    def _place(self, g: int) -> Frame:
        """Where a goroutine that has given way is, outside of the runtime if it is anywhere."""
        word = self.guest.word
        frames = self.stacks.take(word(g + self._sched_pc), word(g + self._sched_sp), exact=False)
        for frame in frames:
            if not frame.function.startswith("runtime."):
                return frame
        return frames[0] if frames else NOWHERE
