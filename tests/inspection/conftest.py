"""Inspections of the fixtures' plugins, each made once, and Go's own tools to compare with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import pytest

from emuplugin.build import fetch_toolchain
from emuplugin.elf.file import ElfFile
from emuplugin.inspection import Inspection, inspect
from emuplugin.runtime_shims.layouts.debug_info import (
    children,
    go_units,
    name_of,
    open_dwarf,
    referenced,
)
from tests.support.plugins import plugin_path as build_fixture

_NM = re.compile(r"^ *([0-9a-f]+) +(\d+) ([A-TV-Za-z]) (.*)$", re.M)


class Inspect(Protocol):
    """The type of the fixture ``inspection``."""

    def __call__(self, name: str, go_version: str, *, stripped: bool = ...) -> Inspection: ...


@cache
def _inspection(name: str, go_version: str, stripped: bool) -> Inspection:
    return inspect(build_fixture(name, go_version, stripped=stripped))


@pytest.fixture(scope="session")
def inspection() -> Inspect:
    """``inspection("hello", go_version, stripped=True)``."""

    def get(name: str, go_version: str, *, stripped: bool = False) -> Inspection:
        return _inspection(name, go_version, stripped)

    return get


@pytest.fixture(params=[False, True], ids=["symbols", "stripped"])
def sample(request: pytest.FixtureRequest, go_version: str) -> Inspection:
    """The fixture ``inspected``, which has one of each thing, with symbols and without."""
    return _inspection("inspected", go_version, request.param)


@cache
def go_tool(go_version: str, arguments: tuple[str, ...]) -> str:
    """What ``go ARGUMENTS`` prints."""
    done = fetch_toolchain(go_version).go(list(arguments), Path.cwd())
    assert done.returncode == 0, done.stdout
    return done.stdout


def nm(go_version: str, path: str) -> Sequence[tuple[int, int, str, str]]:
    """``go tool nm -size``: (address, size, code, name) of each defined symbol."""
    text = go_tool(go_version, ("tool", "nm", "-size", path))
    return [(int(match[1], 16), int(match[2]), match[3], match[4]) for match in _NM.finditer(text)]


def dwarf_variables(path: str) -> dict[str, str]:
    """The package variables that DWARF has, and the names that it gives their types."""
    return {
        name_of(die): name_of(referenced(die, "DW_AT_type"))
        for _, unit in go_units(open_dwarf(ElfFile.open(path)))
        for die in children(unit.get_top_DIE())
        if die.tag == "DW_TAG_variable"
    }
