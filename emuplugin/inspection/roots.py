"""Where a plugin's code can be entered: what can be looked up, and what opening it runs."""

from __future__ import annotations

from collections.abc import Iterable

from emuplugin.inspection.data_symbols import DataSymbols
from emuplugin.inspection.exports import Export
from emuplugin.inspection.graph import GraphBuilder
from emuplugin.inspection.inits import PackageInit

_WORD = 8


def find_roots(
    exports: Iterable[Export],
    inits: Iterable[PackageInit],
    symbols: DataSymbols,
    graph: GraphBuilder,
) -> dict[str, str]:
    """The names of the functions, each with how it is entered: ``export NAME`` (also through the
    first value of an exported variable) or ``init``."""
    roots: dict[str, str] = {}
    for export in exports:
        if export.kind == "func":
            roots.setdefault(export.symbol, f"export {export.name}")
        elif export.address:
            symbol = symbols.at(export.address)
            size = symbol.size if symbol is not None else _WORD
            for name, _kind in graph.initial_targets(export.address, size):
                roots.setdefault(name, f"export {export.name}")
    for init in inits:
        for function in init.functions:
            roots.setdefault(function.name, "init")
    return roots
