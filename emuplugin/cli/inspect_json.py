"""What ``emuplugin inspect --json`` puts into its document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from emuplugin.cli.document import Document
from emuplugin.inspection import Inspection
from emuplugin.inspection.to_dict import SECTIONS, header, instruction

#: The sections behind the options whose names differ.
_KEYS: Final = {
    "embedded": ("embedded_files",),
    "imports": ("c_imports", "libraries", "relocations"),
}
_BIG: Final = "calls"


def fill(
    document: Document,
    inspection: Inspection,
    chosen: Sequence[str],
    *,
    graph: bool,
    calls: str | None,
    disasm: str | None,
) -> None:
    """Add the header and the chosen sections; all but the call graph where none is chosen."""
    document.update(header(inspection))
    names = [key for name in chosen for key in _KEYS.get(name, (name,))]
    if not names and not (calls or disasm or graph):
        names = [name for name in SECTIONS if name != _BIG]
    if graph:
        names.append(_BIG)
    for name in names:
        document[name] = SECTIONS[name](inspection)
    if calls:
        function = inspection.function(calls).name
        graph_of = inspection.calls
        document["function_calls"] = {
            "function": function,
            "callers": [edge._asdict() for edge in graph_of.callers(function)],
            "callees": [edge._asdict() for edge in graph_of.callees(function)],
        }
    if disasm:
        found = inspection.function(disasm)
        document["disassembly"] = {
            "function": found.name,
            "instructions": [instruction(item) for item in inspection.disassemble(found)],
        }
