"""The formats that a trace can be saved in, one file each; see docs/trace-formats.md."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emuplugin.errors import ConfigurationError

if TYPE_CHECKING:
    from emuplugin.tracing.trace import Trace


class Format(NamedTuple):
    """A format: the ``suffix`` that files of it have, what it is (one line), what the trace must
    have been asked for ("" for anything), and the names of its options."""

    suffix: str
    summary: str
    needs: str
    options: tuple[str, ...] = ()


_COVERAGE: Final = ("packages", "standard")
_SOURCES: Final = ("sources", "read_sources")

#: The formats by name; ``emuplugin trace --format`` takes the names.
FORMATS: Final[dict[str, Format]] = {
    "jsonl": Format(".jsonl", "JSON lines, everything in it", "", ("on_progress",)),
    "chrome": Format(
        ".json", "Chrome trace, for ui.perfetto.dev and chrome://tracing", "", ("on_progress",)
    ),
    "pprof": Format(".pb.gz", "profile for go tool pprof", "profile=10_000 or allocations=True"),
    "folded": Format(
        ".folded",
        "folded stacks, for flamegraph.pl and speedscope",
        "profile=10_000, calls=True or allocations=True",
        ("by",),
    ),
    "flame": Format(
        ".svg",
        "flame graph, for any browser",
        "profile=10_000, calls=True or allocations=True",
        ("by", "title"),
    ),
    "drcov": Format(
        ".drcov", "blocks, for Lighthouse and other disassembler plugins", "blocks=True"
    ),
    "lcov": Format(".lcov", "lines, for genhtml and editors", "blocks=True", _COVERAGE),
    "cover": Format(
        ".cover",
        "Go's cover profile, for go tool cover",
        "blocks=True",
        (*_COVERAGE, *_SOURCES, "mode"),
    ),
    "html": Format(
        ".html", "annotated source, for any browser", "blocks=True", (*_COVERAGE, *_SOURCES)
    ),
}

#: Other endings that name a format.
_ALSO: Final = {".ndjson": "jsonl", ".pprof": "pprof", ".info": "lcov", ".out": "cover"}

_MODULES: Final = {
    "jsonl": "json_lines",
    "cover": "go_cover",
    "html": "source_view",
}


def format_of(path: str | os.PathLike[str]) -> str:
    """The name of the format that a path's ending tells. Raises :class:`ConfigurationError` with
    the endings that there are."""
    name = os.path.basename(os.fspath(path)).lower()
    endings = {form.suffix: key for key, form in FORMATS.items()} | _ALSO
    for ending in sorted(endings, key=len, reverse=True):
        if name.endswith(ending):
            return endings[ending]
    known = ", ".join(f"{form.suffix} ({key})" for key, form in FORMATS.items())
    raise ConfigurationError(
        f"the ending of {os.path.basename(os.fspath(path))!r} names no format; "
        f"name the format, or use one of these endings: {known}"
    )


def save(
    trace: Trace, path: str | os.PathLike[str], format: str | None = None, **options: Any
) -> None:
    """Write a finished trace to a file, in the format that ``format`` or the path's ending names.

    The file is there when all of it is written. Raises :class:`ConfigurationError` for a format or
    an option that there is none of, and where the trace lacks what the format shows; and OSError.
    """
    if format is None:
        format = format_of(path)
    if format not in FORMATS:
        raise ConfigurationError(f"{format!r} is no format; there are {', '.join(FORMATS)}")
    unknown = sorted(options.keys() - set(FORMATS[format].options))
    if unknown:
        takes = ", ".join(FORMATS[format].options) or "no options"
        raise ConfigurationError(f"format {format} takes {takes}, not {', '.join(unknown)}")
    writer: Callable[..., None] = import_module(f".{_MODULES.get(format, format)}", __name__).save
    writer(trace, path, **options)
