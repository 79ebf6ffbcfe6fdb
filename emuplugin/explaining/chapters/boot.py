"""The boot: how the Go runtime inside of the plugin was brought up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.tracing.events import SystemCall

from ..blocks import (
    Block,
    Chapter,
    Code,
    Column,
    Heading,
    Share,
    count,
    duration,
    say,
    table,
)
from ..calls_table import system_calls
from ..words import BOOT

if TYPE_CHECKING:
    from ..run import Run
    from ..start import Called, StepRecord, Written

_MOST_WRITES = 12
_MOST_CALLS = 8


def chapter(run: Run) -> Chapter:
    """The steps in order, then each with what it did."""
    steps = run.start.steps
    total = sum(record.step.instructions for record in steps)
    calls = [_calls_in(run, record) for record in steps]
    blocks: list[Block] = [
        say(
            "Natively the runtime of a plugin sleeps: the host program's is up already. Here there "
            "is no host program, so the plugin's own runtime was started. The functions that only "
            "a program's start calls (`rt0_go`, `schedinit`, `main`) are not in a plugin: the "
            "linker leaves out what nobody calls. emuplugin did what these would have done, in "
            "their order, and called those functions of the runtime that are there."
        ),
        table(
            "The steps",
            (
                Column("#", right=True),
                Column("step", head=True),
                Column("stands for"),
                Column("fields set", right=True, extra=True),
                Column("instructions", right=True),
                Column("syscalls", right=True),
                Column("time", right=True, extra=True),
            ),
            [
                (
                    str(number),
                    Code(record.step.name),
                    Code(record.step.stands_for),
                    f"{len(record.wrote):,}" if record.wrote else "",
                    Share(
                        f"{record.step.instructions:,}" if record.step.instructions else "-",
                        record.step.instructions / total if total else 0,
                    ),
                    f"{len(made):,}" if made else "",
                    duration(record.step.seconds),
                )
                for number, (record, made) in enumerate(zip(steps, calls, strict=True), 1)
            ],
        ),
        say(
            "Instructions are those of the guest, counted exactly: the same in every run. A step "
            "without any only wrote variables. Times are the host's, and differ from run to run.",
            note=True,
        ),
    ]
    for number, (record, made) in enumerate(zip(steps, calls, strict=True), 1):
        blocks += _step(run, number, record, made)
    made_all = sum(len(made) for made in calls)
    summary = f"{count(len(steps), 'step')}, {total:,} instructions, "
    summary += f"{count(made_all, 'system call')}, {duration(sum(r.step.seconds for r in steps))}"
    return Chapter("boot", "The Go runtime boots", summary, tuple(blocks))


def _calls_in(run: Run, record: StepRecord) -> list[SystemCall]:
    """The system calls of a step. Those made at its first instruction can only be its own: the
    step before has executed up to the one before."""
    began, end = record.step.began, record.step.began + record.step.instructions
    return [
        event
        for event in run.opening
        if isinstance(event, SystemCall) and began < event.instructions <= end
    ]


def _step(run: Run, number: int, record: StepRecord, made: list[SystemCall]) -> list[Block]:
    blocks: list[Block] = [Heading(f"{number}. ", record.step.name)]
    words = BOOT.get(record.step.name)
    if words:
        blocks.append(say(words))
    if record.wrote:
        blocks.append(
            table(
                "Variables and fields set",
                (Column("name", head=True), Column("where"), Column("value")),
                [
                    (Code(item.name), Code(_where(item, run)), Code(_value(item.value, run)))
                    for item in record.wrote
                ],
                most=_MOST_WRITES,
                fold=True,
            )
        )
    if record.called:
        blocks.append(
            table(
                "Functions of the runtime called",
                (Column("function", head=True), Column("arguments"), Column("RAX after it")),
                [
                    (Code(item.name), Code(_arguments(item, run)), Code(_value(item.result, run)))
                    for item in record.called
                ],
                most=_MOST_CALLS,
                fold=True,
            )
        )
    if made:
        blocks.append(system_calls("System calls", made, fold=True))
    return blocks


def _where(item: Written, run: Run) -> str:
    """The address; of a field, also what it lies in."""
    if not item.name.startswith("("):
        return f"{item.address:#x}"
    return f"{item.address:#x} ({run.places.name(item.address)})"


def _arguments(item: Called, run: Run) -> str:
    return ", ".join(_value(value, run) for value in item.arguments)


def _value(value: int, run: Run) -> str:
    """A word: an address with its name, a small number, or minus one."""
    if value < 1 << 16:
        return str(value)
    if value == (1 << 64) - 1:
        return "-1"
    name = run.places.name(value)
    return f"{value:#x} ({name})" if name else f"{value:#x}"
