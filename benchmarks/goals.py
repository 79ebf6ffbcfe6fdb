"""What emuplugin wants to reach, and where it is: ratios on one machine, in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, log
from typing import NamedTuple

from rich.table import Table

from . import calls, opening, throughput
from .samples import Samples
from .tables import digits

Groups = Mapping[str, Samples]
_NO_SUCH = (KeyError, ZeroDivisionError)


class Goal(NamedTuple):
    """``value`` takes a number out of the samples of all benchmarks; less is better. ``unit``
    is what it is in; ``aim`` and ``bound``, if any, are numbers like it."""

    what: str
    against: str
    unit: str
    aim: float | None
    bound: float | None
    value: Callable[[Groups], float]


def _ratio(group: str, ours: str, its: str) -> Callable[[Groups], float]:
    return lambda groups: groups[group].median(ours) / groups[group].median(its)


def _median(group: str, name: str, scale: float) -> Callable[[Groups], float]:
    return lambda groups: groups[group].median(name) * scale


def _ratios(groups: Groups) -> list[float]:
    samples = groups["throughput"]
    return [
        samples.median(f"{throughput.OURS}: {name}") / samples.median(f"qemu-x86_64: {name}")
        for name in throughput.SIZES
    ]


def _mean(groups: Groups) -> float:
    found = _ratios(groups)
    return exp(sum(map(log, found)) / len(found))


_WARM, _COLD = f"hello, {opening.WARM}: total", f"hello, {opening.COLD}: total"
_OURS = f"Add: {calls.OURS}"

GOALS = (
    Goal("open hello, warm", "native plugin.Open", "x", 1.0, None,
         _ratio("opening", _WARM, "hello, native: open")),
    Goal("open a plugin with net/http, warm", "", "ms", None, 5.0,
         _median("opening", f"router, {opening.WARM}: total", 1e3)),
    Goal("the same, once more in the process", "", "ms", None, 5.0,
         _median("opening", f"router, {opening.WARM}: second machine", 1e3)),
    Goal("open hello, cold", "qemu-x86_64", "x", 1.0, 2.0,
         _ratio("opening", _COLD, "hello, qemu-x86_64: open")),
    Goal("import all that opening needs, but Unicorn", "", "ms", None, 150.0,
         _median("opening", f"hello, {opening.WARM}: import emuplugin", 1e3)),
    Goal("call of Add", "wasmtime from Python", "x", 0.1, None,
         _ratio("calls", _OURS, f"Add: {calls.WASM}")),
    Goal("call of Add", "a round trip over a pipe", "x", 1.0, None,
         _ratio("calls", _OURS, f"Add: {calls.PIPE}")),
    Goal("running, geometric mean", "qemu-x86_64", "x", 1.0, 1.5, _mean),
    Goal("running, slowest workload", "qemu-x86_64", "x", None, 2.5,
         lambda groups: max(_ratios(groups))),
    Goal("restore, 10 MB touched", "", "ms", None, 1.0,
         _median("states", "time: restore, 10 MB touched", 1e3)),
    Goal("reset, 10 MB touched", "", "ms", None, 1.0,
         _median("states", "time: reset, 10 MB touched", 1e3)),
    Goal("a second machine from the same plugin", "", "ms", None, 2.0,
         _median("states", "time: snapshot.clone()", 1e3)),
    Goal("memory of an open hello, beyond Python", "", "MB", None, 40.0,
         _median("states", "memory: imports and the first machine", 1e-6)),
)  # fmt: skip


def tables(groups: Groups) -> list[Table]:
    """Goals whose samples are there."""
    table = Table(title="Goals", title_justify="left")
    for heading in ("what", "against"):
        table.add_column(heading)
    for heading in ("now", "aim", "at most", "reached"):
        table.add_column(heading, justify="right")
    for goal in GOALS:
        try:
            value = goal.value(groups)
        except _NO_SUCH:
            continue
        aim, bound = (
            "" if number is None else f"{digits(number)} {goal.unit}"
            for number in (goal.aim, goal.bound)
        )
        reached = (
            "aim" if goal.aim is not None and value <= goal.aim
            else "yes" if goal.bound is not None and value <= goal.bound
            else "no"
        )  # fmt: skip
        now = f"{digits(value)} {goal.unit}"
        table.add_row(goal.what, goal.against, now, aim, bound, reached)
    return [table] if table.row_count else []
