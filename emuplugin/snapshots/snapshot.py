"""Snapshot: a machine at one moment, to go back to or to make other machines of."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from emuplugin.cpu.address_space import PAGE_SIZE
from emuplugin.errors import SnapshotError
from emuplugin.values.kept import KeptContext, KeptObjects

from .state import ProgramState

if TYPE_CHECKING:
    from emuplugin.life import Life
    from emuplugin.machine import Machine
    from emuplugin.plugin import Plugin


class Snapshot:
    """What a machine was when :meth:`emuplugin.Machine.snapshot` was called: memory, registers,
    threads, files, clock, randomness, limits, report.

    ``machine.restore(snapshot)`` brings the machine back to it, as often as one likes;
    :meth:`clone` makes another machine in the same state. It is kept in memory, and lives on when
    its machine is closed.
    """

    def __init__(self, machine: Machine, life: Life) -> None:
        """The machine's lock is held. Raises SnapshotError, and what ``life.program`` raises."""
        program = life.program
        #: How many instructions the guest had executed.
        self.instructions = life.instructions
        #: How much of the guest's memory is kept, in bytes.
        self.memory = 0
        self.plugins: tuple[Plugin, ...] = machine.plugins
        self.state = ProgramState(program)
        self.memory = self.state.pages * PAGE_SIZE
        self.failures = machine.failures
        self.host_seconds = life.host_seconds
        self._sandbox = machine.sandbox
        self._life = life
        self._context = KeptContext(life.context)
        self._calls = life.python_calls.keep()
        self._outcomes = KeptObjects((life.outcomes,))
        self._holds_python = life.python_calls.holds_functions
        self._copying = threading.Lock()

    def __repr__(self) -> str:
        paths = ", ".join(plugin.path for plugin in self.plugins)
        return f"<Snapshot of {paths} after {self.instructions} instructions>"

    def clone(self) -> Machine:
        """A new machine in this state, with memory, files and a clock of its own. Its plugins are
        those of the snapshot, in the same order: ``clone.plugins``.

        Raises SnapshotError if Go holds Python functions or objects: they belong to the machine
        that they were given to.
        """
        from emuplugin.machine import Machine

        if self._holds_python:
            raise SnapshotError(
                "Go holds Python functions or objects, which belong to the machine that they were"
                " given to: restore the snapshot there, or take one before they are passed"
            )
        machine = Machine(self._sandbox)
        with self._copying:
            program = self.state.copy()
        machine.move_in(program, self)
        return machine

    def is_of(self, life: Life) -> bool:
        """Whether a life's program is the one that the snapshot was taken of."""
        return life.booted is self.state.program

    def is_of_life(self, life: Life) -> bool:
        """Whether it was taken in this life, so that the values of before it go on working."""
        return life is self._life

    def restore_life(self, life: Life) -> None:
        """Bring a life of its program back to it."""
        mine = life is self._life
        if mine:
            self._context.expire()
        self.state.restore()
        life.adopt(self.state.program)  # whose hooks were those of the snapshot's time
        life.host_seconds = self.host_seconds
        life.death = None
        if mine:
            self._context.restore()
            self._calls()
            self._outcomes.restore()
