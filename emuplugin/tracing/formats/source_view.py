"""The source, annotated with how often each line ran: one HTML page that loads nothing.

Files whose source is not found on this host are shown as lines with their machine code, if the
plugin's file is still there.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

from emuplugin.errors import EmupluginError
from emuplugin.pages import page
from emuplugin.printable import plain

from .files import written_whole
from .source_lines import SourceFile, source_files
from .sources import Folders, Sources

if TYPE_CHECKING:
    from emuplugin.tracing.copies import Counts
    from emuplugin.tracing.functions import ModuleCode
    from emuplugin.tracing.trace import Trace

_MAX_SOURCE: Final = 32 << 20
"""Bytes of source that the page holds; further files are shown as lines."""
_MAX_CODE: Final = 400_000
"""Bytes of code that the page holds disassembled."""

_NOTE: Final = (
    "Counted are lines with machine code of their own. Lines that the compiler merged into others, "
    "or kept in some copies only, have no count; build with -gcflags=all=-l to keep calls from "
    "being inlined."
)

#: Instructions by line: address in the plugin's file, text, how often it ran.
_Code = dict[int, list[tuple[int, str, int]]]


def save(
    trace: Trace,
    path: str | os.PathLike[str],
    *,
    packages: str | Sequence[str] | None = None,
    standard: bool = False,
    sources: Folders = (),
    read_sources: bool = True,
) -> None:
    """Write a finished trace; the options are those of :func:`~.source_lines.source_files` and
    :class:`~.sources.Sources`."""
    files = source_files(trace, packages, standard)
    text = to_html(trace, files, Sources(sources, read_sources))
    with written_whole(path) as stream:
        stream.write(text.encode("utf-8", "replace"))


def to_html(trace: Trace, files: Sequence[SourceFile], sources: Sources) -> str:
    """The page."""
    files = sorted(files, key=lambda file: (file.package, file.path))
    plugins = plain(", ".join(os.path.basename(os.fspath(plugin)) for plugin in trace.plugins))
    hit, total = sum(file.hit for file in files), sum(len(file.lines) for file in files)
    count = "1 file" if len(files) == 1 else f"{len(files):,} files"
    rows = "\n".join(_row(number, file) for number, file in enumerate(files))
    return page(
        "emuplugin.tracing.formats",
        "source",
        title=f"{plugins or 'Plugin'}: lines that ran",
        data=_data(trace, files, sources),
        parts={
            "plugins": escape(plugins or "Plugin"),
            "summary": f"{_percent(hit, total)}% of {total:,} lines ran, in {count}",
            "rows": rows,
            "note": escape(_NOTE),
        },
    )


def _row(number: int, file: SourceFile) -> str:
    cells = f"{file.hit:,}", f"{len(file.lines):,}", _percent(file.hit, len(file.lines))
    numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
    return f'<tr><td><a href="#{number}">{escape(plain(file.path))}</a></td>{numbers}</tr>'


def _percent(hit: int, total: int) -> str:
    """Rounded down: 100 is when all lines ran."""
    return f"{1000 * hit // total / 10:g}" if total else "0"


def _data(trace: Trace, files: Sequence[SourceFile], sources: Sources) -> dict[str, Any]:
    room = _MAX_SOURCE
    texts: dict[str, list[str]] = {}
    for file in files:
        found = sources.lines(file.path, max(file.lines)) if room > 0 else None
        if found is not None:
            room -= sum(map(len, found))
            texts[file.path] = found
    code = _machine_code(trace, {file.path for file in files} - texts.keys())
    return {
        "files": [
            {
                "path": plain(file.path),
                "package": file.package,
                "hit": file.hit,
                "lines": list(file.lines.items()),
                "functions": [(f.name, f.line, f.count) for f in file.functions],
                "source": texts.get(file.path),
                "code": code.get(file.path),
            }
            for file in files
        ]
    }


def _machine_code(trace: Trace, wanted: set[str]) -> dict[str, _Code]:
    """The instructions of source files, by line, as far as there is room."""
    found: dict[str, _Code] = {}
    counts = trace.coverage.counts
    for module in trace.functions.modules if wanted else ():
        try:
            _disassemble(module, wanted, counts, found)
        except (EmupluginError, OSError):  # the file is gone, or is another one by now
            continue
    return found


def _disassemble(
    module: ModuleCode, wanted: set[str], counts: Counts, found: dict[str, _Code]
) -> None:
    from emuplugin.inspection import inspect

    inspection = inspect(module.path)
    room = _MAX_CODE
    for function in inspection.functions:
        if function.file not in wanted:
            continue
        room -= function.size
        if room < 0:
            return
        for item in inspection.disassemble(function):
            if item.file in wanted:
                lines = found.setdefault(item.file, defaultdict(list))
                count = counts.at(module.base + item.address)
                lines[item.line].append((item.address, str(item), count))
