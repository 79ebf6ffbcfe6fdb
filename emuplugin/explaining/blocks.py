"""What a story is made of: chapters of paragraphs, tables and listings, however they are shown.

Text of the plugin (names, values, output) only ever is a cell of a table or a span of one of the
classes here, which are shown as they are, with what could do harm written out. In the story's own
sentences a piece between backticks is code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

_CODE: Final = re.compile(r"`([^`]*)`")


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it is, in the font of code."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Plain:
    """Text as it is."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Share:
    """A number that is a part of a whole: ``part`` is from 0 to 1, ``text`` how it is written."""

    text: str
    part: float

    def __str__(self) -> str:
        return self.text


Span = Code | Plain
Cell = str | Code | Plain | Share


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text. ``note`` marks what is said on the side, ``alarm`` what went wrong."""

    spans: tuple[Span, ...]
    note: bool = False
    alarm: bool = False

    def __str__(self) -> str:
        return "".join(map(str, self.spans))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. ``right``: numbers. ``extra``: a narrow terminal does without it.
    ``head``: its cells say what their rows are about."""

    name: str
    right: bool = False
    extra: bool = False
    head: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells. ``more`` is how many further rows were left out. ``fold``: shown when asked
    for, where that is possible."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: int = 0
    fold: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is what: pairs of a term and its value."""

    rows: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines of code or output, as they are."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """What the blocks that follow are about."""

    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class SourceLine:
    """``text`` is None where the source was not found."""

    file: str
    line: int
    text: str | None


@dataclass(frozen=True, slots=True)
class CodeLine:
    """An instruction of ``function``: ``places`` are numbers of source lines that it was made
    from, those of inlined calls first."""

    address: int
    text: str
    comment: str
    places: tuple[int, ...]
    function: str


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction that was executed: ``code`` is the number of its line, ``changed`` the
    registers with their new values, ``memory`` its accesses as (written, address, size, value).
    ``between`` tells what was executed since the step before; ``times`` is how often an instruction
    with a prefix that repeats it was executed."""

    code: int
    changed: tuple[tuple[str, int], ...]
    memory: tuple[tuple[bool, int, int, int], ...]
    between: str = ""
    times: int = 1

    @property
    def note(self) -> str:
        """What is said of it beside its text."""
        return f"({self.times:,} times)" if self.times > 1 else ""


@dataclass(frozen=True, slots=True)
class Stepper:
    """A function step by step. ``registers`` are the values when it was entered; ``names`` tells
    what an address in them is; ``more``: whether there were steps after the last one."""

    function: str
    source: tuple[SourceLine, ...]
    code: tuple[CodeLine, ...]
    registers: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...]
    names: dict[int, str] = field(default_factory=dict)
    more: bool = False


@dataclass(frozen=True, slots=True)
class MapEntry:
    """A stretch of memory: who may do what there, in the manner of ``r-x``."""

    start: int
    end: int
    access: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """What lies where, ascending; not to scale."""

    entries: tuple[MapEntry, ...]


Block = Paragraph | Table | Facts | Listing | Heading | Stepper | MemoryMap


@dataclass(frozen=True, slots=True)
class Chapter:
    """``name`` is for links; ``summary`` the chapter in one line."""

    name: str
    title: str
    summary: str
    blocks: tuple[Block, ...]

    def tables(self) -> Iterator[Table]:
        """Its tables."""
        return (block for block in self.blocks if isinstance(block, Table))


def say(*parts: str | Span, note: bool = False, alarm: bool = False) -> Paragraph:
    """A paragraph: the story's own words as ``str``, in which backticks enclose code, and what
    comes from the plugin as spans."""
    spans: list[Span] = []
    for part in parts:
        if not isinstance(part, str):
            spans.append(part)
            continue
        for index, piece in enumerate(_CODE.split(part)):
            if piece:
                spans.append(Code(piece) if index % 2 else Plain(piece))
    return Paragraph(tuple(spans), note, alarm)


def table(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    *,
    most: int = 0,
    fold: bool = False,
) -> Table:
    """A table of the first ``most`` rows; 0 for all."""
    shown = rows[:most] if most else rows
    return Table(title, tuple(columns), tuple(map(tuple, shown)), len(rows) - len(shown), fold)


def count(number: int, singular: str, plural: str = "") -> str:
    """``1 word``, ``2,000 words``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def size(number: int) -> str:
    """Bytes, as people read them."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= unit:
            return f"{number / unit:,.1f} {name}".replace(".0 ", " ")
    return count(number, "byte")


def duration(seconds: float) -> str:
    """A time, as people read it."""
    if seconds >= 1:
        return f"{seconds:,.2f} s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:,.1f} ms"
    return f"{seconds * 1e6:,.0f} µs"


_FLAGS: Final = ((0, "CF"), (2, "PF"), (4, "AF"), (6, "ZF"), (7, "SF"), (10, "DF"), (11, "OF"))


def flags(value: int) -> str:
    """The names of the flags that are set in RFLAGS, those that programs look at: ``ZF PF``."""
    return " ".join(name for bit, name in _FLAGS if value >> bit & 1) or "none set"


def changes(step: Step) -> str:
    """``RAX = 0x7, RFLAGS = 0x246 (PF ZF)``."""
    return ", ".join(
        f"{name} = {value:#x}" + (f" ({flags(value)})" if name == "RFLAGS" else "")
        for name, value in step.changed
    )


def base_name(path: str) -> str:
    """The last part of a path of any system."""
    return path.replace("\\", "/").rpartition("/")[2]
