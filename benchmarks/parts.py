"""The benchmarks by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rich.table import Table

from . import (
    calls,
    conversions,
    endurance,
    inspection,
    observers,
    opening,
    scaling,
    states,
    throughput,
)
from .samples import Samples
from .settings import Settings

_MOST_CONVERSIONS = 7  # a round takes half a minute


class Part(NamedTuple):
    """``measure`` gives samples, ``tables`` shows them, ``about`` says in a line what they are."""

    about: str
    measure: Callable[[Settings], Samples]
    tables: Callable[[Samples], list[Table]]


def _throughput(settings: Settings) -> Samples:
    return throughput.measure(
        settings.go,
        settings.folder,
        settings.launchers,
        settings.runs,
        lambda: None,
    )


def _conversions(settings: Settings) -> Samples:
    runs = min(settings.runs, _MOST_CONVERSIONS)
    return conversions.measure(settings.go, settings.folder, runs, settings.scale, lambda: None)


def _observers(settings: Settings) -> Samples:
    return observers.measure(settings.go, settings.folder, min(settings.runs, 7))


PARTS: dict[str, Part] = {
    "opening": Part("open a plugin, cold and warm", opening.measure, opening.tables),
    "calls": Part("call a function, here and elsewhere", calls.measure, calls.tables),
    "states": Part("snapshots, resets, second machines, memory", states.measure, states.tables),
    "throughput": Part(
        "run code: eleven workloads", _throughput, lambda samples: [throughput.table(samples)]
    ),
    "conversions": Part(
        "large values in and out", _conversions, lambda samples: [conversions.table(samples)]
    ),
    "scaling": Part("how costs grow with sizes", scaling.measure, scaling.tables),
    "observers": Part("what traces cost", _observers, lambda samples: [observers.table(samples)]),
    "inspection": Part("how right and how fast inspect is", inspection.measure, inspection.tables),
    "endurance": Part(
        "whether time and memory stay the same (--long)", endurance.measure, endurance.tables
    ),
}
NAMES = tuple(PARTS)
