"""Which layout a plugin gets: a table, its own DWARF, or a table that fits its symbols."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from emuplugin.elf.file import ElfFile
from emuplugin.errors import UnsupportedGoVersionError
from emuplugin.runtime_shims.layouts import Layout, find_layout, known_versions
from emuplugin.runtime_shims.layouts.find import misfits
from emuplugin.runtime_shims.layouts.tables import load_table
from tests.conftest import PluginPath


@pytest.fixture
def hello(plugin_path: PluginPath, go_version: str) -> ElfFile:
    return ElfFile.open(plugin_path("hello", go_version))


@pytest.fixture
def stripped(plugin_path: PluginPath, go_version: str) -> ElfFile:
    return ElfFile.open(plugin_path("hello", go_version, stripped=True))


@pytest.fixture
def unmeasured(go_version: str) -> str:
    """A patch release of the same minor version that no table has."""
    return f"go{go_version.rpartition('.')[0]}.99"


def test_a_measured_release_has_its_table(hello: ElfFile, go_version: str) -> None:
    assert find_layout(f"go{go_version}", hello) is Layout.for_version(f"go{go_version}")


@pytest.mark.parametrize("version", ["go1.99.1", "devel go1.28-abcdef", "go1.25.5 X:greenteagc"])
def test_an_unknown_version_is_read_from_its_dwarf(
    hello: ElfFile, go_version: str, version: str
) -> None:
    layout = find_layout(version, hello)
    table = Layout.for_version(f"go{go_version}")
    assert layout.version == version
    assert layout is not table
    assert layout.fields("runtime.g") == table.fields("runtime.g")


def test_an_unmeasured_patch_release_is_read_from_its_dwarf(
    hello: ElfFile, unmeasured: str
) -> None:
    assert find_layout(unmeasured, hello).version == unmeasured


def test_a_stripped_unmeasured_patch_release_gets_a_table_that_fits(
    stripped: ElfFile, unmeasured: str, go_version: str
) -> None:
    assert find_layout(unmeasured, stripped) is Layout.for_version(f"go{go_version}")


def test_a_stripped_plugin_is_refused_where_no_table_fits(
    stripped: ElfFile, go_version: str
) -> None:
    own = go_version.rpartition(".")[0]
    others = [f"{minor}.99" for minor in known_versions() if minor != f"go{own}"]
    for other in (*others, "go1.99.1"):
        with pytest.raises(UnsupportedGoVersionError, match=rf"{other} .*known: .*go1\.27"):
            find_layout(other, stripped)


def test_only_layouts_of_the_right_release_fit(stripped: ElfFile, go_version: str) -> None:
    """Sizes of symbols tell the runtimes of all minor versions apart."""
    for minor in known_versions():
        for release, layout in load_table(minor).layouts.items():
            found = misfits(layout, stripped)
            if release == f"go{go_version}":
                assert not found
            elif not f"go{go_version}".startswith(minor):
                assert len(found) >= 1, release


SCRIPT = """
import sys
import emuplugin
from emuplugin.elf.file import ElfFile
from emuplugin.runtime_shims.layouts import find_layout

full, stripped, version, unmeasured = sys.argv[1:]
emuplugin.open(full)
find_layout(version, ElfFile.open(full))
find_layout(unmeasured, ElfFile.open(stripped))
assert "elftools" not in sys.modules
find_layout(unmeasured, ElfFile.open(full))
assert "elftools" in sys.modules
"""


def test_pyelftools_is_imported_only_to_read_dwarf(
    plugin_path: PluginPath, go_version: str, unmeasured: str
) -> None:
    paths: list[Path] = [plugin_path("hello", go_version, stripped=flag) for flag in (False, True)]
    arguments = [*map(str, paths), f"go{go_version}", unmeasured]
    subprocess.run([sys.executable, "-c", SCRIPT, *arguments], check=True)
