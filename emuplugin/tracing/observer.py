"""What all observers share: where they are put, and when something happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from emuplugin.cpu import registers as reg
from emuplugin.cpu.hooks import Hooks
from emuplugin.runtime_shims.goruntime import INTEGER_REGISTERS
from emuplugin.runtime_shims.image import TLS_G

from .guest import TracedGuest
from .stacks import Stacks

if TYPE_CHECKING:
    from .recorder import Recorder

# Places in the batch that each observer reads.
RIP, RSP, FS_BASE, RAX, RBX, RCX = range(6)
_REGISTERS: Final = (reg.RIP, reg.RSP, reg.FS_BASE, *INTEGER_REGISTERS)

#: When and where: the first fields of every event.
Moment = tuple[int, int, int, int]


class Observer:
    """One kind of thing that is told of. It is installed anew when another file is mapped, and
    keeps what it knows."""

    def __init__(self, recorder: Recorder, guest: TracedGuest) -> None:
        self.recorder = recorder
        self.guest = guest
        self.stacks: Stacks = recorder.stacks
        self.emit = recorder.emit
        self.registers = guest.engine.batch(*_REGISTERS)
        self._stops = guest.engine.stops

    def install(self, hooks: Hooks) -> None:
        """Put hooks where something is to be seen."""

    def finish(self) -> None:
        """The trace ends."""

    # --- for those that derive from it ------------------------------------------------------

    def at_functions(
        self, hooks: Hooks, names: Callable[[str], bool], action: Callable[[], None]
    ) -> None:
        """Call ``action`` at the entry of the functions of the runtime whose names fit."""
        hooks.at([function.entry for function in self.guest.named(names)], action)

    def moment(self, executed: int, goroutine: int) -> Moment:
        """The moment before the instruction that comes after ``executed`` others."""
        recorder = self.recorder
        return recorder.time(executed), executed, recorder.thread, goroutine

    def at_entry(self, hooks: Hooks, rip: int) -> int:
        """Instructions executed before a function's first."""
        return hooks.executed_before(rip)

    def g(self, fs_base: int) -> int:
        """The ``runtime.g`` of the thread whose FS base that is."""
        return self.guest.word(fs_base + TLS_G) if fs_base else 0


def named(*names: str) -> Callable[[str], bool]:
    """A test for functions of those names."""
    wanted = frozenset(names)
    return wanted.__contains__
