"""``emuplugin trace`` as it happens: events as lines, calls as a tree for each goroutine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Final

import click

from emuplugin.cli.style import in_colour, plain, width
from emuplugin.printable import cells, cut
from emuplugin.tracing.events import (
    Allocation,
    Argument,
    Call,
    Event,
    Frame,
    GCCycle,
    GoroutineCreated,
    GoroutineEnds,
    GoroutineReady,
    GoroutineRuns,
    GoroutineWaits,
    InitBegins,
    InitEnds,
    Instruction,
    Output,
    Panicked,
    Recovered,
    Return,
    SystemCall,
    Watched,
)
from emuplugin.tracing.functions import short_name

_BAR: Final = "│ "
_MARKS: Final = re.compile("(\x1b\\[[0-9;]*m)")
# So deep the tree is drawn; what is deeper stands there.
_DEEPEST: Final = 20
_MICRO, _MILLI, _SECOND = 1_000, 1_000_000, 1_000_000_000


class View:
    """Writes a line for each event with ``write``. Until ``started`` says that the runtime runs,
    events are only counted, unless ``boot`` asks for them too."""

    def __init__(
        self, write: Callable[[str], None], started: Callable[[], bool], *, boot: bool = False
    ) -> None:
        self._write = write
        self._started = started
        self._counting = not boot
        self._counted: Counter[str] = Counter()
        self._columns = width()
        self._colour = in_colour()
        self._time = ""
        self._call: Call | None = None
        self._depths: dict[int, int] = {}

    def __call__(self, event: Event) -> None:
        """One more event."""
        if self._counting:
            if not self._started():
                self._counted[event.kind] += 1
                return
            self._counting = False
            self._tell_start()
        call, self._call = self._call, None
        if call is not None and isinstance(event, Return) and _ends(call, event):
            self._whole(call, event)
            return
        if call is not None:
            self._enter(call)
        if isinstance(event, Call):
            self._call = event  # on one line with its results, if nothing comes between
            return
        self._tell(event)

    def finish(self) -> None:
        """There are no more."""
        if self._counting:
            self._tell_start()
        if self._call is not None:
            self._enter(self._call)
            self._call = None

    # --- calls ------------------------------------------------------------------------------

    def _enter(self, call: Call) -> None:
        self._depths[call.goroutine] = call.depth + 1
        self._line(call, call.depth, self._called(call))

    def _whole(self, call: Call, event: Return) -> None:
        self._depths[call.goroutine] = call.depth
        results = _results(event)
        text = self._called(call)
        end = self._style(f" = {results}", "green") if results else ""
        self._line(call, call.depth, text, end)

    def _called(self, call: Call) -> str:
        arguments = plain(", ".join(_argument(argument) for argument in call.arguments))
        return f"{self._style(short_name(call.function), 'cyan')}({arguments})"

    # --- other events -----------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        depth = self._depths.get(event.goroutine, 0)
        if isinstance(event, Return):
            self._depths[event.goroutine] = event.depth
            if event.by_panic and not event.results:
                text = self._style("└ unwound", "red")
            else:
                results = _results(event)
                text = self._style(f"└ {results}" if results else "└", "green")
            spent = f"{short_name(event.function)}, {_count(event.spent, 'instruction')}"
            self._line(event, event.depth, f"{text} {self._style(f'({spent})')}")
        elif isinstance(event, SystemCall):
            self._line(event, depth, *self._system_call(event))
        elif isinstance(event, Output):
            for line in event.text.splitlines() or [""]:
                stream = self._style(f"{event.stream}:", "magenta")
                self._line(event, depth, f"{stream} {plain(line)}")
        elif isinstance(event, Instruction):
            self._line(event, depth, self._instruction(event))
        else:
            self._line(event, depth, self._style(*_other(event)))

    def _system_call(self, event: SystemCall) -> tuple[str, str]:
        name = self._style(event.name, "yellow")
        end = plain(f" = {event.text or event.result}")
        if event.errno:
            end += self._style(f" {event.errno}", "red")
        if event.blocked:
            end += self._style(f"  waited {duration(event.duration)}")
        return f"{name}({plain(', '.join(event.arguments))})", end

    def _instruction(self, event: Instruction) -> str:
        changes = [f"{name}={new:#x}" for name, _, new in event.registers if name != "rflags"]
        changes += [
            f"{'[' if kind == 'read' else '*['}{address:#x}]={value:#x}"
            for kind, address, _, value in event.memory
        ]
        return f"{event.pc:x}  {plain(event.text):<40}{self._style('  '.join(changes))}"

    def _tell_start(self) -> None:
        calls = self._counted["syscall"]
        made = self._counted["goroutine created"]
        parts = [_count(calls, "system call")] if calls else []
        parts += [_count(made, "goroutine")] if made else []
        if parts:
            self._put(
                "", self._style(f"the runtime starts: {', '.join(parts)} (--boot shows them)")
            )

    # --- lines ------------------------------------------------------------------------------

    def _line(self, event: Event, depth: int, text: str, end: str = "") -> None:
        """A line; where it is too long its ``text`` is cut, not its ``end``."""
        time = duration(event.time)
        shown, self._time = ("" if time == self._time else time), time
        goroutine = f"G{event.goroutine}" if event.goroutine else f"M{event.thread}"
        bars = _BAR * min(depth, _DEEPEST)
        if depth > _DEEPEST:
            bars += f"{depth} deep "
        head = f"{shown:>9} {self._style(f'{goroutine:<4}', _colour_of(event.goroutine))}"
        self._put(f"{head} {self._style(bars)}", text, end)

    def _put(self, head: str, text: str, end: str = "") -> None:
        if self._columns is not None:
            room = self._columns - _cells(head)
            end = _cut(end, max(room // 2, room - _cells(text)))
            text = _cut(text, room - _cells(end))
        self._write(head + text + end)

    def _style(self, text: str, colour: str = "") -> str:
        """What a plugin may have made up, without control characters; coloured, or dim without a
        colour."""
        text = plain(text)
        if not self._colour or not text:
            return text
        return click.style(text, fg=colour) if colour else click.style(text, dim=True)


def _ends(call: Call, event: Return) -> bool:
    return (
        event.goroutine == call.goroutine
        and event.depth == call.depth
        and event.function == call.function
        and not event.by_panic
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _argument(argument: Argument) -> str:
    return f"{argument.name}={argument.text}" if argument.name else argument.text


def _results(event: Return) -> str:
    return ", ".join(_argument(result) for result in event.results)


def _other(event: Event) -> tuple[str, str]:
    """The line of an event that is no call, and its colour ("": dim)."""
    match event:
        case GoroutineCreated(id=number, function=function, at=at):
            return f"go {short_name(function) or '?'}  as G{number}{_at(at)}", "blue"
        case GoroutineRuns():
            return "runs", ""
        case GoroutineWaits(reason=reason, at=at):
            return f"waits: {reason}{_at(at)}", ""
        case GoroutineReady(id=number):
            return f"wakes G{number}", ""
        case GoroutineEnds():
            return "ends", "blue"
        case Allocation(size=size, type=name, address=address, stack=stack):
            place = next((f for f in stack if not f.function.startswith("runtime.")), None)
            where = _at(place) if place is not None else ""
            return f"new {name or 'memory'}, {size} bytes at {address:#x}{where}", "magenta"
        case GCCycle(cycle=cycle, phase=phase, heap=heap):
            verb = "starts" if phase == "start" else "ends"
            return f"garbage collection {cycle} {verb}, heap {heap:,} bytes", "magenta"
        case Panicked(value=value, goexit=goexit):
            return "runtime.Goexit" if goexit else f"panic: {value}", "red"
        case Recovered(value=value, function=function):
            return f"recovered by {short_name(function)}: {value}", "red"
        case InitBegins(package=package, functions=functions):
            return f"init {package}: {', '.join(map(short_name, functions))}", "blue"
        case InitEnds(package=package, spent=spent):
            return f"init {package} done, {_count(spent, 'instruction')}", ""
        case Watched(variable=name, access=access, old=old, new=new, at=at):
            what = f"{name} = {new}  was {old}" if access == "write" else f"{name} read: {new}"
            return f"{what}{_at(at)}", "magenta"
    return event.kind, ""


def _at(frame: Frame) -> str:
    if not frame.function:
        return ""
    file = frame.file.rpartition("/")[2]
    return f"  at {short_name(frame.function)} {file}:{frame.line}"


def duration(nanoseconds: int) -> str:
    """A time in a few characters: ``850ns``, ``93.1µs``, ``1.250ms``, ``12.50s``."""
    if nanoseconds < _MICRO:
        return f"{nanoseconds}ns"
    if nanoseconds < _MILLI:
        return f"{nanoseconds / _MICRO:.1f}µs"
    if nanoseconds < _SECOND:
        return f"{nanoseconds / _MILLI:.3f}ms"
    return f"{nanoseconds / _SECOND:.3f}s"


def _colour_of(goroutine: int) -> str:
    colours = ("white", "bright_green", "bright_blue", "bright_magenta", "bright_yellow",
               "bright_cyan")  # fmt: skip
    return colours[goroutine % len(colours)] if goroutine else ""


def _cells(text: str) -> int:
    """The columns that a text takes; marks of colours take none."""
    return cells(_MARKS.sub("", text))


def _cut(text: str, columns: int) -> str:
    """As ``cut``, for text with marks of colours."""
    if _cells(text) <= columns:
        return text
    parts, left = [], columns
    for at, part in enumerate(_MARKS.split(text)):
        if at % 2:
            parts.append(part)
        elif left > 0:
            parts.append(cut(part, left))
            left -= cells(part)
    return "".join(parts)
