"""What it costs to take large values out of a plugin, and to put them in.

Against the usual way to Go's data: a native Go process at the other end of a pipe, which writes
and reads the same data as JSON.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy
from rich.markup import escape
from rich.table import Table

import emuplugin
from emuplugin.build import build_plugin, fetch_toolchain
from emuplugin.errors import BuildError

from .samples import Samples

_SOURCE = Path(__file__).parent / "conversions_data"
_LENGTH = struct.Struct("<q")
_MEMORY = 4 << 30  # bytes: the floats are there twice while they are written

FLOATS, ENTRIES = 10_000_000, 100_000
"""How many elements the ``[]float64`` has, and how many the others; of documents a tenth."""

JSON = "JSON, a Go process"
"""What the peer is called: the measure of the others."""

TYPES = {
    "Floats": "[]float64",
    "Counts": "map[string]int",
    "Points": "[]Point",
    "Words": "[]string",
    "Documents": "[]any",
}


class Way(NamedTuple):
    """One way to convert a variable: ``run`` takes it and what ``prepare`` makes of the data."""

    name: str
    how: str
    run: Callable[[emuplugin.Variable, Any], Any]
    prepare: Callable[[Any], Any] = lambda data: data


def _assign(variable: emuplugin.Variable, data: Any) -> None:
    variable.value = data


_READS = (
    Way("Floats", "memoryview", lambda v, _: v.value.memoryview()),
    Way("Floats", "numpy.asarray", lambda v, _: numpy.asarray(v.value)),
    Way("Floats", "numpy.array (a copy)", lambda v, _: numpy.array(v.value)),
    Way("Floats", "list", lambda v, _: list(v.value)),
    Way("Counts", "to_python", lambda v, _: emuplugin.to_python(v)),
    Way("Points", "to_python", lambda v, _: emuplugin.to_python(v)),
    Way("Words", "to_python", lambda v, _: emuplugin.to_python(v)),
    Way("Documents", "to_python", lambda v, _: emuplugin.to_python(v)),
)
_WRITES = (
    Way("Floats", "of a NumPy array", _assign, numpy.asarray),
    Way("Floats", "of a list", _assign),
    Way("Counts", "of a dict", _assign),
    Way("Points", "of a list of dicts", _assign),
    Way("Words", "of a list of str", _assign),
    Way("Documents", "of a list of dicts", _assign),
)


def measure(
    go_version: str, folder: Path, runs: int, scale: float, progress: Callable[[], None]
) -> Samples:
    """Seconds of each way, in turns, after a round that checks and warms up.

    ``scale`` is the share of the full numbers of elements; ``folder`` is for what is built.
    """
    floats, entries = max(int(FLOATS * scale), 1), max(int(ENTRIES * scale), 1)
    samples = Samples()
    box = emuplugin.Sandbox(limits=emuplugin.Limits(memory=_MEMORY))
    built = build_plugin(_SOURCE, folder / "conversions.so", go=go_version)
    with _peer(go_version, folder, floats, entries) as peer, emuplugin.Machine(box) as machine:
        plugin = machine.open(built.path)
        plugin["Fill"](floats, entries)
        for name in TYPES:
            data = peer.read(name)
            for number in range(runs + 1):
                _round(samples if number else Samples(), plugin[name], peer, data)
                progress()
            assert emuplugin.to_python(plugin[name]) == data, name
            del data
    return samples


def _round(samples: Samples, variable: emuplugin.Variable, peer: _Peer, data: Any) -> None:
    """One sample of each way for one variable, reading before writing."""
    label = f"{TYPES[variable.name]}, {len(data):,}"
    for verb, ways in (("read", _READS), ("write", _WRITES)):
        for way in ways:
            if way.name == variable.name:
                prepared = way.prepare(data)
                with _sample(samples, f"{verb} {label}: {way.how}"):
                    result = way.run(variable, prepared)
                assert result is None or len(result) == len(data), way.how
                del prepared, result
        with _sample(samples, f"{verb} {label}: {JSON}"):
            if verb == "read":
                peer.read(variable.name)
            else:
                peer.write(variable.name, data)


@contextmanager
def _sample(samples: Samples, name: str) -> Iterator[None]:
    start = perf_counter()
    yield
    samples.add(name, perf_counter() - start)


def table(samples: Samples) -> Table:
    """Medians, quartiles, and how often the peer's time: below 1 is faster than the peer."""
    result = Table(title="Large values, read and written", title_justify="left")
    result.add_column("what")
    for heading in ("median (ms)", "quartiles", "times JSON"):
        result.add_column(heading, justify="right")
    for name in samples.by_name:
        what, _, how = name.rpartition(": ")
        median, peer = samples.median(name), samples.median(f"{what}: {JSON}")
        low, high = samples.quartiles(name)
        ratio = "" if how == JSON else f"{median / peer:.2g}"
        result.add_row(
            escape(name), f"{median * 1e3:.2f}", f"{low * 1e3:.2f} - {high * 1e3:.2f}", ratio
        )
        if how == JSON:
            result.add_section()
    return result


class _Peer:
    """The native process: the same variables, by name."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    def read(self, name: str) -> Any:
        """What a variable holds: Go writes JSON, Python reads it."""
        self._in.write(f"read {name}\n".encode())
        self._in.flush()
        return json.loads(self._answer())

    def write(self, name: str, data: Any) -> None:
        """Give a variable another value: Python writes JSON, Go reads it."""
        text = json.dumps(data, separators=(",", ":")).encode()
        self._in.write(f"write {name} {len(text)}\n".encode())
        self._in.write(text)
        self._in.flush()
        self._answer()

    def _answer(self) -> bytes:
        (length,) = _LENGTH.unpack(self._out.read(_LENGTH.size))
        return self._out.read(length)


@contextmanager
def _peer(go_version: str, folder: Path, floats: int, entries: int) -> Iterator[_Peer]:
    """The same source as a program of this host."""
    program = folder / f"conversions{'.exe' if os.name == 'nt' else ''}"
    arguments = ["build", "-o", str(program), "."]
    env = {"GOWORK": "off", "CGO_ENABLED": "0"}
    result = fetch_toolchain(go_version).go(arguments, _SOURCE, env)
    if result.returncode != 0:
        raise BuildError(f"the native program does not build:\n{result.stdout}", result.stdout)
    command = [str(program), str(floats), str(entries)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield _Peer(process)
