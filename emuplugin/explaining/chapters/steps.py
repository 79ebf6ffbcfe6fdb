"""The called function, instruction by instruction."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from emuplugin.cpu.calling import INTEGER_REGISTERS
from emuplugin.errors import EmupluginError
from emuplugin.inspection import Instruction as Disassembled
from emuplugin.tracing.events import Event, Instruction, Output, SystemCall

from ..blocks import (
    Block,
    Chapter,
    CodeLine,
    SourceLine,
    Step,
    Stepper,
    count,
    say,
)

if TYPE_CHECKING:
    from ..observation import Observation
    from ..run import Run
    from ..stepping import Recorded

_MOST_INLINED = 40
_SMALLEST_STACK = 1 << 11
#: Registers that are shown from the start; others are when they change.
_SHOWN = (*INTEGER_REGISTERS, "RDX", "RBP", "RSP", "R12", "R13", "R14", "R15")


def chapter(run: Run) -> Chapter | None:
    """The stepper; None where nothing was executed."""
    observed, entry = run.observation, run.entry
    if observed is None or entry is None or not observed.stepping.steps:
        return None
    listing = _Listing(run)
    for name in dict.fromkeys(step.event.function for step in observed.stepping.steps):
        listing.add(name)
    steps = tuple(_steps(observed, listing))
    more = observed.stepping.more
    blocks: list[Block] = [
        say(
            "Each step is one instruction that was executed, in order. What a called function did "
            "is one step: the instructions of it are counted. Registers and memory are those after "
            "the instruction."
        )
    ]
    if more:
        blocks.append(
            say(
                f"These are the first {len(steps):,} steps; there were more. `--steps` chooses "
                "how many are shown.",
                note=True,
            )
        )
    if not run.sources.found:
        blocks.append(
            say(
                "The source was not found beside the plugin; `--source FOLDER` says where it is. "
                "Lines are shown by number.",
                note=True,
            )
        )
    blocks.append(
        Stepper(
            observed.code_name,
            tuple(listing.source),
            tuple(listing.code),
            tuple((name, value) for name, value in entry.registers if name in _SHOWN),
            steps,
            _names(run, steps, listing.code),
            more,
        )
    )
    summary = f"the first {len(steps):,} instructions of {observed.code_name}"
    if not more:
        summary = f"{count(len(steps), 'instruction')} of {observed.code_name}"
        others = observed.instructions - len(steps)
        if others > 0:
            summary += f", {others:,} of what it called and of the way in and out"
    return Chapter("steps", "Step by step", summary, tuple(blocks))


class _Listing:
    """The code of some functions and the source lines that they were made from."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._base = run.module.image.base
        self.code: list[CodeLine] = []
        self.source: list[SourceLine] = []
        self.at: dict[int, int] = {}
        self._lines: dict[tuple[str, int], int] = {}

    def add(self, name: str) -> None:
        """Put a function in, unless it is unknown to the file."""
        try:
            function = self._run.inspection.function(name)
            found = self._run.inspection.disassemble(function)
        except EmupluginError:
            return
        places = [function.frames(item.address) for item in found]
        wanted: dict[str, set[int]] = {}
        for frames in places:
            for frame in frames:
                if frame.line:
                    wanted.setdefault(frame.file, set()).add(frame.line)
        own = function.file
        if own in wanted and 0 < function.line < min(wanted[own]) <= function.line + _MOST_INLINED:
            wanted[own].add(function.line)
        for file, numbers in sorted(wanted.items(), key=lambda item: item[0] != own):
            self._add_source(file, numbers, all_between=file == own)
        for item, frames in zip(found, places, strict=True):
            address = self._base + item.address
            made_from = tuple(
                dict.fromkeys(
                    self._lines[frame.file, frame.line]
                    for frame in frames
                    if (frame.file, frame.line) in self._lines
                )
            )
            self.at[address] = len(self.code)
            readable = self._run.readable
            self.code.append(
                CodeLine(
                    address, self._text(item), readable(item.comment), made_from, readable(name)
                )
            )

    def _add_source(self, file: str, numbers: set[int], *, all_between: bool) -> None:
        low, high = min(numbers), max(numbers)
        shown: Sequence[int] = sorted(numbers)
        if all_between or high - low <= _MOST_INLINED:
            # The closing brace makes no code.
            brace = (self._run.sources.line(file, high + 1) or "").startswith("}")
            shown = range(max(low, 1), high + (2 if brace else 1))
        for number in shown:
            text = self._run.sources.line(file, number)
            if text is None and number not in numbers:
                continue
            if (file, number) not in self._lines:
                self._lines[file, number] = len(self.source)
                self.source.append(SourceLine(file, number, text))

    def _text(self, item: Disassembled) -> str:
        operands = item.operands
        if operands.startswith("0x") and (item.mnemonic == "call" or item.mnemonic[0] == "j"):
            # Targets count from the start of the file there.
            operands = f"{int(operands, 16) + self._base:#x}"
        return f"{item.mnemonic} {operands}".rstrip()


def _steps(observed: Observation, listing: _Listing) -> Iterator[Step]:
    events = observed.events
    stamps = [event.instructions for event in events]
    recorded = observed.stepping.steps
    previous: Instruction | None = None
    for number, step in enumerate(recorded):
        event = step.event
        index = listing.at.get(event.pc)
        if index is None:
            continue
        between = ""
        if previous is not None:
            skipped = event.instructions - previous.instructions - 1
            low = bisect_right(stamps, previous.instructions)
            high = bisect_right(stamps, event.instructions)
            between = _between(skipped, events[low:high], listing, previous, event)
            if between and _moved(recorded[number - 1], step):
                between += "; the stack was too small and has moved"
        after = observed.stepping.after(number)
        changed = [(name, after[name]) for name, old in step.before.items() if after[name] != old]
        changed += [
            (change.name.upper().replace("XMM", "X"), change.new)
            for change in step.last.registers
            if change.name.upper() not in after
        ]
        yield Step(
            index,
            tuple(changed),
            tuple(
                (access.kind == "write", access.address, access.size, access.value)
                for access in event.memory
            ),
            between,
            # The engine comes by once more to see that nothing is left to be done.
            step.before["RCX"] - after["RCX"] if step.times > 1 else 1,
        )
        previous = step.last


def _moved(before: Recorded, after: Recorded) -> bool:
    """Whether the goroutine's stack was moved while a called function ran, which leaves RSP as it
    was otherwise."""
    return (
        before.event.text.startswith("call")
        and before.event.goroutine == after.event.goroutine
        and before.event.function == after.event.function
        and abs(after.before["RSP"] - before.before["RSP"]) >= _SMALLEST_STACK
    )


def _between(
    skipped: int,
    events: Sequence[Event],
    listing: _Listing,
    previous: Instruction,
    event: Instruction,
) -> str:
    """What was executed between two steps."""
    if skipped <= 0 and previous.goroutine == event.goroutine:
        return ""
    line = listing.code[listing.at[previous.pc]] if previous.pc in listing.at else None
    called = line is not None and line.text.startswith("call")
    name = (line.comment if line is not None and line.comment else "a function") if called else ""
    text = f"{name} ran" if called else "elsewhere"
    text += f": {count(skipped, 'instruction')}"
    made = sum(isinstance(other, SystemCall) for other in events)
    printed = sum(len(other.text) for other in events if isinstance(other, Output))
    if made:
        text += f", {count(made, 'system call')}"
    if printed:
        text += f", {count(printed, 'character')} printed"
    if previous.goroutine != event.goroutine:
        text += f"; now on goroutine {event.goroutine}"
    return text


def _names(run: Run, steps: Sequence[Step], code: Sequence[CodeLine]) -> dict[int, str]:
    """What the addresses are that the steps read and write, or that come into registers."""
    entry = run.entry
    assert entry is not None
    found: dict[int, str] = {}
    for step in steps:
        text = code[step.code].text
        # Stacks move: the registers tell where this one was.
        stack = "[rsp" in text or text.startswith(("push", "pop", "call", "ret"))
        for _, address, _, _ in step.memory:
            if address in found:
                continue
            if stack or entry.stack_low <= address < entry.stack_high:
                found[address] = "stack"
            else:
                found[address] = run.readable(run.places.name(address))
        for name, value in step.changed:
            if value in found or name == "RFLAGS":
                continue
            if entry.stack_low <= value < entry.stack_high:
                found[value] = "stack"
            elif run.module.image.holds(value):
                found[value] = run.readable(run.places.name(value))
    return {address: name for address, name in found.items() if name}
