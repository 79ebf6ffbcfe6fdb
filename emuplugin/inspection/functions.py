"""Functions: where their code lies and which source it was made from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from emuplugin.elf.constants import SHN_UNDEF
from emuplugin.elf.pclntab import Frame, Func
from emuplugin.elf.symbols import SymbolTable
from emuplugin.inspection.module import Module
from emuplugin.inspection.names import package_of

GO: Final = "Go"
ASSEMBLY: Final = "assembly"
C: Final = "C"
GENERATED: Final = "generated"

_INT3: Final = b"\xcc"
_JMP_SHORT: Final = b"\xeb"
_STT_FUNC: Final = 2
_PADDING: Final = 64


@dataclass(frozen=True)
class InlinedCall:
    """A call that the compiler merged into its caller: the callee, and the line of the call in
    the function that the callee was merged into (-1 where the tables don't tell)."""

    function: str
    line: int


@dataclass(frozen=True)
class Function:
    """A function in the plugin's code.

    ``name`` is the linker's: the import path, with ``%2e`` for dots in its last element, and the
    function. ``size`` is in bytes, without the padding behind it. ``language`` is ``Go``,
    ``assembly``, ``C``, or ``generated`` for what the compiler made without a source (wrappers,
    comparisons). ``line`` is the line that the function begins on (in assembly that of its
    first instruction), 0 where there is none.
    """

    name: str
    package: str
    address: int
    size: int
    file: str
    line: int
    language: str
    _func: Func | None = field(default=None, repr=False, compare=False)

    @property
    def end(self) -> int:
        """The address after the last byte."""
        return self.address + self.size

    @cached_property
    def end_line(self) -> int:
        """The last line of the function's own code: inlined calls do not count, and neither does a
        closing brace that makes no code."""
        if self._func is None:
            return self.line
        func, end, last = self._func, self.end, self.line
        inlined = _Stretches(
            (start, stop) for start, stop, index in func.inline_indices() if index >= 0
        )
        elsewhere = _Stretches(
            (start, stop) for start, stop, file in func.files() if file != self.file
        )
        for start, _stop, line in func.lines():
            if last < line and start < end and start not in inlined and start not in elsewhere:
                last = line
        return last

    @cached_property
    def inlined(self) -> tuple[InlinedCall, ...]:
        """The calls that were merged into this function, outer ones first."""
        if self._func is None:
            return ()
        calls = self._func.inlined()
        if not calls:
            return ()
        stretches = list(self._func.lines())
        starts = [start for start, _, _ in stretches]
        found = []
        for call in calls:
            at = bisect_right(starts, call.parent_pc) - 1
            inside = at >= 0 and call.parent_pc < stretches[at][1]
            found.append(InlinedCall(call.function, stretches[at][2] if inside else -1))
        return tuple(found)

    @cached_property
    def inlined_names(self) -> frozenset[str]:
        """The functions that were merged into this one."""
        return (
            frozenset(call.function for call in self._func.inlined()) if self._func else frozenset()
        )

    def line_ranges(self) -> Iterator[tuple[int, int, int]]:
        """Stretches of code and their source lines: (start, end, line)."""
        return iter(()) if self._func is None else self._func.lines()

    def file_ranges(self) -> Iterator[tuple[int, int, str]]:
        """Stretches of code and their source files."""
        return iter(()) if self._func is None else self._func.files()

    def frames(self, address: int) -> tuple[Frame, ...]:
        """The source positions of the instruction at ``address``: inlined calls first, this
        function last. Empty for C code."""
        return () if self._func is None else self._func.frames(address)

    def position(self, address: int) -> tuple[str, int]:
        """The source file and line of the instruction at ``address``."""
        if self._func is None:
            return "", 0
        return self._func.file(address), self._func.line(address)


class _Stretches:
    """Ranges of addresses in ascending order."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._ranges = list(ranges)
        self._starts = [start for start, _ in self._ranges]

    def __contains__(self, address: int) -> bool:
        at = bisect_right(self._starts, address) - 1
        return at >= 0 and address < self._ranges[at][1]


def go_functions(module: Module) -> Iterator[Function]:
    """The functions of the Go function table, by address."""
    code = bytes(module.image.view(module.text, module.etext - module.text))
    base = module.text
    for func in module.functions:
        entry, end = func.entry, min(func.end, module.etext)
        start = max(entry, end - _PADDING)
        padded = code[start - base : end - base]
        body = padded.rstrip(_INT3)
        if _ends_in_jump(body) and len(body) < len(padded):
            body += _INT3  # JMP -52: the displacement looks like padding
        file = func.start_file
        line = func.start_line
        if file == "<autogenerated>" or file == "?":
            language = GENERATED
        elif file.endswith(".s"):
            language, line = ASSEMBLY, func.line(entry)
        else:
            language = GO
        name = func.name
        yield Function(
            name,
            package_of(name),
            entry,
            max(start + len(body) - entry, 0),
            "" if file == "?" else file,
            max(line, 0),
            language,
            func,
        )


def _ends_in_jump(code: bytes) -> bool:
    """Whether the last byte begins a short jump; in ``eb eb`` it is the displacement of one."""
    return code.endswith(_JMP_SHORT) and not code.endswith(_JMP_SHORT * 2)


def c_functions(module: Module) -> Iterator[Function]:
    """Functions outside Go's code that the symbol tables name: C, and what the C linker adds."""
    seen: set[int] = set()
    tables = (module.file.symbols, module.file.static_symbols)
    for symbol in (s for table in tables if table is not None for s in _code_symbols(table)):
        name, address, size = symbol
        if module.text <= address < module.etext or address in seen:
            continue
        if module.image.segment_at(address, max(size, 1)) is None:
            continue
        seen.add(address)
        yield Function(name, "", address, size, "", 0, C)


def _code_symbols(table: SymbolTable) -> Iterator[tuple[str, int, int]]:
    for index, head in enumerate(table.heads):
        if head >> 32 & 15 == _STT_FUNC and head >> 48 != SHN_UNDEF:
            symbol = table[index]
            yield symbol.name, symbol.value, symbol.size
