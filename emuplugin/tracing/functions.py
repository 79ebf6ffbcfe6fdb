"""Places in the code of a machine: which function, file and line an address belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from emuplugin.elf.pclntab import Func, PclnTable
from emuplugin.errors import FormatError
from emuplugin.inspection.names import readable

from .events import Frame, Stack

NOWHERE = Frame("", "", 0, 0)


@dataclass(frozen=True)
class ModuleCode:
    """The code of one opened file. ``path`` is the file's, ``plugin_path`` Go's name of the plugin;
    ``base`` is what was added to the addresses in the file, ``end`` lies behind the last byte;
    ``text`` and ``etext`` enclose Go's code."""

    path: str
    plugin_path: str
    base: int
    end: int
    text: int
    etext: int
    table: PclnTable = field(repr=False, compare=False)

    def name(self, function: str) -> str:
        """A linker's name as the source has it: the plugin's main package is ``main``."""
        name = readable(function)
        path = f"{self.plugin_path}."
        if name.startswith(path):
            return f"main.{name[len(path) :]}"
        return name.replace(path, "main.") if self._unnamed else name

    @property
    def _unnamed(self) -> bool:
        """Whether its path is one that cmd/go made up, which is in no other name by chance."""
        return self.plugin_path.startswith("plugin/unnamed-")


class FunctionTable:
    """The functions of all files of a machine, by guest address. It outlives the machine."""

    def __init__(self, modules: Sequence[ModuleCode] = ()) -> None:
        self.modules = tuple(modules)
        self._found: dict[int, Stack] = {}

    def __repr__(self) -> str:
        count = sum(len(module.table) for module in self.modules)
        return f"<FunctionTable: {count} functions in {len(self.modules)} files>"

    def __iter__(self) -> Iterator[Func]:
        for module in self.modules:
            yield from module.table

    def module(self, pc: int) -> ModuleCode | None:
        """The file that the code at ``pc`` came from."""
        for module in self.modules:
            if module.base <= pc < module.end:
                return module
        return None

    def function(self, pc: int) -> Func | None:
        """The function whose code ``pc`` lies in."""
        module = self.module(pc)
        return None if module is None else module.table.find(pc)

    def frames(self, pc: int) -> Stack:
        """The places at ``pc``: inlined calls first, the function whose code it is last; empty
        outside of Go's code. Pass a return address minus one: it belongs to the next instruction.
        """
        found = self._found.get(pc)
        if found is None:
            module = self.module(pc)
            try:
                frames = () if module is None else module.table.frames(pc)
            except FormatError:  # of a damaged table: the place is not known
                frames = ()
            if module is not None:
                name = module.name
                found = tuple(Frame(name(f.function), f.file, f.line, pc) for f in frames)
            else:
                found = ()
            self._found[pc] = found
        return found

    def name(self, function: Func) -> str:
        """A function's name as the source has it."""
        module = self.module(function.entry)
        return function.name if module is None else module.name(function.name)

    def frame(self, pc: int) -> Frame:
        """The innermost place at ``pc``, with an empty name outside of Go's code."""
        frames = self.frames(pc)
        return frames[0] if frames else NOWHERE._replace(pc=pc)


def short_name(function: str) -> str:
    """Without the path in front of the package: ``http.(*Server).Serve``."""
    bracket = function.find("[")
    return function[function.rfind("/", 0, bracket if bracket >= 0 else None) + 1 :]
