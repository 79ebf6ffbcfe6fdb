"""A flame graph: one SVG file that any browser shows, with its script inside and nothing else.

Each box is a function, the ones it called on top of it; as wide as what it and they weigh. Without
a script there are titles to hover over; with it, boxes can be zoomed into and searched for. After
Brendan Gregg's, "The Flame Graph", Communications of the ACM 59(6).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from zlib import crc32

from emuplugin.inspection.names import package_of, short_name
from emuplugin.printable import plain

from .files import written_whole
from .weights import Weights, weigh

if TYPE_CHECKING:
    from emuplugin.tracing.trace import Trace

_WIDTH: Final = 1200
_MARGIN: Final = 10
_ROW: Final = 18
_HEAD: Final = 64
_FOOT: Final = 30
_LETTER: Final = 7.2
"""Width of a letter in the font that is used, in units of the picture."""
_NARROWEST: Final = 0.3
_DEEPEST: Final = 500


@dataclass
class _Box:
    """A function in one place of the call tree: ``weight`` with what it called, ``own`` without."""

    name: str
    weight: int = 0
    own: int = 0
    inside: dict[str, _Box] = field(default_factory=dict)


def save(
    trace: Trace, path: str | os.PathLike[str], *, by: str | None = None, title: str = ""
) -> None:
    """Write a finished trace; ``by`` is a name in :data:`~.weights.WAYS`."""
    weights, unit = weigh(trace, by)
    plugins = ", ".join(os.path.basename(os.fspath(plugin)) for plugin in trace.plugins)
    page = svg(weights, unit, title or f"{plugins or 'Trace'}: {unit}")
    with written_whole(path) as stream:
        stream.write(page.encode("utf-8", "replace"))


def svg(weights: Weights, unit: str, title: str) -> str:
    """The picture."""
    root, depth = _tree(weights)
    height = _HEAD + (depth + 1) * _ROW + _FOOT
    boxes = "\n".join(_boxes(root, unit, height - _FOOT - _ROW))
    page = files("emuplugin.tracing.formats").joinpath("page")
    style, script = (
        page.joinpath(f"flame.{kind}").read_text(encoding="utf-8").rstrip()
        for kind in ("css", "js")
    )
    middle, right, bottom = _WIDTH // 2, _WIDTH - _MARGIN, height - 10
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="{_WIDTH}" height="{height}" \
viewBox="0 0 {_WIDTH} {height}" data-margin="{_MARGIN}" \
data-letter="{_LETTER}">
<style>
{style}
</style>
<rect class="back" width="100%" height="100%"/>
<text class="title" x="{middle}" y="24" text-anchor="middle">{_text(title)}</text>
<text id="reset" class="control" x="{_MARGIN}" y="46" tabindex="0" role="button">Show all</text>
<text id="search" class="control" x="{right}" y="46" text-anchor="end" tabindex="0" role="button">\
Search</text>
<text id="details" x="{_MARGIN}" y="{bottom}"> </text>
<text id="matched" x="{right}" y="{bottom}" text-anchor="end"> </text>
<g id="boxes">
{boxes}
</g>
<script><![CDATA[
{script}
]]></script>
</svg>
"""


def _tree(weights: Weights) -> tuple[_Box, int]:
    """The call tree, and how deep it is. Deeper calls than the picture has room for are left out:
    what they weigh is their caller's."""
    root, deepest = _Box("all"), 0
    for names, weight in sorted(weights.items()):
        root.weight += weight
        box = root
        for name in names[:_DEEPEST]:
            box = box.inside.setdefault(name, _Box(name))
            box.weight += weight
        box.own += weight
        deepest = max(deepest, min(len(names), _DEEPEST))
    return root, deepest


def _boxes(root: _Box, unit: str, bottom: int) -> Iterator[str]:
    """The boxes, callers before callees. Those too narrow to be seen are left out."""
    scale = (_WIDTH - 2 * _MARGIN) / (root.weight or 1)
    waiting = [(root, float(_MARGIN), bottom)]
    while waiting:
        box, x, y = waiting.pop()
        width = box.weight * scale
        yield _drawn(box, x, y, width, unit, root.weight)
        inside = []
        for callee in box.inside.values():
            if callee.weight * scale >= _NARROWEST:
                inside.append((callee, x, y - _ROW))
            x += callee.weight * scale
        waiting += reversed(inside)


def _drawn(box: _Box, x: float, y: int, width: float, unit: str, total: int) -> str:
    share = 100 * box.weight / (total or 1)
    own = f", {box.own:,} of them its own" if box.inside and box.own else ""
    told = f"{box.name} ({box.weight:,} {unit}, {share:.2f}%{own})"
    label = short_name(box.name)
    room = int((width - 6) / _LETTER)
    shown = "" if room < 3 else label if len(label) <= room else f"{label[: room - 1]}…"
    return (
        f'<g class="box" tabindex="-1" data-x="{x:.2f}" data-w="{width:.2f}" '
        f'data-n="{_text(label)}"><title>{_text(told)}</title>'
        f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{_ROW - 1}" rx="2" '
        f'fill="{_colour(box.name)}"/>'
        f'<text x="{x + 3:.2f}" y="{y + 13}">{_text(shown)}</text></g>'
    )


def _colour(name: str) -> str:
    """Warm colours, the same for all functions of a package; what is no function is grey."""
    package = package_of(name)
    if not package:
        return "hsl(210,12%,78%)"
    number = crc32(package.encode("utf-8", "replace"))
    return f"hsl({number % 48 + 8},{72 + number // 48 % 20}%,{66 + number // 960 % 12}%)"


def _text(text: str) -> str:
    """Text of a plugin for the picture: what XML cannot hold is written out."""
    return escape(plain(text).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff"))
