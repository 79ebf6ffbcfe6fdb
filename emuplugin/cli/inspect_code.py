"""Code on the pages of ``emuplugin inspect``: calls and disassembly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emuplugin.cli.inspect_sections import Selection
from emuplugin.cli.inspect_text import count, cut, heading, table
from emuplugin.cli.style import dim, plain, width
from emuplugin.inspection import Edge, Inspection
from emuplugin.inspection.names import package_of, readable

_CODE_COLUMNS = 20
_WIDE = 100


def call_lines(selection: Selection, name: str) -> Iterator[str]:
    """Who leads to a function, and where it leads. What every function calls of the runtime is
    only counted, unless all is asked for."""
    inspection = selection.inspection
    function = inspection.function(name).name
    callers, callees = inspection.calls.callers(function), inspection.calls.callees(function)
    yield heading(f"{readable(function)} is called by ({len({e.caller for e in callers})})")
    yield from table(_ends([(edge.caller, edge) for edge in callers]), names=(0,))
    yield ""
    shown = [
        edge for edge in callees if selection.everything or package_of(edge.callee) != "runtime"
    ]
    left_out = len({edge.callee for edge in callees} - {edge.callee for edge in shown})
    yield heading(f"It calls ({len({e.callee for e in shown})})")
    yield from table(_ends([(edge.callee, edge) for edge in shown]), names=(0,))
    if left_out:
        yield dim(f"  and {count(left_out, 'function')} of package runtime: --all")


def _ends(edges: Sequence[tuple[str, Edge]]) -> list[tuple[str, str]]:
    """A row per function at the other end, with the kinds of edges."""
    kinds: dict[str, dict[str, None]] = {}
    for name, edge in edges:
        kinds.setdefault(name, {})[edge.kind] = None
    return [(readable(name), ", ".join(found)) for name, found in kinds.items()]


def graph_lines(selection: Selection) -> Iterator[str]:
    """All edges that begin outside of the standard library, or all."""
    inspection = selection.inspection
    edges = {
        (edge.caller, edge.callee, edge.kind): None
        for edge in inspection.calls
        if selection.wants(edge.caller, package_of(edge.caller))
    }
    yield heading(f"Call graph ({count(len(edges), 'edge')})")
    yield from table([(readable(a), kind, readable(b)) for a, b, kind in edges], names=(0, 2))


def disassembly_lines(inspection: Inspection, name: str) -> Iterator[str]:
    """The code of a function, with the source lines that it comes from."""
    function = inspection.function(name)
    columns = width()
    shown = columns is None or columns >= _WIDE
    yield heading(f"{readable(function.name)} ({count(function.size, 'byte')})")
    place = ("", 0)
    for item in inspection.disassemble(function):
        if (item.file, item.line) != place and item.line:
            place = item.file, item.line
            yield dim(cut(f"  {item.file}:{item.line}", columns))
        code = f"  {item.code.hex():<{_CODE_COLUMNS}}" if shown else ""
        yield cut(f"    {item.address:8x}{code}  {plain(str(item))}", columns)
