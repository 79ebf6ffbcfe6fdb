"""Go values as HTML tables, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any

from emuplugin.values.go_syntax import MAX_ITEMS
from emuplugin.values.interfaces import Interface

if TYPE_CHECKING:
    from emuplugin.values.live import Live


def to_html(value: Live) -> str:
    """A table for structs, maps, arrays and slices, one line of code for others."""
    kind = "" if isinstance(value, Interface) else value._type.kind
    title = f"<code>{escape(value._type.string)}</code>"
    items: Any = value
    if kind == "struct":
        names = [field.name for field in value._type.fields if field.name != "_"]
        return title + _table(("field", "value"), ((name, items[name]) for name in names))
    if kind == "map":
        rows = list(islice(items.items(), MAX_ITEMS))
        return title + _table(("key", "element"), rows, len(items) - len(rows))
    if kind in ("slice", "array"):
        shown = list(items[:MAX_ITEMS])
        more = len(items) - len(shown)
        elem = value._type.elem
        if elem.kind != "struct":
            return title + _table(("", "element"), enumerate(shown), more)
        names = [field.name for field in elem.fields if field.name != "_"]
        rows = [(index, *(item[name] for name in names)) for index, item in enumerate(shown)]
        return title + _table(("", *names), rows, more)
    return f"<code>{escape(repr(value))}</code>"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], more: int = 0) -> str:
    parts = ["<table><thead><tr>", *(f"<th>{escape(name)}</th>" for name in head)]
    parts.append("</tr></thead><tbody>")
    for row in rows:
        cells = (f"<td>{escape(cell if type(cell) is str else repr(cell))}</td>" for cell in row)
        parts.append(f"<tr>{''.join(cells)}</tr>")
    if more > 0:
        parts.append(f'<tr><td colspan="{len(head)}">and {more} more</td></tr>')
    parts.append("</tbody></table>")
    return "".join(parts)
