"""How right and how fast ``emuplugin.inspect`` is, and what others read of the same plugins.

Read are *stripped* plugins (``-ldflags="-s -w" -trimpath``). The truth is what the linker wrote
into the same plugins with symbols: the symbol table for functions, DWARF for the rest. *Missed* is
what these have and a reader has not, *wrong* what it has otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.table import Table

from emuplugin.build import NEWEST, OLDEST, resolve_version
from emuplugin.inspection import Inspection, inspect
from tests.support.plugins import plugin_path

from .inspection_readers import (
    build_readers,
    find_goresym,
    read_goresym,
    read_gosym,
    read_inspection,
    read_truth,
)
from .inspection_readings import Reading, Score, Truth
from .samples import Samples
from .settings import Settings

CORPUS: Final = {
    "hello": "fmt",
    "generics": "type parameters, lo, btree",
    "files": "bbolt",
    "leveldb": "goleveldb",
    "database": "go-memdb",
    "logger": "zap",
    "secrets": "x/crypto, ssh, x509",
    "router": "net/http, chi",
    "stdlib": "net/http, TLS, database/sql",
}
"""Fixtures, and what they are made of."""

QUANTITIES: Final = ("functions", "types", "files", "lines", "variables")
READERS: Final = ("emuplugin", "debug/gosym", "GoReSym")
_GAVE_UP: Final = Reading(frozenset(), files=frozenset(), position=lambda address: None)


def measure(settings: Settings) -> Samples:
    """Counts by ``READER: PLUGIN, Go VERSION: QUANTITY: found`` (or ``missed``, ``wrong``), seconds
    by ``seconds: PLUGIN: STEP``, megabytes by ``size: PLUGIN``."""
    samples = Samples()
    names = ["hello"] if settings.quick else list(CORPUS)
    readers = build_readers(settings.folder)
    if find_goresym() is None:
        settings.peers.missing["GoReSym"] = "not installed (GORESYM=/path/to/GoReSym names one)"
    for name in names:
        for version in map(resolve_version, (OLDEST, NEWEST)):
            settings.say(f"reading {name}, Go {version}")
            for reader, scores in score(name, version, readers, settings.folder).items():
                for quantity, counts in scores.items():
                    for kind, count in counts._asdict().items():
                        samples.add(f"{reader}: {name}, Go {version}: {quantity}: {kind}", count)
    for name in names:
        path = plugin_path(name, settings.go)
        samples.add(f"size: {name}", path.stat().st_size / 1e6)
        for _ in range(min(settings.runs, 3)):
            for step, seconds in times(path):
                samples.add(f"seconds: {name}: {step}", seconds)
    return samples


# --- how right ------------------------------------------------------------------------------------


def score(name: str, version: str, readers: Path, folder: Path) -> dict[str, dict[str, Score]]:
    """The scores of all readers, by quantity, for one plugin and Go version. ``readers`` is what
    ``build_readers`` built, ``folder`` is for files."""
    stripped = plugin_path(name, version, stripped=True)
    written = folder / "truth.json"
    truth = read_truth(readers, plugin_path(name, version, trimpath=True), written)
    inspection = inspect(stripped)
    packages = package_names(inspection)
    found = {"emuplugin": read_inspection(inspection)}
    found["debug/gosym"] = read_gosym(readers, stripped, written) or _GAVE_UP
    goresym = find_goresym()
    if goresym is not None:
        found["GoReSym"] = read_goresym(goresym, stripped) or _GAVE_UP
    return {reader: dict(_scores(truth, reading, packages)) for reader, reading in found.items()}


def _scores(
    truth: Truth, reading: Reading, packages: dict[str, str]
) -> Iterator[tuple[str, Score]]:
    scores = (
        truth.score_functions(reading),
        truth.score_types(reading),
        truth.score_files(reading),
        truth.score_lines(reading),
        truth.score_variables(reading, packages),
    )
    for quantity, counts in zip(QUANTITIES, scores, strict=True):
        if counts is not None:
            yield quantity, counts


def package_names(inspection: Inspection) -> dict[str, str]:
    """The names of packages by their import paths."""
    named = (type_ for type_ in inspection.types if type_.named and type_.package)
    found = {type_.package: type_.name.partition(".")[0] for type_ in named}
    return {**found, inspection.plugin_path: "main"}


# --- how fast -------------------------------------------------------------------------------------

STEPS: Final[tuple[tuple[str, Callable[[Inspection], object]], ...]] = (
    ("functions", lambda i: i.functions),
    ("types", lambda i: (i.types, i.interfaces)),
    ("calls", lambda i: i.calls),
    ("variables", lambda i: i.variables),
    ("strings", lambda i: i.strings),
    ("paths", lambda i: i.capabilities),
    ("HTML", lambda i: i.to_html()),
)


def times(path: Path) -> Iterator[tuple[str, float]]:
    """Processor seconds of each step, of which each needs those before it."""
    start = time.process_time()
    inspection = inspect(path)
    for name, step in STEPS:
        step(inspection)
        now = time.process_time()
        yield name, now - start
        start = now


# --- tables ---------------------------------------------------------------------------------------


def tables(samples: Samples) -> list[Table]:
    """Two tables of scores for each reader, which are narrower than one, and one of times."""
    found = []
    for reader in READERS:
        rows = _rows(samples.part(reader))
        for columns in (QUANTITIES[:3], QUANTITIES[3:]):
            told = [q for q in columns if any(q in row for row in rows.values())]
            if told:
                found.append(_scores_table(reader, told, rows))
    return [*found, _times_table(samples)]


def _rows(samples: Samples) -> dict[str, dict[str, Score]]:
    """Scores by plugin and quantity."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for name, (count, *_) in samples.by_name.items():
        plugin, quantity, kind = name.split(": ")
        counts.setdefault(plugin, {}).setdefault(quantity, {})[kind] = int(count)
    return {
        plugin: {quantity: Score(**score) for quantity, score in row.items()}
        for plugin, row in counts.items()
    }


def _scores_table(
    reader: str, quantities: Sequence[str], rows: Mapping[str, Mapping[str, Score]]
) -> Table:
    table = Table(title=f"{reader}, stripped: found / missed / wrong", title_justify="left")
    table.add_column("plugin")
    for quantity in quantities:
        heading = "types of variables" if quantity == "variables" else quantity
        table.add_column(heading, justify="right")
    for plugin, row in rows.items():
        table.add_row(plugin, *(str(row[q]) if q in row else "" for q in quantities))
    return table


def _times_table(samples: Samples) -> Table:
    table = Table(
        title="emuplugin.inspect, with symbols: processor seconds of each step",
        title_justify="left",
    )
    table.add_column("plugin")
    for heading in ("MB", *(step for step, _ in STEPS)):
        table.add_column(heading, justify="right")
    sizes, seconds = samples.part("size"), samples.part("seconds")
    for name, (size, *_) in sizes.by_name.items():
        steps = (f"{seconds.median(f'{name}: {step}'):.2f}" for step, _ in STEPS)
        table.add_row(name, f"{size:.1f}", *steps)
    return table
