"""What observers of a trace cost, as multiples of the time of the same run without any.

Each observer has a machine of its own, in which it stays; the runs of all machines take turns. One
machine has been traced before and is not any more: nothing may be left of that.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from rich.table import Table

import emuplugin
from emuplugin.build import build_plugin
from emuplugin.tracing import Trace

from .samples import Samples

_SOURCE = Path(__file__).parent / "workloads"

#: Small sizes: with some observers they take a hundred times as long.
SIZES: Final = {"Fib": 17, "JSON": 60, "Goroutines": 800, "SortInts": 6_000}
NONE, BEFORE = "no trace", "after a trace"

_OBSERVERS: Final[dict[str, dict[str, Any]]] = {
    "syscalls": {"syscalls": True},
    "calls, own packages": {"calls": True},
    "calls, one package (strconv)": {"calls": "strconv"},
    "goroutines": {"goroutines": True},
    "allocations": {"allocations": True},
    "gc": {"gc": True},
    "panics": {"panics": True},
    "inits": {"inits": True},
    "output": {"output": True},
    "blocks, own packages": {"blocks": True},
    "blocks, all": {"blocks": "*"},
    "profile, every 10,000": {"profile": 10_000},
    "watch a variable": {"watch": "runtime.gomaxprocs"},
    "instructions of one function": {"instructions": "strconv.Itoa"},
    "the default": {},
}


def measure(
    go_version: str, folder: Path, runs: int, progress: Callable[[], None] = lambda: None
) -> Samples:
    """Seconds by ``observer: workload``."""
    plugin = folder / "workloads.so"
    if not plugin.exists():
        build_plugin(_SOURCE, plugin, go=go_version)
    samples = Samples()
    with ExitStack() as stack:
        machines: dict[str, tuple[dict[str, Any], Trace | None]] = {}
        for name in (NONE, BEFORE, *_OBSERVERS):
            machine = stack.enter_context(emuplugin.Machine())
            opened = machine.open(plugin)
            functions = {workload: opened.lookup(workload) for workload in SIZES}
            trace = None
            if name == BEFORE:
                with machine.trace(calls=True, watch="runtime.gomaxprocs", blocks="*"):
                    functions["Fib"](3)
            elif name != NONE:
                trace = stack.enter_context(machine.trace(**_OBSERVERS[name]))
            machines[name] = functions, trace
        for workload, size in SIZES.items():
            results = {functions[workload](size) for functions, _ in machines.values()}
            assert len(results) == 1
            for _ in range(runs):
                for name, (functions, trace) in machines.items():
                    if trace is not None:
                        trace.events.clear()
                        trace.samples.clear()
                    start = perf_counter()
                    functions[workload](size)
                    samples.add(f"{name}: {workload}", perf_counter() - start)
            progress()
    return samples


def table(samples: Samples) -> Table:
    """The medians as multiples of the run without a trace."""
    result = Table(title="Tracing, as multiples of the untraced run", title_justify="left")
    result.add_column("observer")
    for workload in SIZES:
        result.add_column(workload, justify="right")
    for name in (NONE, BEFORE, *_OBSERVERS):
        ratios = (
            samples.median(f"{name}: {workload}") / samples.median(f"{NONE}: {workload}")
            for workload in SIZES
        )
        result.add_row(name, *(f"{ratio:.2f}" for ratio in ratios))
    return result
