"""Symbol look-up by name and address, through both kinds of hash table."""

from __future__ import annotations

import struct

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.hash import ELFHashTable, GNUHashTable
from elftools.elf.sections import SymbolTableSection
from hypothesis import given
from hypothesis import strategies as st

from emuplugin.elf.file import ElfFile
from emuplugin.elf.hashes import GnuHash, SysvHash, gnu_hash, sysv_hash
from emuplugin.errors import FormatError
from tests.conftest import PluginPath


@pytest.fixture(params=["gnu", "sysv"])
def file(request: pytest.FixtureRequest, plugin_path: PluginPath, go_version: str) -> ElfFile:
    style = f"-extldflags=-Wl,--hash-style={request.param}"
    return ElfFile.open(plugin_path("add", go_version, ldflags=style))


def test_the_file_has_the_hash_table_that_was_asked_for(
    file: ElfFile, request: pytest.FixtureRequest
) -> None:
    gnu = request.node.callspec.params["file"] == "gnu"
    assert (0x6FFFFEF5 in file.dynamic, 4 in file.dynamic) == (gnu, not gnu)


def test_symbols_are_those_that_pyelftools_finds(file: ElfFile) -> None:
    with open(file.path, "rb") as stream:
        section = ELFFile(stream).get_section_by_name(".dynsym")
        assert isinstance(section, SymbolTableSection)
        expected = [
            (s.name, s.entry.st_value, s.entry.st_size, s.entry.st_info.type)
            for s in section.iter_symbols()
        ]
    types = {0: "STT_NOTYPE", 1: "STT_OBJECT", 2: "STT_FUNC", 6: "STT_TLS"}
    assert len(file.symbols) == len(expected)
    assert [(s.name, s.value, s.size, types[s.type]) for s in file.symbols] == expected


def test_every_defined_symbol_is_found_by_name(file: ElfFile) -> None:
    defined = [symbol for symbol in file.symbols if symbol.defined]
    assert len(defined) > 3000
    for symbol in defined:
        assert file.symbols.find(symbol.name) == symbol


def test_what_is_not_defined_is_not_found(file: ElfFile) -> None:
    assert file.symbols.find("no such symbol") is None
    assert file.symbols.find("") is None
    assert "malloc" not in file.symbols
    assert "runtime.m0" in file.symbols
    with pytest.raises(FormatError, match=r"no symbol runtime\.m1"):
        file.symbols.address("runtime.m1")


def test_undefined_symbols_are_those_of_the_c_library(file: ElfFile) -> None:
    undefined = {symbol.name: symbol for symbol in file.symbols.undefined}
    assert {"malloc", "abort", "pthread_create"} <= set(undefined)
    assert undefined["__gmon_start__"].weak
    assert not undefined["malloc"].weak
    assert all(not s.defined for s in undefined.values())
    assert set(undefined) == {s.name for s in file.symbols if not s.defined and s.number}


def test_special_symbols_are_found_without_reading_each(file: ElfFile) -> None:
    expected = [
        s.number
        for s in file.symbols
        if not 0 < s.section < 0xFF00 or s.type in (6, 10)  # thread-local, indirect function
    ]
    assert file.symbols.special == expected


def test_nearest_symbol(file: ElfFile) -> None:
    for name in ("runtime.mallocgc", "runtime.m0", "runtime.newproc"):
        symbol = file.symbols.find(name)
        assert symbol is not None
        assert file.symbols.nearest(symbol.value) == (symbol, 0)
        assert file.symbols.nearest(symbol.value + symbol.size - 1) == (symbol, symbol.size - 1)
    assert file.symbols.nearest(0) is None
    assert file.symbols.nearest(file.memory_size + 0x1000) is None


def test_static_symbols_are_found_without_a_hash_table(file: ElfFile) -> None:
    table = file.static_symbols
    assert table is not None
    symbol = table.find("local.moduledata")
    assert symbol is not None
    assert (symbol.name, symbol.binding) == ("local.moduledata", 0)
    # The linker may keep "moduledata" as the end of "local.moduledata": that is no symbol.
    assert table.find("moduledata") is None
    assert table.find("local.moduledat") is None


def test_symbol_beyond_the_table(file: ElfFile) -> None:
    with pytest.raises(FormatError, match="of a table of"):
        file.symbols[len(file.symbols)]


def test_a_chain_that_is_too_long_is_corrupt() -> None:
    header = struct.pack("<IIIIQI", 1, 1, 1, 0, (1 << 64) - 1, 1)
    table = GnuHash(memoryview(header + bytes(40) + b"\1\0\0\0"))
    assert table.symbol_count == 12
    assert list(table.candidates(b"name")) == []
    with pytest.raises(FormatError, match="a chain has no end"):
        GnuHash(memoryview(header + bytes(1 << 16) + b"\1\0\0\0"))


def test_a_chain_that_runs_in_a_circle_is_corrupt() -> None:
    # One bucket; symbol 1 is followed by symbol 2, and that by symbol 1.
    table = SysvHash(memoryview(struct.pack("<6I", 1, 3, 1, 0, 2, 1)))
    with pytest.raises(FormatError, match="a chain has no end"):
        list(table.candidates(b"name"))


@given(st.binary(max_size=600).filter(lambda name: 0 not in name))
def test_hash_functions_agree_with_pyelftools(name: bytes) -> None:
    text = name.decode("latin-1")
    if all(byte < 128 for byte in name):
        assert sysv_hash(name) == ELFHashTable.elf_hash(text)
        assert gnu_hash(name) == GNUHashTable.gnu_hash(text)
    assert 0 <= gnu_hash(name) < 1 << 32
    assert 0 <= sysv_hash(name) < 1 << 28
