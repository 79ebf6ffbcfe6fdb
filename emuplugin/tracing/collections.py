"""Cycles of the garbage collector."""

from __future__ import annotations

from typing import Literal

from emuplugin.cpu.hooks import Hooks

from .events import GCCycle
from .observer import FS_BASE, RBX, RIP, Observer, named

_CONTROLLER = "runtime.(*gcControllerState)."


class Collections(Observer):
    """A cycle starts with ``gcControllerState.startCycle``, and is over when the marked bytes
    become the heap's new size in ``resetLive`` (runtime/mgcpacer.go)."""

    def install(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self.at_functions(hooks, named(f"{_CONTROLLER}startCycle"), self._starts)
        self.at_functions(hooks, named(f"{_CONTROLLER}resetLive"), self._ends)

    def _starts(self) -> None:
        self._tell("start", self.guest.variable("runtime.gcController", "heapLive.value") or 0)

    def _ends(self) -> None:
        self._tell("end", self.registers.load()[RBX])

    def _tell(self, phase: Literal["start", "end"], heap: int) -> None:
        values = self.registers.load()
        executed = self.at_entry(self._hooks, values[RIP])
        goroutine = self.guest.goroutine(self.g(values[FS_BASE]))
        cycle = self.guest.variable("runtime.work", "cycles.value") or 0
        self.emit(GCCycle(*self.moment(executed, goroutine), cycle, phase, heap))
