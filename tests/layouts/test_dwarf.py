"""DWARF as a source of layouts, checked against symbol sizes, the tables, and its own tree."""

from __future__ import annotations

import struct
from datetime import timedelta
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emuplugin.elf.constants import SHT_NOBITS
from emuplugin.elf.file import ElfFile
from emuplugin.elf.header import SECTION_HEADER_SIZE
from emuplugin.errors import FormatError
from emuplugin.runtime_shims.layouts import Layout, debug_info
from emuplugin.runtime_shims.layouts.dwarf import layout_from_dwarf
from tests.conftest import PluginPath

DW_AT_LO, DW_FORM_flag_present = 0x50, 0x19
LAYOUT_OF_A_PLUGIN = 150  # structs, at least, that the smallest plugin's DWARF has


@pytest.fixture(scope="module")
def hello(plugin_path: PluginPath, go_version: str) -> Path:
    return plugin_path("hello", go_version)


@pytest.fixture(scope="module")
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


def test_structs_have_all_members_in_the_tree_of_entries(hello: Path, found: Layout) -> None:
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
        (24, bytes(1000), "while decompressing"),
        (0, b"\2", "Unknown compression type"),
        (8, b"\xff" * 8, "debug sections hold .* bytes, more than"),
        (8, b"\xff\xff\xff", "Decompressed data is .* bytes long, should be"),
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
def plain(plugin_path: PluginPath, go_version: str) -> bytearray:
    """A plugin with its DWARF as it is, not compressed."""
    path = plugin_path("hello", go_version, ldflags="-compressdwarf=false")
    return bytearray(path.read_bytes())


def section_header(file: ElfFile, name: str) -> int:
    """Where in the file the header of a section is."""
    index = list(file.sections).index(name) + 1  # the first header is of no section
    return file.header.e_shoff + index * SECTION_HEADER_SIZE


def test_dwarf_need_not_be_compressed(plain: bytearray, found: Layout) -> None:
    layout = layout_from_dwarf(ElfFile(plain), found.version)
    assert layout is not None
    assert layout.parts() == found.parts()


@pytest.mark.parametrize("length", [0, 1, 10, 1000])
def test_dwarf_cut_short_is_a_format_error_or_holds_nothing(plain: bytearray, length: int) -> None:
    struct.pack_into("<Q", plain, section_header(ElfFile(plain), ".debug_info") + 32, length)
    try:
        layout = layout_from_dwarf(ElfFile(plain), "go1.99")
    except FormatError:
        return
    assert layout is not None
    assert not layout.parts()["structs"]


@pytest.mark.parametrize("name", [".debug_info", ".debug_line"])
def test_a_section_without_bytes_takes_no_memory(plain: bytearray, name: str) -> None:
    """The header of such a section can promise any size, and pyelftools would make it."""
    file = ElfFile(plain)
    header = section_header(file, name)
    struct.pack_into("<I", plain, header + 4, SHT_NOBITS)
    struct.pack_into("<Q", plain, header + 32, 1 << 40)
    with pytest.raises(FormatError, match=r"debug sections hold 1099.* bytes, more than"):
        layout_from_dwarf(ElfFile(plain), "go1.99")


@pytest.mark.parametrize("attributes", [0, 40])
def test_dwarf_of_endless_entries_is_refused(
    plain: bytearray, attributes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit that is all entries of one byte, without attributes or with some of no length."""
    monkeypatch.setattr(debug_info, "MAX_STEPS", 100_000)
    file = ElfFile(plain)
    info, abbrev = file.sections[".debug_info"], file.sections[".debug_abbrev"]
    # Abbreviation 1: DW_TAG_compile_unit with children and attributes name, language; 2: the rest.
    flags = b"".join(bytes([DW_AT_LO + n, DW_FORM_flag_present]) for n in range(attributes))
    table = b"\1\x11\1\x03\x08\x13\x0b\0\0" + b"\2\x34\0" + flags + b"\0\0" + b"\0"
    plain[abbrev.offset : abbrev.offset + len(table)] = table
    unit = struct.pack("<IHIB", info.size - 4, 4, 0, 8) + b"\1runtime\0\x16"
    plain[info.offset : info.offset + info.size] = unit.ljust(info.size, b"\2")
    with pytest.raises(FormatError, match="too large to be read"):
        layout_from_dwarf(ElfFile(plain), "go1.99")


def test_a_number_without_end_is_refused(plain: bytearray) -> None:
    info = ElfFile(plain).sections[".debug_info"]
    plain[info.offset + 11 : info.offset + info.size] = b"\x80" * (info.size - 11)
    with pytest.raises(FormatError, match="without end"):
        layout_from_dwarf(ElfFile(plain), "go1.99")


@settings(
    max_examples=12,
    deadline=timedelta(seconds=60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(damage=st.data())
def test_damaged_dwarf_is_a_format_error_or_another_layout(
    plain: bytearray, damage: st.DataObject
) -> None:
    name = damage.draw(st.sampled_from([".debug_info", ".debug_abbrev"]))
    section = ElfFile(plain).sections[name]
    damaged = bytearray(plain)
    for _ in range(damage.draw(st.integers(1, 20))):
        position = damage.draw(st.integers(0, section.size - 1))
        damaged[section.offset + position] = damage.draw(st.integers(0, 255))
    try:
        layout = layout_from_dwarf(ElfFile(damaged), "go1.99")
    except FormatError:
        return
    assert isinstance(layout, Layout)
