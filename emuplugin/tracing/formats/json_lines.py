"""JSON lines: one event a line, written while the plugin runs and read back as events.

docs/trace-schema.json describes the lines. The first tells the version of the format, the last
one (kind ``end``) what is known of the whole; between them are the events, and behind these the
aggregates: kinds ``module``, ``sample`` and ``block``. A file without a last line was cut off:
everything in it is good.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Final

from emuplugin.errors import FormatError
from emuplugin.tracing.events import KINDS, Event, Sample

from .event_json import Line, from_dict, record_from_dict, record_to_json, to_line
from .files import written_whole
from .options import OnProgress, ticks

if TYPE_CHECKING:
    from emuplugin.tracing.trace import Trace

VERSION: Final = 1
"""Of the format. It grows when something goes or changes its meaning."""

_FLUSH_SECONDS: Final = 0.5
_LONGEST_LINE: Final = 1 << 26


# --- writing ------------------------------------------------------------------------------------


class JsonLinesWriter:
    """Writes events as they come: ``writer(event)``. ``count`` is how many there were.

    What was written reaches the file at least every half second that events come in, so an
    interrupted run keeps its trace. Use it in a ``with`` block, or call :meth:`close`; give
    :meth:`finish` the trace to have its aggregates and summary in the file too.
    """

    def __init__(self, file: str | os.PathLike[str] | IO[str]) -> None:
        self.count = 0
        self._mine = isinstance(file, (str, os.PathLike))
        self._file: IO[str] = (
            open(file, "w", encoding="ascii", newline="\n")  # noqa: SIM115  (closed by close)
            if isinstance(file, (str, os.PathLike))
            else file
        )
        self._flushed = monotonic()
        self._tell({"kind": "trace", "version": VERSION})

    def __call__(self, event: Event) -> None:
        self._write(to_line(event))
        self.count += 1

    def _tell(self, line: Line) -> None:
        self._write(json.dumps(line, separators=(",", ":")))

    def _write(self, line: str) -> None:
        self._file.write(f"{line}\n")
        now = monotonic()
        if now - self._flushed > _FLUSH_SECONDS:
            self._file.flush()
            self._flushed = now

    def finish(self, trace: Trace) -> None:
        """Write what is not an event: modules, samples, blocks, and the summary."""
        for module in trace.functions.modules:
            self._tell(
                {
                    "kind": "module",
                    "path": module.path,
                    "plugin_path": module.plugin_path,
                    "base": module.base,
                    "end": module.end,
                }
            )
        for sample in trace.samples:
            self._write(f'{{"kind":"sample",{record_to_json(Sample, sample)[1:]}')
        for pc, (size, times) in sorted(trace.coverage.items()):
            self._tell({"kind": "block", "pc": pc, "size": size, "times": times})
        self._tell(
            {
                "kind": "end",
                "events": self.count,
                "dropped": trace.dropped,
                "go_version": trace.go_version,
                "plugins": [os.fspath(path) for path in trace.plugins],
                "began": trace.began,
                "ended": trace.ended,
                "duration": trace.duration,
                "sample_every": trace.sample_every,
            }
        )

    def close(self) -> None:
        """Write what is left; a file that was handed in stays open."""
        self._file.flush()
        if self._mine:
            self._file.close()

    def __enter__(self) -> JsonLinesWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def save(trace: Trace, path: str | os.PathLike[str], *, on_progress: OnProgress = None) -> None:
    """Write a finished trace."""
    with written_whole(path) as stream:
        text = io.TextIOWrapper(stream, encoding="ascii", newline="\n")
        writer = JsonLinesWriter(text)
        for event in ticks(trace.events, len(trace.events), on_progress):
            writer(event)
        writer.finish(trace)
        writer.close()
        text.detach()


# --- reading ------------------------------------------------------------------------------------


def read_lines(path: str | os.PathLike[str]) -> Iterator[Line]:
    """What the lines of a file say. A last line without an end is left out: whoever wrote it was
    interrupted. Raises :class:`FormatError` where the file is none of ours."""
    with Path(path).open("rb") as file:
        for number, raw in enumerate(iter(partial(file.readline, _LONGEST_LINE), b""), 1):
            if not raw.endswith(b"\n"):
                if len(raw) == _LONGEST_LINE:
                    raise FormatError(f"{path}: line {number} is too long")
                break
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise FormatError(f"{path}: line {number} is not JSON: {error}") from error
            if not isinstance(line, dict) or not isinstance(line.get("kind"), str):
                raise FormatError(f"{path}: line {number} is no JSON object with a kind")
            if number == 1:
                _check_version(path, line)
            yield line


def read(path: str | os.PathLike[str]) -> Iterator[Event]:
    """The events in a file, one after the other."""
    for line in read_lines(path):
        if line["kind"] in KINDS:
            try:
                yield from_dict(line)
            except FormatError as error:
                raise FormatError(f"{path}: {error}") from error


def read_samples(path: str | os.PathLike[str]) -> Iterator[Sample]:
    """The stack samples in a file."""
    for line in read_lines(path):
        if line["kind"] == "sample":
            try:
                yield record_from_dict(Sample, line)
            except (KeyError, TypeError) as error:
                raise FormatError(f"{path}: a sample lacks or mistakes {error}") from error


def _check_version(path: str | os.PathLike[str], line: Line) -> None:
    if line["kind"] != "trace":
        raise FormatError(f"{path}: this is no trace: the first line is of kind {line['kind']!r}")
    if line.get("version") != VERSION:
        raise FormatError(
            f"{path}: format version {line.get('version')!r} is not known; this is version "
            f"{VERSION}: trace again, or use the emuplugin that wrote it"
        )
