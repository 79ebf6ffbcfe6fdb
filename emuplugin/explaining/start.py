"""What is noted of a program's start: memory as it was mapped, relocations, the boot's steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from emuplugin.cpu.address_space import Area
from emuplugin.elf.file import ElfFile
from emuplugin.elf.relocation_kinds import KINDS, R_X86_64_RELATIVE
from emuplugin.errors import FormatError
from emuplugin.runtime_shims.boot import BootStep
from emuplugin.runtime_shims.image import Image
from emuplugin.runtime_shims.process import Process

EXAMPLES: Final = 4
"""Relocations of each kind that are shown."""


@dataclass(frozen=True, slots=True)
class Relocation:
    """One that was applied: its kind's name; where, as guest address; the bytes there in the file
    (None where the file has none) and in memory; the symbol's name, "" without one."""

    kind: str
    place: int
    before: bytes | None
    after: bytes
    symbol: str
    defined: bool
    addend: int


@dataclass(frozen=True, slots=True)
class Written:
    """A variable or field that a step of the boot has set."""

    name: str
    address: int
    size: int
    value: int


@dataclass(frozen=True, slots=True)
class Called:
    """A function of the runtime that a step of the boot has called."""

    name: str
    arguments: tuple[int, ...]
    result: int


@dataclass(slots=True)
class StepRecord:
    """A step of the boot with what it did, in order."""

    step: BootStep
    wrote: list[Written] = field(default_factory=list)
    called: list[Called] = field(default_factory=list)


class StartRecord:
    """A :class:`~emuplugin.runtime_shims.witness.Witness` that keeps all it is told.

    ``base`` is where the plugin lies, ``areas`` is the memory when it had just been mapped.
    """

    def __init__(self) -> None:
        self.base = 0
        self.areas: tuple[Area, ...] = ()
        self.relocations: list[Relocation] = []
        self.bound: dict[str, int] = {}
        self.steps: list[StepRecord] = []
        self._wrote: list[Written] = []
        self._called: list[Called] = []

    def mapped(self, process: Process, image: Image) -> None:
        self.base = image.base
        self.areas = tuple(process.space)
        self.relocations = list(_examples(image.file, process, image.base))

    def wrote(self, name: str, address: int, size: int, value: int) -> None:
        self._wrote.append(Written(name, address, size, value & ((1 << 8 * size) - 1)))

    def called(self, name: str, arguments: Sequence[int], result: int) -> None:
        self._called.append(Called(name, tuple(arguments), result))

    def stepped(self, step: BootStep) -> None:
        self.steps.append(StepRecord(step, self._wrote, self._called))
        self._wrote, self._called = [], []


def _examples(file: ElfFile, process: Process, base: int) -> Iterator[Relocation]:
    """Some relocations of each kind, from the whole table, with the bytes as they are now."""
    table = file.relocations
    types, offsets, addends = table.types, table.offsets, table.addends
    symbols = table.symbols
    for number in sorted(set(types)):
        at = -1
        places = []
        while (at := types.find(number, at + 1)) >= 0:
            places.append(at)
        for index in _spread(places):
            symbol = file.symbols[symbols[index]] if symbols[index] else None
            yield _example(
                file,
                process,
                base,
                number,
                offsets[index],
                symbol.name if symbol else "",
                symbol is None or symbol.defined,
                addends[index],
            )
    for offset in _spread(table.relative_offsets()):
        before = _in_file(file, offset, 8)
        addend = int.from_bytes(before or b"", "little")
        yield _example(file, process, base, R_X86_64_RELATIVE, offset, "", True, addend)


def _spread(places: list[int]) -> list[int]:
    """Some of them, the first and the last included."""
    if len(places) <= EXAMPLES:
        return places
    step = (len(places) - 1) / (EXAMPLES - 1)
    return [places[round(step * index)] for index in range(EXAMPLES)]


def _example(
    file: ElfFile,
    process: Process,
    base: int,
    number: int,
    offset: int,
    symbol: str,
    defined: bool,
    addend: int,
) -> Relocation:
    kind = KINDS[number]
    after = process.memory.read(base + offset, kind.width)
    before = _in_file(file, offset, kind.width)
    return Relocation(kind.name, base + offset, before, after, symbol, defined, addend)


def _in_file(file: ElfFile, vaddr: int, size: int) -> bytes | None:
    try:
        return bytes(file.read_vaddr(vaddr, size))
    except FormatError:
        return None
