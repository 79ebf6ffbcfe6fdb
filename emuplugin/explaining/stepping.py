"""The first instructions of some functions, each with all registers as they were before it.

The observer of package tracing tells what an instruction changed; what a call left in the registers
is seen when the next instruction begins. Once there are enough of them nothing is looked at any
more: a function may run for a long time after its first steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from emuplugin.runtime_shims.program import Program
from emuplugin.tracing.events import Event, Instruction
from emuplugin.tracing.recorder import Recorder
from emuplugin.tracing.trace import Trace
from emuplugin.tracing.what import What

from .entry import NAMES

# Instructions that are told of before they have done anything, since others follow elsewhere.
_LEAVING: Final = frozenset({"call", "ret", "syscall", "hlt", "ud2"})
_REGISTERS: Final = tuple(name for name in NAMES if name not in ("RIP", "RFLAGS"))


@dataclass(slots=True)
class Recorded:
    """An instruction and the general registers before it. One with a prefix that repeats it counts
    once: ``last`` is the event of the last of its ``times``."""

    event: Instruction
    before: dict[str, int]
    last: Instruction
    times: int = 1


class Stepping(Recorder):
    """Records the functions that match ``patterns``, and ends by itself after ``most`` steps;
    ``more`` tells whether there were further ones."""

    def __init__(self, program: Program, patterns: Sequence[str], most: int) -> None:
        what = What(instructions=tuple(patterns))
        super().__init__(Trace(what.as_dict()), what, 0)
        self.steps: list[Recorded] = []
        self.more = False
        self._most = most
        self._program = program
        self._batch = program.process.engine.batch(*(NAMES[name] for name in _REGISTERS))
        self._over = False
        self._wake: Callable[[], None] | None = None

    def attach(self) -> None:
        """Begin. Nothing runs now."""
        process, modules = self._program.process, self._program.modules
        self.opening = False
        self.mapped(process, modules[0].image)
        for module in modules[1:]:
            self.linked(module.image)
        self._wake = process.kernel.on_wake
        process.kernel.on_wake = self._look_up

    def detach(self) -> None:
        """End; nothing runs now."""
        self._over = True
        if self._wake is not None:
            self._program.process.kernel.on_wake = self._wake
            self._wake = None
        for observer in self._observers:
            observer.finish()
        self._unhook()

    def _look_up(self) -> None:
        """Between two runs of the engine, every few milliseconds: a good time to stop looking."""
        if self.more:
            self._unhook()
        if self._wake is not None:
            self._wake()

    def _unhook(self) -> None:
        if self._hooks is not None:
            self._hooks.detach()
            self._hooks = None

    def emit(self, event: Event) -> None:
        """One more event."""
        if self.more or not isinstance(event, Instruction):
            return
        if self.steps and _repeats(self.steps[-1].last, event):
            self.steps[-1].last = event
            self.steps[-1].times += 1
            return
        if len(self.steps) == self._most:
            self.more = True
            return
        self.steps.append(Recorded(event, self._before(event), event))

    def _before(self, event: Instruction) -> dict[str, int]:
        """The registers before the instruction of an event that has just come."""
        if self._over:
            # It was under way when everything ended: nothing is known but what the last one left.
            return self.after(len(self.steps) - 1) if self.steps else {}
        values = dict(zip(_REGISTERS, self._batch.load(), strict=True))
        if event.text.partition(" ")[0] not in _LEAVING:
            for change in event.registers:
                if change.name.upper() in values:
                    values[change.name.upper()] = change.old
        return values

    def after(self, index: int) -> dict[str, int]:
        """The registers when a step was done: of a call, when it had returned."""
        step = self.steps[index]
        if index + 1 < len(self.steps):
            following = self.steps[index + 1]
            if following.event.goroutine == step.event.goroutine:
                return following.before
        return step.before | {
            change.name.upper(): change.new
            for change in step.last.registers
            if change.name.upper() in step.before
        }


def _repeats(before: Instruction, event: Instruction) -> bool:
    return (
        before.pc == event.pc
        and before.goroutine == event.goroutine
        and event.text.startswith(("rep ", "repe ", "repne "))
    )
