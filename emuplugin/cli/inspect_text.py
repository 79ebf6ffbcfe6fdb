"""Lines of ``emuplugin inspect``: cut to the terminal's width, whole where a program reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emuplugin.cli.style import bold, plain, width
from emuplugin.inspection.names import short_name
from emuplugin.printable import cells
from emuplugin.printable import cut as shortened

_MIN_COLUMN = 8


def cut(text: str, columns: int | None) -> str:
    """The text, shortened to a number of columns if there is one."""
    return plain(text) if columns is None else shortened(text, columns)


def cut_name(name: str, columns: int) -> str:
    """A name of a function or variable, shortened in its import path before anything else."""
    name = plain(name)
    if cells(name) <= columns:
        return name
    short = short_name(name)
    kept = columns - cells(short) - 2  # the path's end, and …/ between that and the short name
    if short == name or kept < 0:
        return cut(short, columns)
    path = name[: len(name) - len(short) - 1]
    return f"…{path[len(path) - kept :] if kept else ''}/{short}"


def heading(text: str) -> str:
    return bold(plain(text))


def table(
    rows: Sequence[Sequence[str]],
    *,
    indent: int = 2,
    right: Sequence[int] = (),
    names: Sequence[int] = (),
) -> Iterator[str]:
    """Rows in columns; those in ``right`` are flush right, those in ``names`` hold names with
    import paths. On a terminal the widest column gives way until a row fits, text that does not
    fit is cut, never wrapped, and columns without anything in them are left out."""
    if not rows:
        return
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(cells(cell) for cell in column) for column in zip(*rows, strict=True)]
    columns = width()
    if columns is not None:
        room = columns - indent - 2 * (sum(map(bool, widths)) - 1)
        while sum(widths) > room:
            widest = max(range(len(widths)), key=lambda index: widths[index])
            if widths[widest] <= _MIN_COLUMN:
                break
            widths[widest] -= 1
    for row in rows:
        parts = []
        for index, cell in enumerate(row):
            if columns is not None and not widths[index]:
                continue
            text = cell
            if columns is not None:
                text = (cut_name if index in names else cut)(cell, widths[index])
            space = " " * (widths[index] - cells(text))
            parts.append(f"{space}{text}" if index in right else f"{text}{space}")
        yield (" " * indent + "  ".join(parts)).rstrip()


def listing(words: Sequence[str], indent: int) -> Iterator[str]:
    """Words in running lines on a terminal, one a line where a program reads them."""
    columns = width()
    if columns is None:
        yield from (" " * indent + plain(word) for word in words)
        return
    line = " " * indent
    for number, word in enumerate(words):
        text = plain(word) + ("," if number < len(words) - 1 else "")
        if cells(line) + cells(text) > columns and line.strip():
            yield line.rstrip()
            line = " " * indent
        line += cut(text, columns - indent) + " "
    if line.strip():
        yield line.rstrip()


def count(number: int, singular: str, plural: str = "") -> str:
    """``1 function``, ``2 functions``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
