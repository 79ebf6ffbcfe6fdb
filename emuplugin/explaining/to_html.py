"""A story as one HTML page: readable as it is, interactive where scripts run."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, Final

from emuplugin.pages import page
from emuplugin.printable import plain

from .blocks import (
    Block,
    Cell,
    Chapter,
    Code,
    Column,
    Facts,
    Heading,
    Listing,
    MemoryMap,
    Paragraph,
    Share,
    Span,
    Stepper,
    Table,
    size,
)
from .stepper_html import stepper_data, stepper_html
from .story import Story

PRINTED_ROWS: Final = 12
"""Of a folded table, on paper; explain.css knows the number too."""


def to_html(story: Story) -> str:
    """The page."""
    steppers = [b for chapter in story.chapters for b in chapter.blocks if isinstance(b, Stepper)]
    return page(
        "emuplugin.explaining",
        "explain",
        title=f"{plain(story.title)}: what happened",
        data={"stepper": stepper_data(steppers[0]) if steppers else None},
        parts={
            "heading": f"<code>{text(story.title)}</code>",
            "plugin": text(story.plugin),
            "facts": " · ".join(map(text, story.facts)),
            "contents": "".join(map(_link, story.chapters)),
            "chapters": "\n".join(
                _chapter(number, chapter) for number, chapter in enumerate(story.chapters, 1)
            ),
        },
    )


def text(given: str) -> str:
    """Text for HTML: markup and control characters are written out."""
    return escape(plain(given))


def _link(chapter: Chapter) -> str:
    return f'<li><a href="#{chapter.name}">{text(chapter.title)}</a></li>'


def _chapter(number: int, chapter: Chapter) -> str:
    title = f"{chapter.name}-title"
    body = "\n".join(_block(block) for block in chapter.blocks)
    return (
        f'<section id="{chapter.name}" aria-labelledby="{title}">\n'
        f'<h2 id="{title}"><span class="ordinal">{number}</span> {text(chapter.title)}</h2>\n'
        f'<p class="summary">{text(chapter.summary)}</p>\n{body}\n</section>'
    )


def _block(block: Block) -> str:
    return _WRITERS[type(block)](block)


def _paragraph(block: Paragraph) -> str:
    kind = "alarm" if block.alarm else "note" if block.note else ""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{''.join(map(span, block.spans))}</p>"


def span(piece: Span) -> str:
    """A piece of running text."""
    shown = text(piece.text)
    return f"<code>{shown}</code>" if isinstance(piece, Code) else shown


def cell(value: Cell) -> str:
    """What is in a cell of a table."""
    if isinstance(value, Code):
        return f"<code>{text(value.text)}</code>" if value.text else ""
    if isinstance(value, Share):
        part = min(max(value.part, 0.0), 1.0)
        bar = f'<span class="bar" style="width:{4 * part:.2f}rem"></span>' if part >= 0.005 else ""
        return f"{bar}{text(value.text)}"
    return text(str(value))


def _table(block: Table) -> str:
    inside = table_html(block.columns, block.rows)
    more = f'<p class="note">... and {block.more:,} more</p>' if block.more else ""
    total = f"{len(block.rows) + block.more:,}"
    title = text(block.title)
    if block.fold:
        on_paper = ""
        if len(block.rows) > PRINTED_ROWS:
            on_paper = (
                f'<p class="note on-paper">The first {PRINTED_ROWS} of {total}; '
                "the page on the screen has more.</p>"
            )
        return (
            f'<details class="fold"><summary>{title} <span class="dim">({total})</span></summary>'
            f"{scroll(title, inside)}{more}{on_paper}</details>"
        )
    return f"<h3>{title}</h3>{scroll(title, inside)}{more}"


def scroll(title: str, inside: str) -> str:
    """What may be wider than the page. The keyboard reaches it, to scroll."""
    return f'<div class="scroll" role="region" aria-label="{title}" tabindex="0">{inside}</div>'


def table_html(columns: tuple[Column, ...], rows: tuple[tuple[Cell, ...], ...]) -> str:
    """A table with one header for each column, and one for each row that has a name."""
    head = "".join(
        f'<th scope="col"{_class(column)}>{text(column.name)}</th>' for column in columns
    )
    lines = []
    for row in rows:
        cells = "".join(
            f'<th scope="row"{_class(column)}>{cell(value)}</th>'
            if column.head
            else f"<td{_class(column)}>{cell(value)}</td>"
            for column, value in zip(columns, row, strict=True)
        )
        lines.append(f"<tr>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _class(column: Column) -> str:
    names = " ".join(
        name for name, wanted in (("number", column.right), ("extra", column.extra)) if wanted
    )
    return f' class="{names}"' if names else ""


def _facts(block: Facts) -> str:
    rows = "".join(f"<dt>{text(term)}</dt><dd>{cell(value)}</dd>" for term, value in block.rows)
    return f"<dl>{rows}</dl>"


def _listing(block: Listing) -> str:
    lines = "\n".join(map(text, block.lines))
    title = text(block.title)
    return f'<h3>{title}</h3><pre tabindex="0" aria-label="{title}">{lines}</pre>'


def _heading(block: Heading) -> str:
    code = f"<code>{text(block.code)}</code>" if block.code else ""
    return f"<h3>{text(block.text)}{code}</h3>"


_KINDS: Final = {
    "plugin": "the plugin",
    "heap": "Go's heap",
    "runtime": "other memory of Go's runtime",
    "host": "emuplugin's own",
}


def _memory_map(block: MemoryMap) -> str:
    rows = "".join(
        f'<tr class="{entry.kind}"><td><span class="swatch" title="{_KINDS[entry.kind]}"></span>'
        f"<code>{entry.start:#x}</code></td><td><code>{entry.access}</code></td>"
        f'<td class="number">{size(entry.end - entry.start)}</td>'
        f'<th scope="row">{text(entry.name)}</th></tr>'
        for entry in block.entries
    )
    legend = "".join(
        f'<li class="{kind}"><span class="swatch"></span>{name}</li>'
        for kind, name in _KINDS.items()
        if any(entry.kind == kind for entry in block.entries)
    )
    head = (
        '<tr><th scope="col">from</th><th scope="col">access</th>'
        '<th scope="col" class="number">size</th><th scope="col">what</th></tr>'
    )
    table = f'<table class="map"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    return f'<ul class="legend">{legend}</ul>{scroll("The address space", table)}'


_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    Paragraph: _paragraph,
    Table: _table,
    Facts: _facts,
    Listing: _listing,
    Heading: _heading,
    MemoryMap: _memory_map,
    Stepper: stepper_html,
}


def embedded(html: str, height: int = 720) -> str:
    """The page as part of another one, such as a notebook: it keeps its own styles and script, and
    has no access to what is around it."""
    return (
        f'<iframe sandbox="allow-scripts" title="What happened" style="width:100%;'
        f'height:{height}px;border:1px solid #8888" srcdoc="{escape(html)}"></iframe>'
    )
