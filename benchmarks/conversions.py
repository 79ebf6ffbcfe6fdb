"""What it costs to take large values out of a plugin, and to put them in.

Against the usual way to Go's data: a native Go process at the other end of a pipe, which writes
and reads the same data as JSON.
"""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy
from rich.table import Table

import emuplugin
from emuplugin.build import build_plugin, fetch_toolchain
from emuplugin.errors import BuildError

from .samples import Samples

_SOURCE = Path(__file__).parent / "conversions_data"
_LENGTH = struct.Struct("<q")

FLOATS, ENTRIES = 10_000_000, 100_000
"""How many elements the ``[]float64`` has, and how many the others."""

JSON = "JSON from and to a Go process"
"""What the peer is called; the tables show the rest as multiples of it."""

TYPES = {
    "Floats": "[]float64",
    "Counts": "map[string]int",
    "Points": "[]Point",
    "Words": "[]string",
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
)
_WRITES = (
    Way("Floats", "of a NumPy array", _assign, numpy.asarray),
    Way("Floats", "of a list", _assign),
    Way("Counts", "of a dict", _assign),
    Way("Points", "of a list of dicts", _assign),
    Way("Words", "of a list of str", _assign),
)


def measure(
    go_version: str, folder: Path, runs: int, scale: float, progress: Callable[[], None]
) -> Samples:
    """Seconds of each way, in turns, after a round that checks and warms up.

    ``scale`` is the share of the full numbers of elements; ``folder`` is for what is built.
    """
    floats, entries = max(int(FLOATS * scale), 1), max(int(ENTRIES * scale), 1)
    samples = Samples()
    plugin_path = folder / "conversions.so"
    build_plugin(_SOURCE, plugin_path, go=go_version)
    box = emuplugin.Sandbox(limits=emuplugin.Limits(memory=4 << 30))
    with _peer(go_version, folder, floats, entries) as peer, emuplugin.Machine(box) as machine:
        plugin = machine.open(plugin_path)
        plugin["Fill"](floats, entries)
        for name, go_type in TYPES.items():
            data = peer.read(name)
            variable = plugin[name]
            label = f"{go_type}, {len(data):,}"
            for number in range(runs + 1):
                into = samples if number else Samples()
                for way in _READS:
                    if way.name == name:
                        _sample(into, f"read {label}: {way.how}", way, variable, data, number == 0)
                _time(into, f"read {label}: {JSON}", lambda: peer.read(name))
                for way in _WRITES:
                    if way.name == name:
                        _sample(into, f"write {label}: {way.how}", way, variable, data, False)
                        assert number or _same(variable.value, data), way
                _time(into, f"write {label}: {JSON}", lambda: peer.write(name, data))
                progress()
            del data
    return samples
