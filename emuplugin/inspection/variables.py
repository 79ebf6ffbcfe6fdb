"""Package variables: by symbols, which a plugin keeps also when it is stripped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from emuplugin.inspection.data_symbols import DataSymbols
from emuplugin.inspection.module import Module
from emuplugin.inspection.names import package_of
from emuplugin.inspection.variable_types import VariableTypes


@dataclass(frozen=True)
class Variable:
    """A package variable. ``size`` is in bytes; ``initialized`` tells whether its first value
    stands in the file. ``functions`` are those whose code names it.

    ``type`` is its Go type, empty where the file does not tell. ``type_from`` is the source:
    ``exports`` for exported variables of the main package, ``DWARF``, ``value`` where it is
    inferred from the first value (a string may be of a type of another name), or empty.
    """

    name: str
    package: str
    address: int
    size: int
    type: str
    type_from: str
    initialized: bool
    functions: tuple[str, ...]


def variables(
    symbols: DataSymbols,
    module: Module,
    types: VariableTypes,
    uses: Mapping[int, Sequence[str]],
) -> Iterable[Variable]:
    """The package variables, by address. ``uses`` gives the names of functions by the address of a
    symbol."""
    zeroed = [(module.field(name), module.field(f"e{name}")) for name in ("bss", "noptrbss")]
    for symbol in symbols.all:
        if symbol.generated:
            continue
        yield Variable(
            symbol.name,
            package_of(symbol.name),
            symbol.address,
            symbol.size,
            *types.find(symbol),
            not any(start <= symbol.address < end for start, end in zeroed),
            tuple(uses.get(symbol.address, ())),
        )
