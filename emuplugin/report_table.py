"""A machine's report as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from .printable import plain
from .report import Report

#: Lines of each list that are shown; the JSON has all of them.
MOST: Final = 20
_UNITS: Final = ("KiB", "MiB", "GiB")


def table(report: Report) -> Table:
    """Two columns: what, and how much of it."""
    grid = Table(title="Report", title_justify="left", title_style="bold", show_header=False)
    grid.add_column("what", no_wrap=True)
    grid.add_column("how much", overflow="fold")
    for label, text in rows(report):
        grid.add_row(label, Text(text))
    return grid


def rows(report: Report) -> Iterator[tuple[str, str]]:
    """What is told, as pairs of a label and a text; a list's further lines have no label."""
    yield "host time", f"{report.host_seconds:.3f} s"
    yield "machine's clock", f"{report.virtual_seconds:.3f} s"
    yield "instructions", f"{report.instructions:,}"
    yield "memory", f"{_size(report.memory_bytes)}, at most {_size(report.memory_peak_bytes)}"
    yield "output", _size(report.output_bytes)
    calls = sorted(report.syscalls.items(), key=lambda entry: (-entry[1], entry[0]))
    total = sum(report.syscalls.values())
    yield "system calls", f"{total:,}: {', '.join(f'{name} {count:,}' for name, count in calls)}"
    lists: dict[str, Sequence[tuple[str, int]]] = {
        "refused": [(f"{x.name} {x.detail}", x.count) for x in report.refused],
        "files": [(f"{x.access:<7} {x.path}", x.count) for x in report.files],
        "connections": [
            (f"{x.kind} {x.address}: {x.outcome}", x.count) for x in report.connections
        ],
        "processes": [(f"{x.name} {x.detail}", x.count) for x in report.processes],
    }
    for name, entries in lists.items():
        lines = [_line(text, count) for text, count in entries[:MOST]]
        more = len(entries) - MOST
        if more > 0:
            lines.append(f"... {more:,} more; the JSON has them")
        if name in report.left_out:
            lines.append(f"... and others, {report.left_out[name]:,} times")
        yield name, "\n".join(lines) or "none"


def _line(text: str, count: int) -> str:
    times = f" ({count:,} times)" if count > 1 else ""
    return plain(text).strip() + times


def _size(number: int) -> str:
    if number < 1024:
        return f"{number} byte{'' if number == 1 else 's'}"
    power = min((number.bit_length() - 1) // 10, len(_UNITS))
    return f"{number / 1024**power:.1f} {_UNITS[power - 1]}"
