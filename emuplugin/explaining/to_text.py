"""A story as lines of text for a terminal: paragraphs wrapped, tables cut to its width."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from emuplugin.printable import cells, cut, fitting, plain

from .blocks import (
    Block,
    Chapter,
    Column,
    Facts,
    Heading,
    Listing,
    MemoryMap,
    Paragraph,
    Stepper,
    Table,
    base_name,
    changes,
    size,
)
from .story import Story

#: Rows of a table that are folded on the page, and steps, that a terminal shows.
_MOST_FOLDED: Final = 3
_MOST_ROWS: Final = 40
_MOST_STEPS: Final = 40
_MIN_COLUMN: Final = 6
_MIN_WIDTH: Final = 60


@dataclass(frozen=True)
class Style:
    """How some words are set apart; by default not at all."""

    strong: Callable[[str], str] = str
    weak: Callable[[str], str] = str
    alarm: Callable[[str], str] = str


def story_lines(story: Story, width: int = 80, style: Style | None = None) -> Iterator[str]:
    """The whole story, each line at most ``width`` columns wide, which must be 60 or more."""
    width = max(width, _MIN_WIDTH)
    writer = _Writer(width, style or Style())
    yield writer.style.strong(cut(story.title, width))
    yield cut(story.plugin, width)
    yield writer.style.weak(cut(", ".join(story.facts), width))
    for number, chapter in enumerate(story.chapters, 1):
        yield from writer.chapter(number, chapter)


def wrapped(text: str, columns: int) -> list[str]:
    """The text in lines of so many columns; words that are longer are broken."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        room = columns - cells(line) - 1
        if line and cells(word) > room and (cells(word) <= columns or room < _MIN_COLUMN):
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while cells(line) > columns:
            piece = fitting(line, columns)
            lines.append(piece)
            line = line[len(piece) :]
    return [*lines, line] if line else lines


class _Writer:
    def __init__(self, width: int, style: Style) -> None:
        self.width, self.style = width, style

    def chapter(self, number: int, chapter: Chapter) -> Iterator[str]:
        yield ""
        yield ""
        title = f"{number}. {chapter.title}"
        yield self.style.strong(cut(title, self.width))
        yield self.style.strong("=" * min(cells(title), self.width))
        yield from self._wrapped(chapter.summary, self.style.weak)
        for block in chapter.blocks:
            yield ""
            yield from self._block(block)

    def _block(self, block: Block) -> Iterator[str]:
        match block:
            case Paragraph():
                change = self.style.alarm if block.alarm else self.style.weak
                yield from self._wrapped(str(block), change if block.alarm or block.note else str)
            case Heading():
                yield self.style.strong(cut(block.text + block.code, self.width))
            case Facts():
                yield from self._facts(block)
            case Listing():
                yield self.style.strong(cut(f"{block.title}:", self.width))
                for line in block.lines:
                    yield "  " + cut(line, self.width - 2)
            case Table():
                yield from self._table(block)
            case MemoryMap():
                yield from self._columns(
                    (Column("from", right=True), Column("access"), Column("size", right=True),
                     Column("what")),
                    [
                        (f"{e.start:#x}", e.access, size(e.end - e.start), e.name)
                        for e in block.entries
                    ],
                )  # fmt: skip
            case Stepper():
                yield from self._steps(block)

    def _wrapped(self, text: str, change: Callable[[str], str]) -> Iterator[str]:
        yield from map(change, wrapped(plain(text), self.width))

    def _facts(self, block: Facts) -> Iterator[str]:
        indent = max(cells(term) for term, _ in block.rows) + 2
        for term, value in block.rows:
            lines = wrapped(plain(str(value)), self.width - indent - 2) or [""]
            yield f"  {self.style.weak(term)}{' ' * (indent - cells(term))}{lines[0]}"
            for line in lines[1:]:
                yield " " * (indent + 2) + line

    def _table(self, block: Table) -> Iterator[str]:
        most = _MOST_FOLDED if block.fold else _MOST_ROWS
        rows = block.rows[:most]
        left_out = len(block.rows) - len(rows) + block.more
        total = f" ({len(block.rows) + block.more:,})" if block.fold else ""
        yield self.style.strong(cut(f"{block.title}{total}:", self.width))
        yield from self._columns(block.columns, [tuple(map(str, row)) for row in rows])
        if left_out:
            yield self.style.weak(f"  ... and {left_out:,} more")

    def _columns(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Rows below each other; columns that are extra give way first, then the widest are cut."""
        shown = [index for index, column in enumerate(columns) if not column.extra]
        table = [[plain(row[index]) for index in shown] for row in rows]
        heads = [columns[index].name for index in shown]
        widths = [
            max(cells(head), *(cells(row[index]) for row in table))
            for index, head in enumerate(heads)
        ]
        room = self.width - 2 - 2 * (len(widths) - 1)
        while sum(widths) > room:
            widest = max(range(len(widths)), key=lambda index: widths[index])
            if widths[widest] <= _MIN_COLUMN:
                break
            widths[widest] -= 1
        right = [columns[index].right for index in shown]
        yield self.style.weak(self._row(heads, widths, right))
        for row in table:
            yield self._row(row, widths, right)

    def _row(self, row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
        parts = []
        for value, width, flush in zip(row, widths, right, strict=True):
            text = cut(value, width)
            space = " " * (width - cells(text))
            parts.append(space + text if flush else text + space)
        return "  " + "  ".join(parts).rstrip()

    def _steps(self, block: Stepper) -> Iterator[str]:
        previous = -1
        for number, step in enumerate(block.steps[:_MOST_STEPS], 1):
            line = block.code[step.code]
            place = line.places[-1] if line.places else -1
            if step.between:
                yield self.style.weak(cut(f"        ... {step.between}", self.width))
            if place not in (previous, -1):
                source = block.source[place]
                code = "" if source.text is None else "  " + source.text.strip()
                where = f"  {base_name(source.file)}:{source.line}{code}"
                yield self.style.weak(cut(where, self.width))
                previous = place
            text = f"  {number:>5}  {line.text} {step.note}".rstrip()
            if line.comment:
                text += f"  # {line.comment}"
            yield cut(text, self.width)
            changed = changes(step)
            if changed:
                yield self.style.weak(cut(f"           {changed}", self.width))
        more = len(block.steps) - _MOST_STEPS
        if more > 0:
            yield self.style.weak(f"  ... and {more:,} more steps; the page shows them: -o FILE")
