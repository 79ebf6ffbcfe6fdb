"""What stacks weigh: how many instructions, allocations or bytes go to each, in all of a trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from emuplugin.errors import ConfigurationError
from emuplugin.tracing.events import Allocation, Call, Return, Stack

if TYPE_CHECKING:
    from emuplugin.tracing.trace import Trace

#: Names of functions, the outermost first.
Names = tuple[str, ...]
Weights = dict[Names, int]

UNKNOWN: Final = "[unknown]"


def of_samples(trace: Trace) -> Weights:
    """Instructions, as the samples of ``profile=N`` tell: each stands for N of them."""
    weights: Counter[Names] = Counter()
    for sample in trace.samples:
        weights[_names(sample.stack)] += trace.sample_every or 1
    return weights


class _Running(NamedTuple):
    """A call that has not ended: its place in the stack, and what its callees took."""

    function: str
    depth: int
    names: Names
    inside: list[int]


def of_calls(trace: Trace) -> Weights:
    """Instructions, as calls and returns tell: exact, but of the traced functions only. What a
    function called without being traced is counted as its own."""
    weights: Counter[Names] = Counter()
    running: dict[int, list[_Running]] = {}
    for event in trace.events:
        if isinstance(event, Call):
            stack = running.setdefault(event.goroutine, [])
            above = stack[-1].names if stack else ()
            names = (*above, event.function or UNKNOWN)
            stack.append(_Running(event.function, event.depth, names, [0]))
        elif isinstance(event, Return):
            stack = running.get(event.goroutine, [])
            called = (event.function, event.depth)
            if not any((call.function, call.depth) == called for call in stack):
                continue  # it was called before the trace began
            while stack:
                call = stack.pop()
                if (call.function, call.depth) == called:
                    weights[call.names] += max(event.spent - call.inside[0], 0)
                    break
            if stack:
                stack[-1].inside[0] += event.spent
    return +weights


def of_allocations(trace: Trace) -> Weights:
    """How many objects were allocated; the innermost name is what was made."""
    return _allocated(trace, lambda event: 1)


def of_bytes(trace: Trace) -> Weights:
    """How many bytes were allocated; the innermost name is what was made."""
    return _allocated(trace, lambda event: event.size)


def _allocated(trace: Trace, amount: Callable[[Allocation], int]) -> Weights:
    weights: Counter[Names] = Counter()
    for event in trace.events:
        if isinstance(event, Allocation):
            names = (*_names(event.stack), f"new {event.type or 'memory'}")
            weights[names] += amount(event)
    return +weights


def _names(stack: Stack) -> Names:
    return tuple(frame.function or UNKNOWN for frame in reversed(stack)) or (UNKNOWN,)


class Weighing(NamedTuple):
    """A way to weigh: how, what the numbers are, and how to trace for it."""

    weigh: Callable[[Trace], Weights]
    unit: str
    needs: str


#: The values of ``by``; the first that finds something is the default.
WAYS: Final = {
    "samples": Weighing(of_samples, "instructions", "profile=10_000"),
    "calls": Weighing(of_calls, "instructions", "calls=True"),
    "bytes": Weighing(of_bytes, "bytes", "allocations=True"),
    "allocations": Weighing(of_allocations, "allocations", "allocations=True"),
}


def weigh(trace: Trace, by: str | None = None) -> tuple[Weights, str]:
    """The weights and their unit. Raises :class:`ConfigurationError` where the trace has none."""
    if by is not None and by not in WAYS:
        raise ConfigurationError(f"by={by!r} is none of {', '.join(WAYS)}")
    for name in [by] if by else WAYS:
        weights = WAYS[name].weigh(trace)
        if weights:
            return weights, WAYS[name].unit
    if by is not None:
        raise ConfigurationError(f"the trace has no {by}: trace with {WAYS[by].needs}")
    ways = " or ".join(dict.fromkeys(way.needs for way in WAYS.values()))
    raise ConfigurationError(f"the trace has no stacks: trace with {ways}")
