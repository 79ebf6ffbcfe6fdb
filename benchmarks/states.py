"""Going back, second machines, and what machines cost in memory.

The plugin keeps as much on its heap as is asked of it, so that there is something to bring back.
"""

from __future__ import annotations

import gc
import io
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from rich.table import Table

import emuplugin

from .samples import Samples
from .settings import Settings
from .tables import digits, quantity_table

T = TypeVar("T")

TOUCHED = 10 << 20
"""Bytes that are written between a snapshot and going back to it."""

_MACHINES = 10
_ROOT = Path(__file__).parents[1]


def measure(settings: Settings) -> Samples:
    """Seconds by ``time: WHAT``, bytes by ``memory: WHAT``."""
    samples = Samples()
    hello, keeper = settings.fixture("hello"), settings.plugin("scaling_data")
    for _ in range(settings.runs):
        _states(samples, keeper)
        _machines(samples, hello)
        for name, size in _memory(hello).items():
            samples.add(f"memory: {name}", size)
    return samples


def _states(samples: Samples, path: Path) -> None:
    with emuplugin.Machine() as machine:
        plugin = machine.open(path)
        fill = plugin["Fill"]
        snapshot = _timed(samples, "snapshot after opening", machine.snapshot)
        machine.restore(snapshot)
        for label, size in (("nothing", 0), ("10 MB", TOUCHED)):
            for _ in range(3):
                fill(size)
                back = partial(machine.restore, snapshot)
                _timed(samples, f"restore, {label} touched", back)
                # What is dropped has to be had again.
                _timed(samples, f"the next call, which touches {label}", partial(fill, size))
            fill(size)
            _timed(samples, f"reset, {label} touched", machine.reset)
            fill = machine.plugins[0]["Fill"]
            snapshot = machine.snapshot()


def _machines(samples: Samples, path: Path) -> None:
    box = emuplugin.Sandbox(stdout=io.StringIO())  # what F prints
    with emuplugin.Machine(box) as machine:
        _timed(samples, "open hello, once more in this process", lambda: machine.open(path))
        snapshot = machine.snapshot()
        # The first one finds out how.
        _timed(samples, "snapshot.clone(), the first", snapshot.clone).close()
        for _ in range(5):
            clone = _timed(samples, "snapshot.clone()", snapshot.clone)
            _timed(samples, "the clone's first call of F", clone.plugins[0]["F"])
            clone.close()
            _timed(samples, "machine.clone()", machine.clone).close()


def _timed(samples: Samples, name: str, action: Callable[[], T]) -> T:
    gc.collect()
    start = perf_counter()
    result = action()
    samples.add(f"time: {name}", perf_counter() - start)
    return result


def _memory(path: Path) -> dict[str, float]:
    """Bytes, of a fresh process: see :mod:`benchmarks.sample_memory`."""
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.sample_memory", str(path), str(_MACHINES)],
        cwd=_ROOT,
        capture_output=True,
        check=True,
    )
    found: dict[str, float] = json.loads(result.stderr)
    return found


def tables(samples: Samples) -> list[Table]:
    """Times, and memory."""
    memory = Table(title="Memory of this process that nobody else has", title_justify="left")
    memory.add_column("what")
    memory.add_column("MB", justify="right")
    for name in samples.part("memory").by_name:
        memory.add_row(name, digits(samples.median(f"memory: {name}") / 1e6))
    return [
        quantity_table("States and machines", samples.part("time"), "ms", 1e3),
        memory,
    ]
