"""What is seen of the call: its entry, its instructions, and what it asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from emuplugin.cpu.hooks import Hooks
from emuplugin.inspection.names import readable
from emuplugin.machine import Machine
from emuplugin.runtime_shims.program import Program
from emuplugin.tracing.events import Event
from emuplugin.values import Function

from .entry import Entry, capture
from .stepping import Stepping

MOST_EVENTS = 100_000
"""System calls, allocations and the like that are kept of one call."""


class Observation:
    """One call. ``entry`` is None until the function was entered. ``stepping`` has the instructions
    of the function, and of those that match ``into``. ``events``: all else; ``dropped`` how many
    more there were. ``began`` and ``ended``: instructions executed by the machine."""

    def __init__(
        self, program: Program, function: Function, most: int, into: Sequence[str]
    ) -> None:
        self.program, self.function = program, function
        self.entry: Entry | None = None
        self.events: list[Event] = []
        self.dropped = 0
        self.began = self.ended = 0
        self.code_name = self._name()
        self.stepping = Stepping(program, [self.code_name, *into], most)

    def _name(self) -> str:
        """The function's name as its source has it."""
        table = self.program.table_for(self.function.address)
        found = None if table is None else table.find(self.function.address)
        if found is None:
            return self.function.name
        path = f"{self.program.modules[0].plugin_path}."
        return "main." + readable(found.name).removeprefix(path)

    @property
    def instructions(self) -> int:
        """How many the guest executed for the call, its way in and out included."""
        return self.ended - self.began

    @property
    def way_in(self) -> int:
        """Those of them that had run when the function was entered."""
        steps = self.stepping.steps
        return steps[0].event.instructions - self.began if steps else 0

    @contextmanager
    def watch(self, machine: Machine) -> Iterator[None]:
        """Observe what happens inside of the ``with``."""
        hooks = Hooks(self.program.process.engine)
        hooks.at([self.function.address], self._entered)
        hooks.attach()
        self.stepping.attach()
        self.began = machine.instructions
        try:
            with machine.trace(
                syscalls=True,
                goroutines=True,
                allocations=True,
                gc=True,
                panics=True,
                output=True,
                limit=MOST_EVENTS,
            ) as trace:
                try:
                    yield
                finally:
                    self.ended = machine.instructions
        finally:
            self.stepping.detach()
            hooks.detach()
            self.events, self.dropped = list(trace), trace.dropped

    def _entered(self) -> None:
        if self.entry is None:
            self.entry = capture(self.program, self.function.address)
