"""Ten thousand openings, clones and ways back, a million calls: time and memory are to stay what
they were."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import perf_counter

from rich.table import Table

import emuplugin

from .sample_memory import own_memory
from .samples import Samples
from .scaling import fitted
from .settings import Settings
from .tables import digits

OPENINGS, CALLS = 10_000, 1_000_000
_STEPS = 20


def measure(settings: Settings) -> Samples:
    """Seconds of an opening or a call, and bytes of the process, at each of twenty moments."""
    samples = Samples()
    path = settings.fixture("add")
    openings = settings.share(OPENINGS if settings.long else OPENINGS // 100, _STEPS)
    for step in range(_STEPS):
        settings.say(f"opening and closing, {step} of {_STEPS}")
        start = perf_counter()
        for _ in range(openings // _STEPS):
            with emuplugin.Machine() as machine:
                machine.open(path)
        _sample(samples, "openings", openings, step, perf_counter() - start)
    _states(settings, samples, openings)
    calls = settings.share(CALLS if settings.long else CALLS // 10, _STEPS)
    with emuplugin.Machine() as machine:
        plugin = machine.open(settings.plugin("calls_data"))
        add, join = plugin["Add"], plugin["Join"]
        ways: dict[str, Callable[[int], object]] = {
            "calls": lambda n: add(n, 2),
            "calls with text": lambda n: join("a", str(n)),
        }
        for name, call in ways.items():
            for step in range(_STEPS):
                settings.say(f"{name}, {step} of {_STEPS}")
                start = perf_counter()
                for number in range(calls // _STEPS):
                    call(number)
                _sample(samples, name, calls, step, perf_counter() - start)
    return samples


def _states(settings: Settings, samples: Samples, times: int) -> None:
    with emuplugin.Machine() as machine:
        add = machine.open(settings.fixture("add"))["Add"]
        snapshot = machine.snapshot()

        def back() -> None:
            add(1, 2)
            machine.restore(snapshot)

        ways: dict[str, Callable[[], object]] = {
            "clones": lambda: snapshot.clone().close(),
            "restores": back,
        }
        for name, turn in ways.items():
            for step in range(_STEPS):
                settings.say(f"{name}, {step} of {_STEPS}")
                start = perf_counter()
                for _ in range(times // _STEPS):
                    turn()
                _sample(samples, name, times, step, perf_counter() - start)


def _sample(samples: Samples, what: str, count: int, step: int, seconds: float) -> None:
    gc.collect()
    samples.add(f"{count:,} {what}: time @ {step}", seconds / (count // _STEPS))
    samples.add(f"{count:,} {what}: memory @ {step}", own_memory())


def tables(samples: Samples) -> list[Table]:
    """How much the last is more than the first, by the line through all."""
    table = Table(title="Time and memory in the long run", title_justify="left")
    table.add_column("what")
    for heading in ("each (ms)", "grew by", "memory (MB)", "grew by (MB)"):
        table.add_column(heading, justify="right")
    names = dict.fromkeys(name.partition(": ")[0] for name in samples.by_name)
    for what in names:
        times, memory = (_line(samples, f"{what}: {kind}") for kind in ("time", "memory"))
        table.add_row(
            what,
            digits(times[0] * 1e3),
            f"{times[1] / times[0]:+.1%}",
            digits(memory[0] / 1e6),
            f"{memory[1] / 1e6:+.2f}",
        )
    return [table]


def _line(samples: Samples, label: str) -> tuple[float, float]:
    """Value at the start and growth to the end of the line, warming up left out."""
    places = [
        (float(name.rpartition(" @ ")[2]), values[0])
        for name, values in samples.by_name.items()
        if name.rpartition(" @ ")[0] == label
    ][_STEPS // 5 :]
    line = fitted(places)
    first, last = places[0][0], places[-1][0]
    return line.start + line.slope * first, line.slope * (last - first)
