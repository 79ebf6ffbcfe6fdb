"""The module data is found in every version, whatever was stripped away."""

from __future__ import annotations

import pytest

from emuplugin.elf.file import ElfFile
from emuplugin.elf.moduledata import PCLNTAB_MAGICS, find_moduledata
from emuplugin.errors import NotAPluginError
from tests.conftest import PluginPath
from tests.elf.images import patched, without_sections


@pytest.mark.parametrize("cc", [None, "zig"])
def test_it_is_where_the_symbol_table_says(
    plugin_path: PluginPath, go_version: str, cc: str | None
) -> None:
    file = ElfFile.open(plugin_path("add", go_version, cc=cc))
    assert file.static_symbols is not None
    assert find_moduledata(file) == file.static_symbols.address("local.moduledata")


@pytest.mark.parametrize("name", ["add", "hello", "cgo"])
def test_it_is_found_in_stripped_plugins(
    plugin_path: PluginPath, go_version: str, name: str
) -> None:
    file = ElfFile.open(plugin_path(name, go_version, stripped=True))
    assert file.static_symbols is None
    address = find_moduledata(file)
    if ".go.module" in file.sections:  # Go 1.26 and later
        assert address == file.sections[".go.module"].addr
    header = file.read_vaddr(file.relocations.word_at(address), 4)
    assert int.from_bytes(header, "little") in PCLNTAB_MAGICS
    assert find_moduledata(ElfFile(without_sections(file))) == address


def test_other_ways_are_tried_when_the_init_function_looks_different(
    plugin_path: PluginPath, go_version: str
) -> None:
    whole = ElfFile.open(plugin_path("add", go_version))
    nops = [(function, b"\x90") for function in whole.init_array]
    assert find_moduledata(ElfFile(patched(whole, *nops))) == find_moduledata(whole)
    if ".go.module" in whole.sections:  # Go 1.26 and later have it stripped too
        path = plugin_path("add", go_version, stripped=True)
        stripped = ElfFile.open(path)
        nops = [(function, b"\x90") for function in stripped.init_array]
        assert find_moduledata(ElfFile(patched(stripped, *nops))) == find_moduledata(stripped)
        nops = [(function, b"\x90") for function in whole.init_array]
    # With neither of the three ways left, it is not a plugin.
    bare = ElfFile(without_sections(ElfFile(patched(whole, *nops))))
    with pytest.raises(NotAPluginError, match="no plugin module data"):
        find_moduledata(bare)
