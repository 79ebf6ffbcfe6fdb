"""Go's cover profile: ``go tool cover -func`` and ``-html`` read it, and editors.

A line of it is a range of source with a count. Go takes the ranges from the syntax tree; here each
line with code is one range and one statement. Where the source is found on this host the range
goes from the first character of the line to the last; elsewhere it is the whole line with its end,
which go tool cover takes as well. Columns count bytes from 1. Format: ``golang.org/x/tools/cover``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from emuplugin.errors import ConfigurationError

from .files import written_whole
from .source_lines import SourceFile, source_files
from .sources import Folders, Sources

if TYPE_CHECKING:
    from emuplugin.tracing.trace import Trace


def save(
    trace: Trace,
    path: str | os.PathLike[str],
    *,
    packages: str | Sequence[str] | None = None,
    standard: bool = False,
    sources: Folders = (),
    read_sources: bool = True,
    mode: str = "count",
) -> None:
    """Write a finished trace. ``mode`` is ``count`` or ``set``; the other options are those of
    :func:`~.source_lines.source_files` and :class:`~.sources.Sources`."""
    if mode not in ("count", "set"):
        raise ConfigurationError(f"mode={mode!r} is neither count nor set")
    files = source_files(trace, packages, standard)
    finder = Sources(sources, read_sources)
    with written_whole(path) as stream:
        stream.write(f"mode: {mode}\n".encode())
        for file in files:
            if _is_go(file.path):
                for line in _ranges(file, finder, mode):
                    stream.write(line.encode("utf-8", "replace"))


def _is_go(path: str) -> bool:
    """go tool cover parses every file: it knows no assembly, and the files that cgo makes are gone.
    Line ends in a name would make lines of their own."""
    name = path.rpartition("/")[2]
    return path.endswith(".go") and not name.startswith("_cgo_") and path.isprintable()


def _ranges(file: SourceFile, finder: Sources, mode: str) -> Iterator[str]:
    source = finder.lines(file.path, max(file.lines))
    for line, count in file.lines.items():
        start, end = f"{line}.1", f"{line + 1}.1"
        if source is not None:
            text = source[line - 1]
            content = text.strip()
            if content:
                first = len(text[: len(text) - len(text.lstrip())].encode()) + 1
                start, end = f"{line}.{first}", f"{line}.{first + len(content.encode())}"
        shown = min(count, 1) if mode == "set" else count
        yield f"{file.path}:{start},{end} 1 {shown}\n"
