"""The tracks of a picture in Chrome's trace event format: slices that nest, marks, arrows."""

from __future__ import annotations

from array import array
from typing import Any, Final, NamedTuple

from emuplugin.tracing.events import Event

from .chrome_details import ending, mark_of, opening

Json = dict[str, Any]

GOROUTINES: Final = 1
THREADS: Final = 2
COLLECTOR: Final = 3
PROCESSES: Final = {GOROUTINES: "goroutines", THREADS: "threads", COLLECTOR: "garbage collector"}

#: What a slice shows; decides which of them an event ends.
LIFE, CALL, INIT, WAIT, READY, RUN, SYSCALL, CYCLE = range(8)
_GRID: Final = 4096

_CATEGORIES: Final = ("goroutine", "call", "init", "wait", "wait", "run", "syscall", "gc")


class Drawing:
    """Where tracks draw: everything twice. The first time is to measure, as a slice is written
    where it begins and with its length. The second time ``out`` gets the events of the format.

    Some viewers know slices by two events, begin and end, only if both say the same.
    """

    def __init__(self) -> None:
        self.measuring = True
        self.out: list[Json] = []
        self._begun = 0
        self._ends = array("q")
        self._closers: list[Event | None] = []
        self._arrows = 0

    def again(self) -> None:
        """Measured: now draw."""
        self.measuring = False
        self._begun = self._arrows = 0

    def begin(self, track: Track, time: int, shows: int, name: str, event: Event | None) -> int:
        """A slice begins, because of ``event``; its number."""
        number = self._begun
        self._begun += 1
        if self.measuring:
            self._ends.append(time)
            self._closers.append(None)
        else:
            args = opening(event) | ending(self._closers[number])
            length = _microseconds(self._ends[number]) - _microseconds(time)
            self._put(track, "X", time, args, dur=length, name=name, cat=_CATEGORIES[shows])
        return number

    def end(self, number: int, time: int, event: Event | None) -> None:
        """A slice ends, and ``event`` knows how."""
        if self.measuring:
            self._ends[number] = time
            self._closers[number] = event

    def mark(self, track: Track, time: int, event: Event) -> None:
        """What takes no time."""
        if not self.measuring:
            name, args = mark_of(event)
            self._put(track, "i", time, args, name=name, cat=event.kind, s="t")

    def arrow(self, time: int, start: Track, end: Track, name: str) -> None:
        """An arrow between the innermost slices of two tracks. A slice to start from or to end at
        must be there."""
        self._arrows += 1
        if not self.measuring:
            what = {"name": name, "cat": "goroutine", "id": self._arrows, "bp": "e"}
            self._put(start, "s", time, {}, **what)
            self._put(end, "f", time, {}, **what)

    def count(self, time: int, name: str, value: int) -> None:
        """A counter has another value."""
        if not self.measuring:
            args = {"bytes": value}
            at = {"ph": "C", "pid": COLLECTOR, "ts": _microseconds(time)}
            self.out.append({**at, "name": name, "args": args})

    def name(self, tracks: list[Track]) -> None:
        """Say what the tracks and their groups are called, and their order."""
        if self.measuring:
            return
        for pid in sorted({track.pid for track in tracks}):
            self._about(pid, 0, "process_name", name=PROCESSES[pid])
            self._about(pid, 0, "process_sort_index", sort_index=pid)
        for track in tracks:
            self._about(track.pid, track.tid, "thread_name", name=track.name)
            self._about(track.pid, track.tid, "thread_sort_index", sort_index=track.tid)

    def _about(self, pid: int, tid: int, what: str, **args: Any) -> None:
        event = {"ph": "M", "pid": pid, "tid": tid, "ts": 0, "name": what, "args": args}
        self.out.append(event)

    def _put(self, track: Track, phase: str, time: int, args: Json, **more: Any) -> None:
        event = {"ph": phase, "pid": track.pid, "tid": track.tid, "ts": _microseconds(time), **more}
        if args:
            event["args"] = args
        self.out.append(event)


def _microseconds(nanoseconds: int) -> float:
    """A time as the format has it: the next number of 4096ths, not a quarter of a nanosecond later.

    Viewers add starts and lengths as doubles. Sums and differences of such numbers are exact, and
    decimals are not: slices that follow one another would overlap. Importers that round and those
    that cut off both get the nanosecond.
    """
    return -(-nanoseconds * _GRID // 1000) / _GRID


class Part(NamedTuple):
    """A slice that has begun: what it shows, and of which call, init or system call."""

    shows: int
    name: str
    depth: int
    number: int


class Track:
    """One line of the picture: slices that nest, and marks."""

    def __init__(self, drawing: Drawing, pid: int, tid: int, name: str) -> None:
        self.pid, self.tid, self.name = pid, tid, name
        self.drawing = drawing
        self.open: list[Part] = []

    @property
    def top(self) -> int | None:
        """What the innermost open slice shows."""
        return self.open[-1].shows if self.open else None

    def begin(
        self, time: int, shows: int, name: str, event: Event | None = None, depth: int = 0
    ) -> None:
        """Begin a slice in the innermost one."""
        number = self.drawing.begin(self, time, shows, name, event)
        self.open.append(Part(shows, name, depth, number))

    def end(self, time: int, event: Event | None = None) -> None:
        """End the innermost slice."""
        self.drawing.end(self.open.pop().number, time, event)

    def end_all(self, time: int, above: int = 0) -> None:
        """End all slices but the ``above`` outermost."""
        while len(self.open) > above:
            self.end(time)

    def close(self, time: int, shows: int, name: str, depth: int, event: Event) -> None:
        """End a certain slice and all in it. What began before the trace has nothing to end."""
        for at in range(len(self.open) - 1, -1, -1):
            if self.open[at][:3] == (shows, name, depth):
                self.end_all(time, above=at + 1)
                self.end(time, event)
                return
