"""What the call asked for and printed, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.cpu.calling import FLOAT_REGISTERS, INTEGER_REGISTERS, Place
from emuplugin.errors import EmupluginError, GoError
from emuplugin.tracing.events import (
    Allocation,
    Event,
    GCCycle,
    GoroutineCreated,
    GoroutineEnds,
    Output,
    Panicked,
    Recovered,
    SystemCall,
)
from emuplugin.values import Variable

from ..blocks import Block, Cell, Chapter, Code, Column, Facts, Listing, count, say, size, table
from ..calls_table import system_calls
from ..go_text import go_text
from .ending import ending, lines

if TYPE_CHECKING:
    from ..observation import Observation
    from ..run import Run

_MOST = 100
_MOST_STACK = 3
_PREVIEW = 64


def deeds(run: Run) -> Chapter | None:
    """What happened outside of the function's own instructions; None if nothing did."""
    observed = run.observation
    if observed is None:
        return None
    events = observed.events
    made = [event for event in events if isinstance(event, SystemCall)]
    printed = [event for event in events if isinstance(event, Output)]
    blocks: list[Block] = []
    told: list[str] = []
    if printed:
        blocks.append(Listing("What it printed", lines(printed)))
        told.append(f"{count(sum(len(e.text) for e in printed), 'character')} printed")
    if made:
        blocks.append(system_calls("System calls", made))
        told.append(count(len(made), "system call"))
    allocations = [event for event in events if isinstance(event, Allocation)]
    if allocations:
        blocks.append(_allocations(run, allocations))
        told.append(
            f"{count(len(allocations), 'allocation')} of {size(sum(a.size for a in allocations))}"
        )
    others = _others(observed)
    if others:
        blocks.append(
            table(
                "Goroutines, collector and panics",
                (
                    Column("after instruction", right=True),
                    Column("goroutine", right=True),
                    Column("what", head=True),
                ),
                [
                    (f"{event.instructions:,}", str(event.goroutine), Code(text))
                    for event, text in others
                ],
                most=_MOST,
            )
        )
        told.append(count(len(others), "further event"))
    if not blocks:
        return None
    if observed.dropped:
        blocks.append(say(f"{observed.dropped:,} more events were not kept.", note=True))
    return Chapter("deeds", "What it asked for", ", ".join(told), tuple(blocks))


def _allocations(run: Run, allocations: list[Allocation]) -> Block:
    return table(
        "Memory from the Go heap",
        (
            Column("after instruction", right=True, extra=True),
            Column("bytes", right=True),
            Column("type", head=True),
            Column("address", right=True, extra=True),
            Column("by"),
        ),
        [
            (
                f"{event.instructions:,}",
                f"{event.size:,}",
                Code(event.type or "(no type: bytes without pointers)"),
                Code(f"{event.address:#x}"),
                _by(event),
            )
            for event in allocations
        ],
        most=_MOST,
    )


def _by(event: Allocation) -> Cell:
    """Who asked for the memory; the host's own requests come from no function of Go's."""
    if not event.stack:
        return "emuplugin, for the arguments"
    return Code(" < ".join(frame.function for frame in event.stack[:_MOST_STACK]))


def _others(observed: Observation) -> list[tuple[Event, str]]:
    found: list[tuple[Event, str]] = []
    for event in observed.events:
        match event:
            case GoroutineCreated():
                found.append((event, f"go {event.function}: goroutine {event.id}"))
            case GoroutineEnds():
                found.append((event, "ends"))
            case GCCycle():
                found.append(
                    (event, f"garbage collection {event.cycle} {event.phase}s, {size(event.heap)}")
                )
            case Panicked():
                found.append((event, "runtime.Goexit" if event.goexit else f"panic: {event.value}"))
            case Recovered():
                found.append((event, f"{event.function} recovers from: {event.value}"))
    return found


def chapter(run: Run) -> Chapter | None:
    """The results, the value of a variable, or how the call ended; None if nothing was asked."""
    if isinstance(run.symbol, Variable):
        return _variable(run, run.symbol)
    observed, function = run.observation, run.function
    if observed is None or function is None:
        return None
    blocks: list[Block] = []
    if run.call_error is not None:
        blocks += ending(run.call_error, "It did not return:")
        if run.machine.state == "dead":
            blocks.append(say("That ended the whole process: the machine is dead."))
        summary = f"{type(run.call_error).__name__}: {str(run.call_error).partition(chr(10))[0]}"
    else:
        results = run.results or ()
        types = function.go_type.results
        shown = [_shown(value) for value in results]
        if types:
            blocks += [
                say(
                    "The function has returned to the stub, the guest has stopped, and the results "
                    "are where ABIInternal puts them."
                ),
                table(
                    "Results",
                    (
                        Column("#", right=True),
                        Column("Go type"),
                        Column("travelled in"),
                        Column("value", head=True),
                    ),
                    [
                        (str(number), Code(go_type.string), Code(_travelled(place)), Code(text))
                        for number, (go_type, place, text) in enumerate(
                            zip(types, run.call_layout.results, shown, strict=True), 1
                        )
                    ],
                ),
            ]
        else:
            blocks.append(say("The function has returned; it has no results."))
        summary = ", ".join(shown) or "it returned"
        if results and isinstance(results[-1], GoError):
            blocks.append(
                say(
                    "The last result is an error that is not nil. Called from Python, the function "
                    "raises it."
                )
            )
    own = f"{len(observed.stepping.steps):,}"
    blocks.append(
        Facts(
            (
                ("Instructions of the call", f"{observed.instructions:,}"),
                ("To prepare its arguments", f"{observed.way_in:,}"),
                ("Shown step by step", f"the first {own}" if observed.stepping.more else own),
                ("Of the whole run", f"{observed.ended:,}"),
                ("Clock of the machine", f"{run.report.virtual_seconds:.6f} s since it began"),
                ("Memory in use", size(run.report.memory_bytes)),
            )
        )
    )
    blocks.append(
        say(
            "Nothing of this was made up: each number was counted or read in this run, and "
            "another run with the same sandbox gives the same ones, but for times of the host."
        )
    )
    return Chapter("result", "The result", summary, tuple(blocks))


def _shown(value: object) -> str:
    return f"error: {value}" if isinstance(value, GoError) else go_text(value)


def _travelled(place: Place) -> str:
    if place.stack_offset is not None:
        return "stack" if place.size else "nowhere: it has no size"
    return ", ".join(
        (FLOAT_REGISTERS if is_float else INTEGER_REGISTERS)[register]
        for register, _, _, is_float in place.steps
    )


def _variable(run: Run, variable: Variable) -> Chapter:
    data = run.peek(variable.address, min(variable.go_type.size, _PREVIEW))
    try:
        text = go_text(variable.value)
    except EmupluginError as error:  # values that cannot be shown say why
        text = f"({error})"
    more = " ..." if variable.go_type.size > _PREVIEW else ""
    facts = Facts(
        (
            ("Type", Code(variable.type)),
            ("Value", Code(text)),
            ("Address", Code(f"{variable.address:#x}")),
            ("Lies in", Code(run.places.name(variable.address))),
            ("Size", count(variable.go_type.size, "byte")),
            ("Bytes", Code(data.hex(" ") + more if data else "none")),
        )
    )
    return Chapter("result", "The variable", f"{run.name} = {text}", (facts,))
