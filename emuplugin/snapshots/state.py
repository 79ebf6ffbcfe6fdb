"""The whole state of a running program: guest memory, processor, and the objects of the host."""

from __future__ import annotations

from typing import Any

from emuplugin.cpu.engine import Engine
from emuplugin.errors import SnapshotError
from emuplugin.runtime_shims.kernel.fs.host_file import HostFile
from emuplugin.runtime_shims.kernel.fs.host_node import HostFilesystem
from emuplugin.runtime_shims.kernel.kernel import Kernel
from emuplugin.runtime_shims.kernel.outside import Outside
from emuplugin.runtime_shims.kernel.watchdog import Watchdog
from emuplugin.runtime_shims.process import make_engine
from emuplugin.runtime_shims.program import Program

from .copying import Plan
from .memento import Memento


class ProgramState:
    """A program at some moment, between calls."""

    def __init__(self, program: Program) -> None:
        """Raises SnapshotError where something outside of the machine is part of its state."""
        self.program = program
        process = program.process
        _check_host(process.kernel)
        self._memento = Memento((program,))
        self._plan: Plan | None = None
        # Folders of the host, that the program may close before somebody wants a copy.
        self._folders = [
            (kept.state["calls"], kept.state["calls"].again())
            for kept in self._memento.kept
            if isinstance(kept.thing, HostFilesystem)
        ]
        _check_files(self._memento)
        self._alive = program.roots.alive()
        self._processor = process.engine.keep()
        # Last: from here on guest memory is shared with what is kept.
        self._space = process.space.keep()

    @property
    def pages(self) -> int:
        """How many pages of guest memory are kept."""
        return self._space.store.pages

    def restore(self) -> None:
        """Bring the program back to it."""
        program = self.program
        process = program.process
        process.kernel.network.close()
        process.kernel.outside.forget()
        alive = program.roots.alive()
        self._memento.restore()
        process.space.show(self._space)
        process.engine.show(self._processor)
        alive = {slot: n for slot, n in alive.items() if self._alive.get(slot) == n}
        program.roots.went_back(alive)

    def copy(self) -> Program:
        """Another program in this state, with a processor and memory of its own."""
        old = self.program.process
        engine = make_engine(old.kernel.sandbox)
        try:
            if self._plan is None:
                replaced = (*_parts(old.engine), old.kernel.watchdog, old.kernel.outside)
                folders = (folder for folder, _ in self._folders)
                self._plan = Plan(self._memento, (*replaced, *folders))
            folders = (folder.again() for _, folder in self._folders)
            parts = (*_parts(engine), Watchdog(), Outside(), *folders)
            program: Program = self._plan.copy(engine, parts, self.program)
            program.process.kernel.attach()
            engine.space.show(self._space)
            engine.show(self._processor)
            program.roots.went_back({})
        except BaseException:
            engine.close()
            engine.space.physical.close()
            raise
        return program


def _parts(engine: Engine) -> list[Any]:
    """What each machine has of its own from the start."""
    space, memory = engine.space, engine.space.physical
    return [
        engine, engine.stops, engine.handle, space, space.tables,
        memory, memory.bytes, memory.words,
    ]  # fmt: skip


def _check_host(kernel: Kernel) -> None:
    network = kernel.network
    if network.listening:
        kind, _, host = network.listening[0]
        raise SnapshotError(
            f"the plugin listens on the host ({kind} {host[0]}:{host[1]}): a snapshot cannot hold a"
            " listener of the host; take it before the plugin listens"
        )
    if kernel.outside.active or network.checked:
        raise SnapshotError(
            "the plugin has a connection to the host, or to a handler in Python: a snapshot cannot"
            " hold the other side; take it before the plugin connects, or when it is done"
        )


def _check_files(memento: Memento) -> None:
    for kept in memento.kept:
        if isinstance(kept.thing, HostFile) and kept.thing.is_open:
            raise SnapshotError(
                f"the plugin has a file of the host open ({kept.thing.name}): what is in it, and"
                " whether it is still there, is not the machine's; take the snapshot when it is"
                " closed, or give the plugin the file with Sandbox(files=...)"
            )
