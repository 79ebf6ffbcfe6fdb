"""The function table, compared with what the compiler wrote independently: symbols and DWARF."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from elftools.dwarf.callframe import FDE
from elftools.dwarf.descriptions import describe_form_class
from elftools.elf.elffile import ELFFile

from emuplugin.elf.file import ElfFile
from emuplugin.elf.pclntab import PclnTable
from emuplugin.errors import FormatError
from tests.conftest import PluginPath
from tests.elf.images import open_pclntab

PACKAGES = {"strconv", "sync", "internal/fmtsort", "main", "example.com/hello"}
"""Packages whose DWARF is walked: reading all of it takes minutes."""


class Loaded(NamedTuple):
    path: Path
    file: ElfFile
    table: PclnTable


@pytest.fixture(scope="module")
def loaded(plugin_path: PluginPath, go_version: str) -> Loaded:
    path = plugin_path("hello", go_version)
    file = ElfFile.open(path)
    assert file.static_symbols is not None
    return Loaded(path, file, open_pclntab(file, file.static_symbols.address("go:func.*")))


def test_functions_are_those_of_the_symbol_table(loaded: Loaded) -> None:
    names: dict[int, set[str]] = {}
    ends: dict[int, int] = {}
    for symbol in loaded.file.static_symbols or ():
        if symbol.type == 2 and symbol.defined:
            # Assembly has ".abi0" in the linker's name only.
            plain = symbol.name.removeprefix("local.").removesuffix(".abi0")
            names.setdefault(symbol.value, set()).add(plain)
            ends[symbol.value] = symbol.value + symbol.size
    functions = list(loaded.table)
    assert len(functions) == len(loaded.table) > 2000
    assert [f.entry for f in functions] == sorted(f.entry for f in functions)
    for function in functions:
        assert function.entry in names
        assert function.end >= ends[function.entry]
        # The linker shortens the symbols of type functions to a hash.
        if not function.name.startswith("type:."):
            assert function.name in names[function.entry]


def test_find_by_any_address_of_a_function(loaded: Loaded) -> None:
    draw = random.Random(7)
    functions = list(loaded.table)
    for function in draw.sample(functions, 300):
        for pc in (function.entry, draw.randrange(function.entry, function.end), function.end - 1):
            found = loaded.table.find(pc)
            assert found is not None
            assert found.entry == function.entry
    assert loaded.table.find(functions[0].entry - 1) is None
    assert loaded.table.find(functions[-1].end) is None
    assert loaded.table.find(-1) is None
    assert loaded.table.frames(0) == ()


def dwarf_frames(path: Path) -> Iterator[tuple[int, int]]:
    """Addresses and the distance from the stack pointer to the canonical frame address there."""
    with path.open("rb") as stream:
        dwarf = ELFFile(stream).get_dwarf_info()
        for entry in dwarf.CFI_entries():
            if isinstance(entry, FDE):
                for row in entry.get_decoded().table:
                    yield row["pc"], row["cfa"].offset


def test_frame_sizes_are_those_of_dwarf(loaded: Loaded) -> None:
    compared = 0
    for pc, offset in dwarf_frames(loaded.path):
        function = loaded.table.find(pc)
        assert function is not None
        if pc < function.end:
            # DWARF counts to the address after the return address.
            assert function.pcsp(pc) + 8 == offset, (function.name, hex(pc))
            compared += 1
    assert compared > 10_000


def compile_units(dwarf: Any) -> Iterator[tuple[Any, Any]]:
    for unit in dwarf.iter_CUs():
        top = unit.get_top_DIE()
        if top.attributes["DW_AT_name"].value.decode() in PACKAGES:
            yield unit, top


def file_names(program: Any) -> list[str]:
    """The base names of the files that a line program counts: from 1 on until DWARF 5."""
    names = [entry.name.decode().rpartition("/")[2] for entry in program.header.file_entry]
    return names if program.header.version >= 5 else ["", *names]


def test_lines_are_those_of_dwarf(loaded: Loaded) -> None:
    compared = 0
    with loaded.path.open("rb") as stream:
        dwarf = ELFFile(stream).get_dwarf_info()
        for unit, _ in compile_units(dwarf):
            program: Any = dwarf.line_program_for_CU(unit)
            names = file_names(program)
            states = [entry.state for entry in program.get_entries() if entry.state]
            for state, following in pairwise(states):
                if state.end_sequence or following.address == state.address:
                    continue
                (frame, *_) = loaded.table.frames(state.address)
                assert frame.file.rpartition("/")[2] == names[state.file], hex(state.address)
                assert frame.line == state.line, hex(state.address)
                compared += 1
    assert compared > 2000


class Inlined(NamedTuple):
    """A range of code that belongs to inlined calls: (function, line of its call), innermost
    first, and the function that they were inlined into."""

    start: int
    end: int
    calls: tuple[tuple[str, int], ...]
    outermost: str


def test_inlined_calls_are_those_of_dwarf(loaded: Loaded) -> None:
    compared = deepest = 0
    with loaded.path.open("rb") as stream:
        dwarf = ELFFile(stream).get_dwarf_info()
        for unit, top in compile_units(dwarf):
            for function in top.iter_children():
                if function.tag == "DW_TAG_subprogram" and "DW_AT_low_pc" in function.attributes:
                    places = list(inlined_places(dwarf, unit, top, function, (), name_of(function)))
                    for place in places:
                        for pc in (place.start, place.end - 1):
                            inner = max(
                                (p for p in places if p.start <= pc < p.end),
                                key=lambda p: len(p.calls),
                            )
                            frames = loaded.table.frames(pc)
                            assert [f.function for f in frames] == [
                                *(name for name, _ in inner.calls),
                                inner.outermost,
                            ]
                            assert [f.line for f in frames[1:]] == [ln for _, ln in inner.calls]
                            assert [f.inlined for f in frames] == [True] * len(inner.calls) + [
                                False
                            ]
                            deepest = max(deepest, len(frames))
                            compared += 1
    assert compared > 500
    assert deepest >= 3


def inlined_places(
    dwarf: Any, unit: Any, top: Any, die: Any, outer: tuple[tuple[str, int], ...], function: str
) -> Iterator[Inlined]:
    for child in die.iter_children():
        if child.tag == "DW_TAG_inlined_subroutine":
            line = child.attributes["DW_AT_call_line"].value
            calls = ((name_of(child), line), *outer)
            for start, end in ranges(dwarf, unit, top, child):
                yield Inlined(start, end, calls, function)
            yield from inlined_places(dwarf, unit, top, child, calls, function)
        elif child.tag == "DW_TAG_lexical_block":
            yield from inlined_places(dwarf, unit, top, child, outer, function)


def name_of(die: Any) -> str:
    if "DW_AT_abstract_origin" in die.attributes:
        die = die.get_DIE_from_attribute("DW_AT_abstract_origin")
    return str(die.attributes["DW_AT_name"].value.decode())


def ranges(dwarf: Any, unit: Any, top: Any, die: Any) -> Iterator[tuple[int, int]]:
    if "DW_AT_ranges" not in die.attributes:
        low, high = die.attributes["DW_AT_low_pc"].value, die.attributes["DW_AT_high_pc"]
        absolute = describe_form_class(high.form) == "address"
        yield low, high.value if absolute else low + high.value
        return
    base = top.attributes["DW_AT_low_pc"].value if "DW_AT_low_pc" in top.attributes else 0
    where = die.attributes["DW_AT_ranges"].value
    for entry in dwarf.range_lists().get_range_list_at_offset(where, unit):
        if type(entry).__name__ == "BaseAddressEntry":
            base = entry.base_address
        elif getattr(entry, "is_absolute", False):
            yield entry.begin_offset, entry.end_offset
        else:
            yield base + entry.begin_offset, base + entry.end_offset


def test_stripped_plugin_has_the_same_functions(
    loaded: Loaded, plugin_path: PluginPath, go_version: str
) -> None:
    stripped = open_pclntab(ElfFile.open(plugin_path("hello", go_version, stripped=True)))
    assert {f.name for f in loaded.table} == {f.name for f in stripped}
    by_name = {function.name: function for function in stripped}
    function = by_name["fmt.Fprintf"]
    assert function.start_file == "fmt/print.go"  # -trimpath
    assert function.line(function.entry) == function.start_line > 0
    assert function.args >= 0


def test_without_gofunc_nothing_looks_inlined(loaded: Loaded) -> None:
    table = open_pclntab(loaded.file)
    for function in list(table)[::50]:
        frames = table.frames(function.entry)
        assert [frame.function for frame in frames] == [function.name]


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (0, 0xFFFFFFF0, "magic number 0xfffffff0"),
        (8, 1 << 40, "too short for"),
        (64, 1 << 40, "cut off"),
    ],
)
def test_corrupt_header(loaded: Loaded, offset: int, value: int, message: str) -> None:
    word = loaded.file.relocations.word_at
    assert loaded.file.static_symbols is not None
    header = word(loaded.file.static_symbols.address("local.moduledata"))
    data = bytearray(loaded.file.read_from(header))
    width = 4 if offset == 0 else 8
    data[offset : offset + width] = value.to_bytes(width, "little")
    with pytest.raises(FormatError, match=message):
        PclnTable(bytes(data), 0)
    with pytest.raises(FormatError, match="cut off"):
        PclnTable(bytes(data[:40]), 0)
