"""Chrome's trace event format, which ui.perfetto.dev, chrome://tracing and speedscope open.

Every goroutine and every thread (Go's M) has a track. On a goroutine's track lies its life, in it
the package inits and calls, and in the innermost of them what it waits for; where no calls were
traced, also when it runs. A thread's track shows which goroutine it runs and its system calls.
Arrows lead from ``go`` statements to goroutines, and from who wakes one to who was woken.

Times are the guest's, in microseconds; under the virtual clock an instruction takes a nanosecond.
Format: "Trace Event Format", Google, kept with Chromium's catapult. Slices of a track nest, and
events are in order of time, outer slices first, as importers want it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from emuplugin.tracing import events as e

from .chrome_tracks import (
    CALL,
    COLLECTOR,
    CYCLE,
    GOROUTINES,
    INIT,
    LIFE,
    READY,
    RUN,
    SYSCALL,
    THREADS,
    WAIT,
    Drawing,
    Json,
    Track,
)
from .files import written_whole
from .options import OnProgress, ticks

if TYPE_CHECKING:
    from emuplugin.tracing.trace import Trace


def chrome_events(trace: Trace, on_progress: OnProgress = None) -> Iterator[Json]:
    """The events of the format that a trace makes."""
    drawing = Drawing()
    called = {event.goroutine for event in trace.events if isinstance(event, e.Call)}
    order = _in_order(trace.events)
    for _ in _Picture(drawing, called).draw(trace, order):
        pass  # only measured
    drawing.again()
    steps = ticks(order, len(order), on_progress)
    for _ in _Picture(drawing, called).draw(trace, steps):
        yield from drawing.out
        drawing.out.clear()


def _in_order(events: list[e.Event]) -> list[int]:
    """The events by time, system calls twice: where they begin and where they end. Each is a
    number: time, place in the trace, and in the lowest bit whether a system call ends.

    The trace has system calls where they ended, with the time at which they began. All others are
    in the order in which they happened, and no earlier than what happened before them.
    """
    keys, now = [], 0
    for number, event in enumerate(events):
        key = number << 1
        if isinstance(event, e.SystemCall):
            keys.append(event.time << 48 | key)
            now = max(now, event.time + event.duration)
            key |= 1
        else:
            now = max(now, event.time)
        keys.append(now << 48 | key)
    keys.sort()
    return keys


class _Picture:
    """Draws a trace once. ``called``: the goroutines with calls, which show what they run."""

    def __init__(self, drawing: Drawing, called: set[int]) -> None:
        self._drawing = drawing
        self._called = called
        self._goroutines: dict[int, Track] = {}
        self._threads: dict[int, Track] = {}
        self._collector: Track | None = None
        self._running: dict[int, int] = {}
        self._allocated = 0

    def draw(self, trace: Trace, order: Iterator[int] | list[int]) -> Iterator[None]:
        """Draw, step by step."""
        time = 0
        for key in order:
            time = key >> 48
            event = trace.events[(key & (1 << 48) - 1) >> 1]
            if isinstance(event, e.SystemCall):
                self._syscall(time, event, ends=bool(key & 1))
            else:
                self._one(time, event)
            yield
        tracks = [*self._goroutines.values(), *self._threads.values()]
        if self._collector is not None:
            tracks.append(self._collector)
        for track in tracks:
            track.end_all(max(time, trace.duration))
        self._drawing.name(tracks)
        yield

    # --- tracks -----------------------------------------------------------------------------

    def _goroutine(self, number: int, function: str = "") -> Track:
        track = self._goroutines.get(number)
        if track is None:
            track = Track(self._drawing, GOROUTINES, number, f"goroutine {number}")
            self._goroutines[number] = track
        if function:
            track.name = f"goroutine {number}: {function}"
        return track

    def _thread(self, number: int) -> Track:
        track = self._threads.get(number)
        if track is None:
            track = Track(self._drawing, THREADS, number, f"thread {number}")
            self._threads[number] = track
        return track

    def _track(self, time: int, event: e.Event) -> Track:
        """Where an event is shown: at its goroutine, which lives by then, and that of a scheduler
        at its thread."""
        if not event.goroutine:
            return self._thread(event.thread)
        track = self._goroutine(event.goroutine)
        if not track.open:
            track.begin(time, LIFE, track.name)
        return track

    # --- events -----------------------------------------------------------------------------

    def _one(self, time: int, event: e.Event) -> None:
        if isinstance(event, e.GCCycle):
            self._gc(time, event)
            return
        track = self._track(time, event)
        match event:
            case e.Call():
                self._awake(track, time)
                track.begin(time, CALL, event.function, event, event.depth)
            case e.Return():
                track.close(time, CALL, event.function, event.depth, event)
            case e.InitBegins():
                track.begin(time, INIT, f"init {event.package}", event)
            case e.InitEnds():
                track.close(time, INIT, f"init {event.package}", 0, event)
            case e.GoroutineCreated():
                self._created(track, time, event)
            case e.GoroutineRuns():
                self._runs(track, time, event)
            case e.GoroutineWaits():
                self._waits(track, time, event)
            case e.GoroutineReady():
                self._ready(track, time, event)
            case e.GoroutineEnds():
                self._stopped(event.goroutine, time)
                track.end_all(time)
            case _:
                self._drawing.mark(track, time, event)
        if isinstance(event, e.Allocation):
            self._allocated += event.size
            self._drawing.count(time, "allocated", self._allocated)

    def _awake(self, track: Track, time: int) -> None:
        """End what a goroutine waited for: it does something."""
        while track.top in (WAIT, READY):
            track.end(time)

    def _stopped(self, goroutine: int, time: int) -> None:
        """The thread of a goroutine runs it no longer."""
        thread = self._running.pop(goroutine, None)
        if thread is not None:
            self._thread(thread).end_all(time)

    def _created(self, track: Track, time: int, event: e.GoroutineCreated) -> None:
        new = self._goroutine(event.id, event.function)
        new.end_all(time)
        new.begin(time, LIFE, new.name, event)
        new.begin(time, READY, "runnable")
        if track is not new and track.open:
            self._drawing.arrow(time, track, new, "go")

    def _runs(self, track: Track, time: int, event: e.GoroutineRuns) -> None:
        self._awake(track, time)
        self._stopped(event.goroutine, time)
        if event.goroutine not in self._called and track.top != RUN:
            track.begin(time, RUN, "running", event)
        if event.thread:
            thread = self._thread(event.thread)
            thread.end_all(time)
            thread.begin(time, RUN, track.name)
            self._running[event.goroutine] = event.thread

    def _waits(self, track: Track, time: int, event: e.GoroutineWaits) -> None:
        self._stopped(event.goroutine, time)
        if track.top == RUN:
            track.end(time)
        self._awake(track, time)
        track.begin(time, WAIT, event.reason or "waiting", event)

    def _ready(self, track: Track, time: int, event: e.GoroutineReady) -> None:
        woken = self._goroutine(event.id)
        if not woken.open:
            woken.begin(time, LIFE, woken.name)
        if woken.top == WAIT:
            woken.end(time)
        if woken.top != READY:
            woken.begin(time, READY, "runnable", event)
            if track is not woken and track.open:
                self._drawing.arrow(time, track, woken, "ready")

    def _syscall(self, time: int, event: e.SystemCall, ends: bool) -> None:
        track = self._thread(event.thread)
        if ends:
            track.close(time, SYSCALL, event.name, event.instructions, event)
        else:
            track.begin(time, SYSCALL, event.name, event, event.instructions)

    def _gc(self, time: int, event: e.GCCycle) -> None:
        if self._collector is None:
            self._collector = Track(self._drawing, COLLECTOR, 1, "cycles")
        track, name = self._collector, f"GC {event.cycle}"
        if event.phase == "start":
            track.end_all(time)
            track.begin(time, CYCLE, name, event)
        else:
            track.close(time, CYCLE, name, 0, event)
        self._drawing.count(time, "heap", event.heap)


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def save(trace: Trace, path: str | os.PathLike[str], *, on_progress: OnProgress = None) -> None:
    """Write a finished trace."""
    about = {
        "go": trace.go_version,
        "plugins": [os.fspath(plugin) for plugin in trace.plugins],
        "dropped": trace.dropped,
    }
    with written_whole(path) as stream:
        stream.write(b'{"displayTimeUnit":"ns","otherData":' + _json(about) + b',"traceEvents":[')
        separator = b"\n"
        for event in chrome_events(trace, on_progress):
            stream.write(separator + _json(event))
            separator = b",\n"
        stream.write(b"\n]}\n")


def _json(value: Json) -> bytes:
    # A lone surrogate, which JSON can write but some importers refuse, becomes a replacement.
    return _ENCODER.encode(value).encode("utf-8", "replace")
