"""DWARF as a source of layouts, checked against pyelftools, symbol sizes and the tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emuplugin.elf.file import ElfFile
from emuplugin.errors import FormatError
from emuplugin.runtime_shims.layouts import Layout
from emuplugin.runtime_shims.layouts.dwarf import layout_from_dwarf, layout_from_sections
from tests.conftest import PluginPath

SECTIONS = (".debug_info", ".debug_abbrev", ".debug_str", ".debug_line_str")
LAYOUT_OF_A_PLUGIN = 150  # structs, at least, that the smallest plugin's DWARF has


@pytest.fixture
def hello(plugin_path: PluginPath, go_version: str) -> Path:
    return plugin_path("hello", go_version)


@pytest.fixture
def found(hello: Path, go_version: str) -> Layout:
    layout = layout_from_dwarf(ElfFile.open(hello), f"go{go_version}")
    assert layout is not None
    return layout


def test_a_plugins_own_dwarf_agrees_with_the_table(found: Layout, go_version: str) -> None:
    table = Layout.for_version(f"go{go_version}")
    for part, entries in found.parts().items():
        expected = table.parts()[part]
        common = entries.keys() & expected.keys()
        assert len(common) > 0.9 * len(entries)  # the reference plugin reaches (nearly) all
        assert {name: entries[name] for name in common} == {name: expected[name] for name in common}


def test_sizes_of_variables_are_those_of_their_symbols(hello: Path, found: Layout) -> None:
    with hello.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(symbols, SymbolTableSection)
        sizes = {
            symbol.name: symbol["st_size"]
            for symbol in symbols.iter_symbols()
            if symbol["st_info"]["type"] == "STT_OBJECT"
        }
    names = [name for name in found.parts()["variables"] if name in sizes]
    assert len(names) > 150
    assert {"runtime.mheap_", "runtime.sched", "runtime.debug", "internal/cpu.X86"} <= set(names)
    wrong = {name for name in names if found.size(found.variable(name)) != sizes[name]}
    assert wrong == {"runtime.islibrary"}  # a bool, but the linker makes the symbol longer


def test_structs_are_as_pyelftools_reads_them(hello: Path, found: Layout) -> None:
    compared = 0
    with hello.open("rb") as file:
        for unit in ELFFile(file).get_dwarf_info(relocate_dwarf_sections=False).iter_CUs():
            if unit.get_top_DIE().attributes["DW_AT_name"].value != b"runtime":
                continue
            for die in unit.get_top_DIE().iter_children():
                if die.tag != "DW_TAG_structure_type":
                    continue
                name = die.attributes["DW_AT_name"].value.decode()
                if name not in found.parts()["structs"]:
                    continue
                assert found.size(name) == die.attributes["DW_AT_byte_size"].value
                offsets = {
                    member.attributes["DW_AT_name"].value.decode(): member.attributes[
                        "DW_AT_data_member_location"
                    ].value
                    for member in die.iter_children()
                }
                assert {key: field.offset for key, field in found.fields(name).items()} == offsets
                compared += 1
    assert compared > LAYOUT_OF_A_PLUGIN


def test_a_stripped_plugin_has_none(plugin_path: PluginPath, go_version: str) -> None:
    stripped = plugin_path("hello", go_version, stripped=True)
    assert layout_from_dwarf(ElfFile.open(stripped), "go1.99.1") is None


@pytest.mark.parametrize(
    ("start", "content", "reason"),
    [
        (24, bytes(1000), "is compressed and corrupt"),
        (0, b"\2", "compressed in the unknown way 2"),
        (8, b"\xff" * 8, "is compressed and corrupt|holds .* bytes, not"),
    ],
)
def test_a_section_that_cannot_be_decompressed_is_a_format_error(
    hello: Path, start: int, content: bytes, reason: str
) -> None:
    offset = ElfFile.open(hello).sections[".debug_info"].offset + start
    damaged = bytearray(hello.read_bytes())
    damaged[offset : offset + len(content)] = content
    with pytest.raises(FormatError, match=reason):
        layout_from_dwarf(ElfFile(damaged), "go1.99.1")


@pytest.fixture
def sections(hello: Path) -> list[bytes]:
    with hello.open("rb") as file:
        found = [ELFFile(file).get_section_by_name(name) for name in SECTIONS]
        return [section.data() if section else b"" for section in found]


@pytest.mark.parametrize("length", [0, 1, 10, 1000])
def test_dwarf_cut_short_is_a_format_error_or_holds_nothing(
    sections: list[bytes], length: int
) -> None:
    info, *others = sections
    try:
        layout = layout_from_sections([info[:length], *others], "go1.99")
    except FormatError:
        return
    assert not layout.parts()["structs"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(damage=st.data())
def test_damaged_dwarf_is_a_format_error_or_another_layout(
    sections: list[bytes], damage: st.DataObject
) -> None:
    which = damage.draw(st.integers(0, 1))
    content = bytearray(sections[which])
    for _ in range(damage.draw(st.integers(1, 20))):
        position = damage.draw(st.integers(0, len(content) - 1))
        content[position] = damage.draw(st.integers(0, 255))
    damaged = [*sections]
    damaged[which] = bytes(content)
    try:
        layout = layout_from_sections(damaged, "go1.99")
    except FormatError:
        return
    assert isinstance(layout, Layout)
