"""The Go types of package variables, as far as the file tells them.

Go keeps types of types, not of variables: only the table of exports names some. Others stand in
DWARF, or show in the first value that the file gives them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import Final

from emuplugin.inspection.data_symbols import DataSymbol, DataSymbols
from emuplugin.inspection.debug_variables import debug_types
from emuplugin.inspection.descriptors import Descriptors
from emuplugin.inspection.module import Module
from emuplugin.inspection.names import package_of
from emuplugin.inspection.strings import StringArea

EXPORTS: Final = "exports"
DWARF: Final = "DWARF"
VALUE: Final = "value"

_TWO_WORDS: Final = 16
_UNKNOWN: Final = ("", "")


class VariableTypes:
    """Tells types with their source. ``exported`` are the types of the main package's exported
    variables by name, ``itabs`` the interfaces of the itabs by address."""

    def __init__(
        self,
        module: Module,
        symbols: DataSymbols,
        descriptors: Descriptors,
        exported: Mapping[str, str],
        itabs: Mapping[int, str],
    ) -> None:
        self._module = module
        self._symbols = symbols
        self._descriptors = descriptors
        self._exported = exported
        self._itabs = itabs
        self._literals = StringArea(module)

    def find(self, symbol: DataSymbol) -> tuple[str, str]:
        """The type and where it is from: ``exports``, ``DWARF``, ``value``, or empty strings."""
        package = package_of(symbol.name)
        short = symbol.name[symbol.name.rfind(".") + 1 :]
        if package == self._module.plugin_path and short in self._exported:
            return self._exported[short], EXPORTS
        told = self._debug.get((symbol.address, symbol.name))
        if told:
            return told, DWARF
        return self._of_value(symbol)

    @cached_property
    def _debug(self) -> Mapping[tuple[int, str], str]:
        names: dict[int, list[str]] = defaultdict(list)
        for symbol in self._symbols.all:
            names[symbol.address].append(symbol.name)
        found = debug_types(self._module.file, names, self._packages)
        return {(address, name): type_name for address, name, type_name in found}

    @cached_property
    def _packages(self) -> dict[str, str]:
        """The names of packages by their import paths, from the types that they define."""
        found = {
            go_type.pkg_path: go_type.string.partition(".")[0]
            for go_type in self._descriptors.by_address.values()
            if go_type.named and go_type.pkg_path
        }
        return {**found, self._module.plugin_path: "main"}

    def _of_value(self, symbol: DataSymbol) -> tuple[str, str]:
        """From the first value of a variable of two words: an itab names the interface, a type
        stands in an ``interface {}``, and a pointer among the literals is a string's."""
        image = self._module.image
        if symbol.size != _TWO_WORDS or symbol.address & 7 or not image.holds(symbol.address, 16):
            return _UNKNOWN
        first, second = image.words(symbol.address, 2)
        if first in self._itabs:
            return self._itabs[first], VALUE
        if first in self._descriptors.by_address:
            return "interface {}", VALUE
        if first in self._literals and 0 < second <= self._literals.end - first:
            return "string", VALUE
        return _UNKNOWN
