"""What notebooks show of plugins, traces and reports: compact tables, as HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from emuplugin.errors import EmupluginError

from .blocks import Cell, Code, Column
from .to_html import table_html, text

if TYPE_CHECKING:
    from emuplugin.plugin import Plugin
    from emuplugin.report import Report
    from emuplugin.tracing.trace import Trace

_MOST: Final = 40
"""Rows of one table."""


def plugin_html(plugin: Plugin) -> str:
    """A plugin: where it is from, and what it exports with types."""
    head = f"<p><strong><code>{text(plugin.plugin_path)}</code></strong>"
    head += f" from <code>{text(plugin.path)}</code>"
    try:
        exports = list(plugin.exports.items())
        head += f", {text(plugin.build_info.go_version)}"
    except EmupluginError as error:
        # Of a machine that is gone: it says so itself.
        return f"{head}: {text(str(error))}</p>"
    if not exports:
        return f"{head}; it exports nothing</p>"
    rows = [(Code(name), Code(type_)) for name, type_ in exports]
    return f"{head}</p>{_table(('name', 'Go type'), rows)}"


def trace_html(trace: Trace) -> str:
    """A trace: how many events of each kind, and the first ones."""
    kinds = Counter(event.kind for event in trace)
    head = f"<p><strong>{len(trace):,} events</strong>"
    if trace.dropped:
        head += f", {trace.dropped:,} more were dropped"
    head += f", {trace.ended - trace.began:,} instructions</p>"
    if not kinds:
        return head
    counts = _table(("kind", "events"), [(kind, f"{number:,}") for kind, number in kinds.items()])
    rows = [
        (f"{event.instructions:,}", str(event.goroutine), event.kind, Code(event_text(event)))
        for event in trace[:_MOST]
    ]
    columns = ("after instruction", "goroutine", "kind", "what")
    return head + counts + _table(columns, rows, len(trace) - len(rows))


def report_html(report: Report) -> str:
    """A report: what a machine used up, asked for and did not get."""
    from emuplugin.report_table import rows

    lines = [
        (label if not number else "", Code(line))
        for label, shown in rows(report)
        for number, line in enumerate(shown.split("\n"))
    ]
    return _table(("what", "how much"), lines)


def _table(names: Sequence[str], rows: Sequence[tuple[Cell, ...]], more: int = 0) -> str:
    columns = tuple(Column(name, right=name in _NUMBERS) for name in names)
    table = table_html(columns, tuple(rows))
    return table + (f"<p>and {more:,} more</p>" if more > 0 else "")


_NUMBERS: Final = ("events", "after instruction", "goroutine")


def event_text(event: object) -> str:
    """An event's own facts in a line."""
    own = [
        f"{name}={value!r}"
        for name, value in _fields(event)
        if name not in ("time", "instructions", "thread", "goroutine") and value not in ("", (), 0)
    ]
    line = " ".join(own)
    return line if len(line) <= 160 else f"{line[:160]}..."


def _fields(event: object) -> Iterable[tuple[str, object]]:
    from dataclasses import fields, is_dataclass

    assert is_dataclass(event)
    return ((field.name, getattr(event, field.name)) for field in fields(event))
