"""How costs grow: opening with the size of the file, a call with the size of its argument,
collecting garbage with the heap, memory with the machines.

Each is to be linear. A line is laid through the points; what a step costs, and how far the worst
point is from the line, is in the table, the points are in the plot.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import linear_regression, median
from time import perf_counter
from typing import NamedTuple

from rich.table import Table

import emuplugin
from emuplugin.build import build_plugin
from emuplugin.elf.file import ElfFile
from emuplugin.errors import BuildError

from .sample_memory import own_memory
from .samples import Samples
from .settings import Settings
from .tables import digits

_SIZES = Path(__file__).parent / "sizes"
_MEMORY = 2 << 30  # bytes: what the largest heap needs


class Series(NamedTuple):
    """What is measured against what: names, units, by what a unit is divided to be one of the
    table."""

    name: str
    x: str
    x_scale: float
    y: str
    y_scale: float


SERIES = (
    Series("open, by file size", "MB of file", 1e6, "ms", 1e-3),
    Series("open, by relocations", "1,000 relocations", 1e3, "ms", 1e-3),
    Series("call, by length of a string", "1,000 bytes", 1e3, "us", 1e-6),
    Series("call and result, by length of a string", "1,000 bytes", 1e3, "us", 1e-6),
    Series("call, by elements of a list", "1,000 elements", 1e3, "us", 1e-6),
    Series("collecting garbage, by heap", "MB of heap", 1e6, "ms", 1e-3),
    Series("f.map, by calls", "1,000 calls", 1e3, "us", 1e-6),
    Series("memory, by machines", "machine", 1, "MB", 1e6),
)


class Line(NamedTuple):
    """``y = start + slope * x``; ``off`` is how far the worst point is from it, as a share of the
    largest value."""

    start: float
    slope: float
    off: float


def measure(settings: Settings) -> Samples:
    """Seconds or bytes, as ``SERIES @ X``."""
    samples = Samples()
    runs = min(settings.runs, 7)
    _opening(samples, settings, runs)
    with _machine(settings) as plugin:
        _calls(samples, plugin, settings, runs)
        _collecting(samples, plugin, settings, runs)
    _machines(samples, settings)
    return samples


def _opening(samples: Samples, settings: Settings, runs: int) -> None:
    steps = sorted(_SIZES.glob("s*"))[: 2 if settings.quick else None]
    for step in steps:
        path = settings.folder / f"{step.name}.so"
        settings.say(f"building a plugin of {step.name}")
        try:
            build_plugin(step, path, go=settings.go)
        except BuildError as error:  # the modules of the larger ones need a recent Go
            settings.say(str(error).splitlines()[0])
            break
        relocations = len(ElfFile.open(path).relocations)
        for _ in range(min(runs, 3)):
            gc.collect()
            with emuplugin.Machine(cache=False) as machine:
                start = perf_counter()
                machine.open(path)
                seconds = perf_counter() - start
            _add(samples, SERIES[0], path.stat().st_size, seconds)
            _add(samples, SERIES[1], relocations, seconds)


@contextmanager
def _machine(settings: Settings) -> Iterator[emuplugin.Plugin]:
    box = emuplugin.Sandbox(limits=emuplugin.Limits(memory=_MEMORY, seconds=None))
    with emuplugin.Machine(box) as machine:
        yield machine.open(settings.plugin("scaling_data"))


def _calls(samples: Samples, plugin: emuplugin.Plugin, settings: Settings, runs: int) -> None:
    length, count, echo = plugin["Length"], plugin["Count"], plugin["Echo"]
    for step in range(1, 6):
        size = settings.share(step * 1_000_000)
        text, numbers = "x" * size, list(range(size // 10))
        xs: list[str] = ["x"] * len(numbers)
        actions: tuple[tuple[Series, Callable[[], object]], ...] = (
            (SERIES[2], partial(length, text)),
            (SERIES[3], partial(echo, text)),
            (SERIES[4], partial(count, numbers)),
        )
        for series, action in actions:
            for _ in range(runs):
                _add(
                    samples, series, len(numbers if series is SERIES[4] else text), _seconds(action)
                )
        for _ in range(runs):
            _add(samples, SERIES[6], len(xs), _seconds(partial(length.map, xs)))


def _collecting(samples: Samples, plugin: emuplugin.Plugin, settings: Settings, runs: int) -> None:
    for step in range(1, 6):
        objects = settings.share(step * 200_000)
        plugin["Grow"](objects)
        for _ in range(min(runs, 3)):
            # Objects of 56 bytes lie in places of 64.
            _add(samples, SERIES[5], objects * 64, _seconds(plugin["Collect"]))


def _machines(samples: Samples, settings: Settings) -> None:
    path = settings.fixture("hello")
    machines = [emuplugin.Machine()]  # the first one takes what was freed before
    machines[0].open(path)
    gc.collect()
    before = own_memory()
    for number in range(1, settings.share(20, 2) + 1):
        machines.append(emuplugin.Machine())
        machines[-1].open(path)
        gc.collect()
        _add(samples, SERIES[7], number, own_memory() - before)
    for machine in machines:
        machine.close()


def _seconds(action: Callable[[], object]) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start


def _add(samples: Samples, series: Series, x: float, y: float) -> None:
    samples.add(f"{series.name} @ {x}", y)


def points(samples: Samples, series: Series) -> list[tuple[float, float]]:
    """The medians of one series, in the units of the table."""
    found = []
    for name, values in samples.by_name.items():
        label, _, x = name.partition(" @ ")
        if label == series.name:
            found.append((float(x) / series.x_scale, median(values) / series.y_scale))
    return sorted(found)


def fitted(places: list[tuple[float, float]]) -> Line:
    """The line through points."""
    xs, ys = zip(*places, strict=True)
    slope, start = linear_regression(xs, ys)
    off = max(abs(start + slope * x - y) for x, y in places) / max(map(abs, ys))
    return Line(start, slope, off)


def tables(samples: Samples) -> list[Table]:
    """The lines."""
    table = Table(title="How costs grow", title_justify="left")
    table.add_column("what")
    for heading in ("from - to", "start", "slope", "off"):
        table.add_column(heading, justify="right")
    for series in SERIES:
        places = points(samples, series)
        if len(places) < 2:
            continue
        line = fitted(places)
        table.add_row(
            series.name,
            f"{digits(places[0][0])} - {digits(places[-1][0])}",
            f"{digits(line.start)} {series.y}",
            f"{digits(line.slope)} {series.y} per {series.x}",
            f"{line.off:.0%}",
        )
    return [table]
