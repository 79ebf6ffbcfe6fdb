"""Parameters and results of functions, from DWARF."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from elftools.dwarf.die import DIE

from emuplugin.elf.file import ElfFile
from emuplugin.errors import FormatError
from emuplugin.runtime_shims.layouts.debug_info import (
    DAMAGE,
    children,
    go_units,
    name_of,
    number,
    open_dwarf,
    referenced,
)

from .dwarf_types import DwarfTypes
from .show import TypeLike


class Parameter(NamedTuple):
    """A parameter or result: ``name`` is "" for those that the source gives none."""

    name: str
    type: TypeLike


class Parameters(NamedTuple):
    """Those of one function; a receiver comes first."""

    params: tuple[Parameter, ...]
    results: tuple[Parameter, ...]


class DebugSignatures:
    """The signatures that the DWARF of one file tells, by entry address counted from its base.

    The units of a package are read when one of its functions is asked for.
    """

    def __init__(
        self, file: ElfFile, descriptor: Callable[[int], TypeLike | None], main: str
    ) -> None:
        self._types = DwarfTypes(descriptor, main)
        self._file = file
        self._units: dict[str, list[DIE]] | None = None
        self._found: dict[int, DIE] = {}

    def find(self, package: str, entry: int) -> Parameters | None:
        """The signature of the function at ``entry`` of a package (its linker's path); None where
        DWARF does not tell."""
        try:
            self._read(package)
            die = self._found.get(entry)
            return None if die is None else self._parameters(die)
        except (*DAMAGE, FormatError):
            return None

    def _read(self, package: str) -> None:
        if self._units is None:
            self._units = {}
            if ".debug_info" not in self._file.sections:
                return
            for path, unit in go_units(open_dwarf(self._file)):
                self._units.setdefault(path, []).append(unit.get_top_DIE())
        for top in self._units.pop(package, ()):
            for die in children(top):
                if die.tag == "DW_TAG_subprogram" and "DW_AT_low_pc" in die.attributes:
                    self._found[number(die, "DW_AT_low_pc")] = die

    def _parameters(self, die: DIE) -> Parameters:
        params: list[Parameter] = []
        results: list[Parameter] = []
        names: set[str] = set()
        for child in children(die):
            if child.tag != "DW_TAG_formal_parameter":
                continue
            # A function that is also inlined has its names and types in an abstract entry.
            source = child
            if "DW_AT_abstract_origin" in child.attributes:
                source = referenced(child, "DW_AT_abstract_origin")
            name = name_of(source)
            if name in names:
                continue  # one that escapes is there twice: as passed, and as the pointer to it
            names.add(name)
            parameter = Parameter(
                "" if name.startswith("~") else name,
                self._types.at(referenced(source, "DW_AT_type")),
            )
            flag = source.attributes.get("DW_AT_variable_parameter")
            (results if flag is not None and flag.value else params).append(parameter)
        return Parameters(tuple(params), tuple(results))
