"""One run of a plugin, with all that is noted of it for the story."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from emuplugin.cpu.address_space import Area
from emuplugin.cpu.calling import CallLayout, assign
from emuplugin.cpu.memory import GuestMemoryError, Memory
from emuplugin.elf.file import ElfFile
from emuplugin.errors import ConversionError, EmupluginError, InitError
from emuplugin.inspection import Inspection
from emuplugin.inspection.disassembly import disassembled
from emuplugin.machine import Machine
from emuplugin.plugin import Plugin
from emuplugin.report import Report
from emuplugin.runtime_shims.inits import InitTrace
from emuplugin.runtime_shims.program import Module, Program
from emuplugin.sandbox import Sandbox
from emuplugin.tracing.events import Event
from emuplugin.values import Function, Variable
from emuplugin.values.gotype import GoType
from emuplugin.values.names import read_string
from emuplugin.values.shape import shape_of

from .entry import Entry
from .go_text import go_text
from .observation import Observation
from .places import Places
from .sources import Sources
from .start import StartRecord

STEPS: Final = 2000
"""Instructions of the called function that are shown, unless more are asked for."""

PTAB_ENTRY: Final = 8
"""struct ptabEntry {name nameOff, typ typeOff}"""

STUB_BYTES: Final = 64
"""More than the code of a stub for calls has."""

#: From what was found to the arguments of its call: of a variable there are none.
Arguments = Callable[[Variable | Function], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Export:
    """An entry of ``moduledata.ptab``. ``type`` is the descriptor's: of a variable that of a
    pointer to it."""

    name: str
    type: GoType
    address: int

    @property
    def is_function(self) -> bool:
        return self.type.kind == "func"


class Run:
    """A plugin opened, and one of its functions called, under observation.

    ``open_error`` is what an init function failed with, ``call_error`` what the call ended with
    if it did not return, ``results`` what it returned.
    """

    def __init__(
        self,
        path: str,
        sandbox: Sandbox,
        *,
        steps: int,
        into: Sequence[str],
        sources: Sequence[str | os.PathLike[str]] | None,
    ) -> None:
        self.path = path
        self.steps, self.into = steps, tuple(into)
        self.machine = Machine(sandbox)
        self.start = StartRecord()
        self.plugin: Plugin | None = None
        self.name = ""
        self.symbol: Variable | Function | None = None
        self.opening: list[Event] = []
        self.areas: tuple[Area, ...] = ()
        self.observation: Observation | None = None
        self.arguments: tuple[Any, ...] = ()
        self.argument_texts: tuple[str, ...] = ()
        self.open_error: BaseException | None = None
        self.call_error: BaseException | None = None
        self.results: tuple[Any, ...] | None = None
        folders = [Path(path).resolve().parent, Path.cwd()] if sources is None else sources
        self.sources = Sources(folders)

    def close(self) -> None:
        """Free the machine. What was noted stays."""
        self.machine.close()

    # --- what is done -----------------------------------------------------------------------

    def open(self) -> None:
        """Open the plugin. Raises OpenError for files that are none; an init function that fails
        is part of the story."""
        self.machine.life.witness = self.start
        trace = None
        try:
            with self.machine.trace(syscalls=True, goroutines=True, output=True) as trace:
                self.plugin = self.machine.open(self.path)
        except InitError as error:
            self.open_error = error
        self.opening = list(trace) if trace is not None else []
        self.areas = tuple(self.program.process.space)
        # Types can be read only as long as the machine lives, which a call may end.
        for export in self.exports:
            _ = export.type.string if export.is_function else export.type.elem.string

    def call(self, name: str, arguments: Arguments) -> None:
        """Look ``name`` up and, if it is a function, call it. Raises SymbolNotFoundError, and what
        is wrong with the arguments."""
        assert self.plugin is not None, "the plugin is not open"
        symbol: Variable | Function = self.plugin.lookup(name)
        self.name, self.symbol = name, symbol
        self.arguments = tuple(arguments(symbol))
        if not isinstance(symbol, Function):
            if self.arguments:
                raise ConversionError(f"{name} is a variable and takes no arguments")
            return
        self.argument_texts = tuple(map(go_text, self.arguments))
        types = symbol.go_type
        _ = self.call_layout, [go_type.string for go_type in (*types.params, *types.results)]
        observation = Observation(self.program, symbol, self.steps, self.into)
        try:
            with observation.watch(self.machine):
                self.results = symbol.results(*self.arguments)
        except EmupluginError as error:
            if observation.entry is None:
                raise  # the arguments do not fit: nothing was called
            self.call_error = error
        self.observation = observation

    # --- what there is ----------------------------------------------------------------------

    @property
    def program(self) -> Program:
        """The program, also where it has ended."""
        program = self.machine.life.booted
        assert program is not None, "nothing was opened"
        return program

    @property
    def module(self) -> Module:
        return self.program.modules[0]

    @property
    def file(self) -> ElfFile:
        return self.module.image.file

    @property
    def memory(self) -> Memory:
        return self.program.process.memory

    @property
    def plugin_path(self) -> str:
        return self.module.plugin_path

    @property
    def relocations(self) -> Mapping[str, int]:
        """How many of each kind were applied."""
        return self.module.image.relocations

    @property
    def init_trace(self) -> Sequence[InitTrace]:
        return self.module.init_trace

    @property
    def booted_at(self) -> int:
        """How many instructions had been executed when the runtime was up."""
        last = self.start.steps[-1].step
        return last.began + last.instructions

    @cached_property
    def places(self) -> Places:
        return Places(self.program)

    @cached_property
    def inspection(self) -> Inspection:
        """The file, to disassemble functions of it."""
        return Inspection(self.file)

    @cached_property
    def exports(self) -> tuple[Export, ...]:
        """What Lookup finds, in the order of the table."""
        if self.plugin is None:
            return ()
        types, at = self.module.get("types"), self.module.get("ptab.array")
        found = []
        for entry in range(at, at + PTAB_ENTRY * self.module.get("ptab.len"), PTAB_ENTRY):
            name = read_string(self.memory, types + self.memory.read_i32(entry))
            descriptor = types + self.memory.read_i32(entry + 4)
            go_type = self.machine.context.types.at(descriptor)
            found.append(Export(name, go_type, self.plugin.lookup(name).address))
        return tuple(found)

    @property
    def function(self) -> Function | None:
        """What was called."""
        return self.symbol if isinstance(self.symbol, Function) else None

    @property
    def report(self) -> Report:
        """What the machine did."""
        return self.machine.report

    @cached_property
    def trampoline(self) -> tuple[str, tuple[str, ...]]:
        """The name and the code of the stub that the function returned to."""
        stub = next(
            stub
            for stub in self.program.runtime.stubs.calls
            if self.call_layout.stack_size <= stub.room
        )
        code = self.memory.read(stub.entry, STUB_BYTES)
        lines = []
        for at, text in disassembled(code, stub.entry):
            mark = "  # the called function returns here" if at == stub.back else ""
            lines.append(f"{at:#x}  {text}{mark}")
            if text.startswith("jmp"):
                break
        return f"emuplugin.call{stub.room}", tuple(lines)

    @property
    def entry(self) -> Entry | None:
        return None if self.observation is None else self.observation.entry

    @property
    def call_text(self) -> str:
        """``Div(7, 2)``."""
        return f"{self.name}({', '.join(self.argument_texts)})"

    @cached_property
    def call_layout(self) -> CallLayout:
        """Where the called function's parameters and results travel."""
        assert self.function is not None
        go_type = self.function.go_type
        return assign(
            [shape_of(param) for param in go_type.params],
            [shape_of(result) for result in go_type.results],
        )

    def readable(self, text: str) -> str:
        """Names of the main package as its source has them."""
        return text.replace(f"{self.plugin_path}.", "main.")

    def peek(self, address: int, size: int) -> bytes:
        """Guest memory, empty where there is none."""
        try:
            return self.memory.read(address, size)
        except GuestMemoryError:
            return b""
