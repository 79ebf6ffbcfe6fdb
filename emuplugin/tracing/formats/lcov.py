"""lcov's tracefile: lines and functions by file, for genhtml, editors and coverage services.

Format: ``man geninfo``, section FILES. Functions count how often they were entered; branches are
not in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from emuplugin.printable import plain

from .files import written_whole
from .source_lines import SourceFile, source_files

if TYPE_CHECKING:
    from emuplugin.tracing.trace import Trace


def save(
    trace: Trace,
    path: str | os.PathLike[str],
    *,
    packages: str | Sequence[str] | None = None,
    standard: bool = False,
) -> None:
    """Write a finished trace; the options are those of :func:`~.source_lines.source_files`."""
    files = source_files(trace, packages, standard)
    with written_whole(path) as stream:
        for file in files:
            stream.write("".join(f"{line}\n" for line in _record(file)).encode())


def _record(file: SourceFile) -> Iterator[str]:
    yield "TN:"
    yield f"SF:{plain(file.path)}"
    for function in file.functions:
        yield f"FN:{function.line},{plain(function.name)}"
    for function in file.functions:
        yield f"FNDA:{function.count},{plain(function.name)}"
    yield f"FNF:{len(file.functions)}"
    yield f"FNH:{sum(1 for function in file.functions if function.count)}"
    for line, count in file.lines.items():
        yield f"DA:{line},{count}"
    yield f"LF:{len(file.lines)}"
    yield f"LH:{file.hit}"
    yield "end_of_record"
