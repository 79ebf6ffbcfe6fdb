"""Package initialisation: the init tasks of a module, in the linker's order.

``moduledata.inittasks`` is a slice of pointers to {state uint32, nfns uint32, fns [nfns]pc}
(``runtime/proc.go: doInit1``), sorted so that a package comes after those that it imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from emuplugin.cpu.memory import Memory
from emuplugin.elf.pclntab import PclnTable

from .goruntime import GoRuntime

_NOT_STARTED, _STARTED, _DONE = 0, 1, 2


class InitTask(NamedTuple):
    """One package's task: ``address`` of its state, and the functions' entry points."""

    address: int
    functions: tuple[int, ...]

    def run(self, memory: Memory, call: Callable[[int], bool]) -> bool:
        """Run the functions and keep the task's state as the runtime would. ``call`` tells whether
        a function returned; False as soon as one did not."""
        memory.write_u32(self.address, _STARTED)
        if not all(map(call, self.functions)):
            return False
        memory.write_u32(self.address, _DONE)
        return True

    def names(self, functions: PclnTable) -> tuple[str, tuple[str, ...]]:
        """The package and the functions' names."""
        found = [functions.find(entry) for entry in self.functions]
        names = tuple(function.name for function in found if function is not None)
        return package_of(names[0]) if names else "", names


def package_of(function: str) -> str:
    """``net/http`` for its ``net/http.init`` and ``net/http.init.0.func1``.

    Symbol names have dots in a path's last element, and some more characters, as ``%2e``
    (cmd/internal/objabi: PathToPrefix).
    """
    return unquote(function[: function.rfind(".init")])


@dataclass(frozen=True, slots=True)
class InitTrace:
    """What initialising one package took, as ``GODEBUG=inittrace=1`` tells it.

    ``functions`` are Go's names; ``seconds`` is host time; ``bytes`` and ``allocations`` are of
    the heap, counted by the runtime; ``instructions`` were executed by the guest.
    """

    package: str
    functions: tuple[str, ...]
    seconds: float
    bytes: int
    allocations: int
    instructions: int


def init_tasks(runtime: GoRuntime, moduledata: int) -> Iterator[InitTask]:
    """The tasks of a module that were not run yet, in order."""
    memory = runtime.memory
    at = runtime.get_at(moduledata, "runtime.moduledata", "inittasks.array")
    for index in range(runtime.get_at(moduledata, "runtime.moduledata", "inittasks.len")):
        task = memory.read_u64(at + 8 * index)
        state, count = memory.read_u32(task), memory.read_u32(task + 4)
        if state == _NOT_STARTED:
            yield InitTask(
                task, tuple(memory.read_u64(task + 8 + 8 * function) for function in range(count))
            )


class AllocationCounter:
    """The runtime's own counter of what init functions allocate (``runtime.inittrace``)."""

    def __init__(self, runtime: GoRuntime, goroutine: int) -> None:
        self._runtime = runtime
        self._known = runtime.has_field("runtime.inittrace", "active")
        if self._known:
            runtime.set("runtime.inittrace", runtime.get_at(goroutine, "runtime.g", "goid"), "id")
            runtime.set("runtime.inittrace", 1, "active")
            # mallocgc looks at inittrace only behind this switch.
            runtime.set_if_present("runtime.debug", 1, "malloc")

    def read(self) -> tuple[int, int]:
        """Bytes and allocations so far."""
        if not self._known:
            return 0, 0
        runtime = self._runtime
        return runtime.get("runtime.inittrace", "bytes"), runtime.get("runtime.inittrace", "allocs")

    def stop(self) -> None:
        if self._known:
            self._runtime.set("runtime.inittrace", 0, "active")
            self._runtime.set_if_present("runtime.debug", 0, "malloc")
