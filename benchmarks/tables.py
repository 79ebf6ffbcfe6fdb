"""Tables for the terminal, and the same as Markdown."""

from __future__ import annotations

from rich.markup import render
from rich.table import Table
from rich.text import Text

from .samples import Samples


def digits(value: float) -> str:
    """Three digits that count, or as many as are before the point."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.2e}"


def quantity_table(
    title: str, samples: Samples, unit: str, scale: float, *, compared_with: str | None = None
) -> Table:
    """Medians and quartiles; and each as a multiple of the one it is ``compared_with``."""
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    for heading in (f"median ({unit})", "quartiles"):
        table.add_column(heading, justify="right")
    if compared_with is not None:
        table.add_column(f"times {compared_with}", justify="right")
    for name in samples.by_name:
        low, high = (value * scale for value in samples.quartiles(name))
        row: list[str | Text] = [
            Text(name),
            digits(samples.median(name) * scale),
            f"{digits(low)} - {digits(high)}",
        ]
        if compared_with is not None:
            ratio = samples.median(name) / samples.median(compared_with)
            row.append("" if name == compared_with else digits(ratio))
        table.add_row(*row)
    return table


def markdown(table: Table) -> str:
    """A table as Markdown has it, with its title as a caption in bold."""
    lines = [f"**{_plain(table.title)}**", ""] if table.title else []
    columns = [[_plain(cell) for cell in column.cells] for column in table.columns]
    headings = [_plain(column.header) for column in table.columns]
    rules = ["---:" if column.justify == "right" else "---" for column in table.columns]
    for row in (headings, rules, *zip(*columns, strict=True)):
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _plain(cell: object) -> str:
    text = cell if isinstance(cell, Text) else render(str(cell))
    return text.plain.replace("|", "\\|")
