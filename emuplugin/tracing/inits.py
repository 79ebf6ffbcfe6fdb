"""Package initialisation: when the init functions of each package run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emuplugin.cpu.hooks import Hooks
from emuplugin.runtime_shims.inits import package_of

from .code import returns
from .events import InitBegins, InitEnds
from .guest import TracedGuest, TracedModule
from .observer import FS_BASE, RIP, Observer

if TYPE_CHECKING:
    from .recorder import Recorder


@dataclass(slots=True)
class _Task:
    """A package's init task: ``state`` is its address, where the runtime counts from 0 to 2."""

    state: int
    package: str
    functions: tuple[str, ...]
    began: int = 0


class Inits(Observer):
    """The functions that init tasks name (``moduledata.inittasks``: {state, count, functions})."""

    def __init__(self, recorder: Recorder, guest: TracedGuest) -> None:
        super().__init__(recorder, guest)
        self._first: dict[int, _Task] = {}
        self._last: dict[int, _Task] = {}
        self._seen: set[int] = set()

    def install(self, hooks: Hooks) -> None:
        self._hooks = hooks
        for module in self.guest.modules:
            self._add(module)
        hooks.points([*self._first, *self._last], self._reached)

    def _add(self, module: TracedModule) -> None:
        memory = self.guest.memory
        at = module.get("inittasks.array")
        for index in range(module.get("inittasks.len")):
            task = memory.read_u64(at + 8 * index)
            if task in self._seen:
                continue
            self._seen.add(task)
            count = memory.read_u32(task + 4)
            if memory.read_u32(task) or not count:
                continue
            entries = [memory.read_u64(task + 8 + 8 * number) for number in range(count)]
            found = [module.table.find(entry) for entry in entries]
            functions = [function for function in found if function is not None]
            if not functions:
                continue
            package = package_of(functions[0].name)
            package = "main" if package == module.plugin_path else package
            names = tuple(module.code.name(function.name) for function in functions)
            told = _Task(task, package, names)
            self._first[entries[0]] = told
            for place in returns(self.guest, functions[-1]):
                self._last[place] = told

    def _reached(self) -> None:
        values = self.registers.load()
        rip = values[RIP]
        goroutine = self.guest.goroutine(self.g(values[FS_BASE]))
        task = self._first.get(rip)
        if task is not None:
            executed = self._hooks.executed_before(rip)
            if task.began:
                return  # the stack was too small: it begins once more
            task.began = executed
            moment = self.moment(executed, goroutine)
            self.emit(InitBegins(*moment, task.package, task.functions))
        # A function that does nothing begins with its end.
        task = self._last.get(rip)
        if task is not None and task.began:
            executed = self._stops.executed - 1
            moment = self.moment(executed, goroutine)
            self.emit(InitEnds(*moment, task.package, executed - task.began))
