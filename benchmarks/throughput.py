"""How fast the code of a plugin runs: the workloads of ``workloads/``, each warm.

Against the same plugin natively, under qemu's user-mode emulation where that is installed, and
against emuplugin without its accelerators, and with the engine as it comes: no code of ours in it,
and no count of instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import exp, log
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

from rich.table import Table

import emuplugin
from emuplugin.build import build_plugin
from emuplugin.cpu import stops

from .native import run
from .samples import Samples

_SOURCE = Path(__file__).parent / "workloads"

#: The size of each workload: some 50 to 150 ms emulated.
SIZES = {
    "Fib": 27,
    "Sha256": 1500,
    "SortInts": 60_000,
    "JSON": 600,
    "MapInsert": 60_000,
    "Alloc": 300_000,
    "Strings": 20_000,
    "Mandelbrot": 150,
    "Goroutines": 8_000,
    "Regexp": 2_500,
    "BigInt": 4_000,
}
OURS, ALONE = "emuplugin", "emuplugin, no accelerators"
AS_IT_COMES = "emuplugin, engine as it comes"

Workload = Callable[[int], int]


def measure(
    go_version: str,
    folder: Path,
    peers: dict[str, list[str]],
    runs: int,
    progress: Callable[[], None],
) -> Samples:
    """Seconds by ``way: workload``. The ways take turns."""
    plugin = folder / "workloads.so"
    build_plugin(_SOURCE, plugin, go=go_version)
    samples = Samples()
    with ExitStack() as stack:
        ways = {
            OURS: stack.enter_context(_workloads(plugin)),
            ALONE: stack.enter_context(_workloads(plugin, accelerators=False)),
        }
        with patch.object(stops, "is_supported", lambda: False):
            ways[AS_IT_COMES] = stack.enter_context(_workloads(plugin))
        for name, size in SIZES.items():
            results = {way[name](size) for way in ways.values()}
            assert len(results) == 1
            for _ in range(runs):
                for way, functions in ways.items():
                    start = perf_counter()
                    functions[name](size)
                    samples.add(f"{way}: {name}", perf_counter() - start)
                for peer, launcher in peers.items():
                    times = run(launcher, "run", str(plugin), name, str(size))
                    samples.add(f"{peer}: {name}", times["run"])
            progress()
    return samples


@contextmanager
def _workloads(plugin: Path, *, accelerators: bool = True) -> Iterator[dict[str, Workload]]:
    with emuplugin.Machine(emuplugin.Sandbox(accelerators=accelerators)) as machine:
        opened = machine.open(plugin)
        yield {name: opened.lookup(name) for name in SIZES}


def table(samples: Samples) -> Table:
    """Medians, and the others as multiples of the native time."""
    ways = list(dict.fromkeys(name.partition(": ")[0] for name in samples.by_name))
    native = "native" in ways
    result = Table(title="Workloads, warm", title_justify="left")
    result.add_column("workload")
    for way in ways:
        times = native and way != "native"
        result.add_column(f"{way} ({'x native' if times else 'ms'})", justify="right")
    ratios: dict[str, list[float]] = {way: [] for way in ways}
    for name in SIZES:
        row = [name]
        for way in ways:
            seconds = samples.median(f"{way}: {name}")
            if native and way != "native":
                ratio = seconds / samples.median(f"native: {name}")
                ratios[way].append(ratio)
                row.append(f"{ratio:.1f}")
            else:
                ratios[way].append(seconds / samples.median(f"{OURS}: {name}"))
                row.append(f"{seconds * 1e3:.2f}")
        result.add_row(*row)
    means = {way: exp(sum(map(log, values)) / len(values)) for way, values in ratios.items()}
    result.add_row(
        "geometric mean",
        *("" if native and way == "native" else f"{means[way]:.2f}" for way in ways),
        style="bold",
    )
    return result
