"""Folded stacks, a line each: ``main.F;main.g;fmt.Println 1200``; flamegraph.pl, speedscope and
inferno read them.

The outermost function comes first, and the number is what the stack weighs by itself.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from emuplugin.printable import plain

from .files import written_whole
from .weights import weigh

if TYPE_CHECKING:
    from emuplugin.tracing.trace import Trace


def save(trace: Trace, path: str | os.PathLike[str], *, by: str | None = None) -> None:
    """Write a finished trace; ``by`` is a name in :data:`~.weights.WAYS`."""
    weights, _ = weigh(trace, by)
    with written_whole(path) as stream:
        for names, weight in sorted(weights.items()):
            line = ";".join(map(_name, names))
            stream.write(f"{line} {weight}\n".encode())


def _name(name: str) -> str:
    """A name in which nothing ends it; Go's own have semicolons in types like
    ``struct { A int; B int }``."""
    return plain(name).replace(";", ",")
