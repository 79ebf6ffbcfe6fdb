"""Chrome's trace event format, which ui.perfetto.dev, chrome://tracing and speedscope open.

Every goroutine and every thread (Go's M) has a track. On a goroutine's track lies its life, in it
the package inits and calls, and in the innermost of them what it waits for; where no calls were
traced, also when it runs. A thread's track shows which goroutine it runs and its system calls.
Arrows lead from ``go`` statements to goroutines, and from who wakes one to who was woken.

Times are the guest's, in microseconds; under the virtual clock an instruction takes a nanosecond.
Format: "Trace Event Format", Google, kept with Chromium's catapult. Slices of a track nest, and
events are in order of time, as importers want it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from emuplugin.tracing import events as e

from .chrome_details import arguments_of, mark_of, place
from .chrome_tracks import (
    CALL,
    COLLECTOR,
    CYCLE,
    GOROUTINES,
    INIT,
    LIFE,
    PROCESSES,
    READY,
    RUN,
    SYSCALL,
    THREADS,
    WAIT,
    Json,
    Open,
    Track,
    about,
    counter,
)
from .files import written_whole
from .options import OnProgress, ticks

if TYPE_CHECKING:
    from emuplugin.tracing.trace import Trace


class ChromeEvents:
    """Turns a trace into events of the format: iterate over it once."""

    def __init__(self, trace: Trace, on_progress: OnProgress = None) -> None:
        self._trace = trace
        self._on_progress = on_progress
        self._goroutines: dict[int, Track] = {}
        self._threads: dict[int, Track] = {}
        self._collector: Track | None = None
        self._running: dict[int, int] = {}
        self._arrows = 0
        self._allocated = 0
        # Where there are calls, what a goroutine runs is seen by them.
        self._called = {event.goroutine for event in trace.events if isinstance(event, e.Call)}

    def __iter__(self) -> Iterator[Json]:
        time = 0
        for time, event, phase in ticks(self._in_order(), len(self._trace), self._on_progress):
            yield from self._one(time, event, phase)
        time = max(time, self._trace.duration)
        tracks = [*self._goroutines.values(), *self._threads.values()]
        if self._collector is not None:
            tracks.append(self._collector)
        for track in tracks:
            yield from track.end_all(time)
        for pid in sorted({track.pid for track in tracks}):
            yield about(pid, 0, "process_name", name=PROCESSES[pid])
            yield about(pid, 0, "process_sort_index", sort_index=pid)
        for track in tracks:
            yield about(track.pid, track.tid, "thread_name", name=track.name)
            yield about(track.pid, track.tid, "thread_sort_index", sort_index=track.order)

    def _in_order(self) -> Iterator[tuple[int, e.Event, int]]:
        """The events by time, system calls twice: where they begin (0) and where they end (1).

        The trace has them where they ended, with the time at which they began. All others are in
        the order in which they happened, and no earlier than what happened before them.
        """
        keys, now = [], 0
        for number, event in enumerate(self._trace.events):
            # One number each, which takes a third of what a tuple would.
            key = number << 1
            if isinstance(event, e.SystemCall):
                keys.append(event.time << 48 | key)
                now = max(now, event.time + event.duration)
                key |= 1
            else:
                now = max(now, event.time)
            keys.append(now << 48 | key)
        keys.sort()
        for key in keys:
            yield key >> 48, self._trace.events[(key & (1 << 48) - 1) >> 1], key & 1

    # --- tracks -----------------------------------------------------------------------------

    def _track(self, event: e.Event) -> Track:
        """Where an event is shown: at its goroutine, and that of a scheduler at its thread."""
        return self._goroutine(event.goroutine) if event.goroutine else self._thread(event.thread)

    def _goroutine(self, number: int, function: str = "") -> Track:
        track = self._goroutines.get(number)
        if track is None:
            track = Track(GOROUTINES, number, f"goroutine {number}", number)
            self._goroutines[number] = track
        if function:
            track.name = f"goroutine {number}: {function}"
        return track

    def _alive(self, track: Track, time: int) -> Iterator[Json]:
        """Have a goroutine's life begin, if that was before the trace."""
        if not track.open and track.pid == GOROUTINES:
            yield track.begin(time, LIFE, track.name)

    def _thread(self, number: int) -> Track:
        track = self._threads.get(number)
        if track is None:
            track = Track(THREADS, number, f"thread {number}", number)
            self._threads[number] = track
        return track

    # --- events -----------------------------------------------------------------------------

    def _one(self, time: int, event: e.Event, phase: int) -> Iterator[Json]:
        if isinstance(event, e.SystemCall):
            yield from self._syscall(time, event, phase)
            return
        if isinstance(event, e.GCCycle):
            yield from self._gc(time, event)
            return
        track = self._track(event)
        yield from self._alive(track, time)
        match event:
            case e.Call():
                yield from self._awake(track, time)
                details = arguments_of(event.arguments)
                if event.file:
                    details["at"] = f"{event.file}:{event.line}"
                yield track.begin(time, CALL, event.function, details, event.depth)
            case e.Return():
                details = {"instructions": event.spent, **arguments_of(event.results, "result")}
                if event.by_panic:
                    details["by panic"] = True
                yield from self._close(
                    track, time, Open(CALL, event.function, event.depth), details
                )
            case e.InitBegins():
                details = {"functions": list(event.functions)}
                yield track.begin(time, INIT, f"init {event.package}", details)
            case e.InitEnds():
                details = {"instructions": event.spent}
                yield from self._close(track, time, Open(INIT, f"init {event.package}", 0), details)
            case e.GoroutineCreated():
                yield from self._created(track, time, event)
            case e.GoroutineRuns():
                yield from self._runs(track, time, event)
            case e.GoroutineWaits():
                yield from self._waits(track, time, event)
            case e.GoroutineReady():
                yield from self._ready(track, time, event)
            case e.GoroutineEnds():
                yield from self._stopped(event.goroutine, time)
                yield from track.end_all(time)
            case _:
                yield from self._mark(track, time, event)

    def _close(self, track: Track, time: int, wanted: Open, args: Json) -> Iterator[Json]:
        """End a slice and all in it. What began before the trace has nothing to end."""
        for at in range(len(track.open) - 1, -1, -1):
            if track.open[at] == wanted:
                yield from track.end_all(time, above=at + 1)
                yield track.end(time, args)
                return

    def _awake(self, track: Track, time: int) -> Iterator[Json]:
        """End what a goroutine waited for: it does something."""
        while track.top in (WAIT, READY):
            yield track.end(time)

    def _created(self, track: Track, time: int, event: e.GoroutineCreated) -> Iterator[Json]:
        new = self._goroutine(event.id, event.function)
        details: Json = {"parent": event.parent}
        if event.at.function:
            details["at"] = place(event.at)
        yield from new.end_all(time)
        from_there = track is not new and bool(track.open)
        if from_there:
            self._arrows += 1
            yield track.arrow(time, "s", self._arrows, "go")
        yield new.begin(time, LIFE, new.name, details)
        yield new.begin(time, READY, "runnable")
        if from_there:
            yield new.arrow(time, "f", self._arrows, "go")

    def _runs(self, track: Track, time: int, event: e.GoroutineRuns) -> Iterator[Json]:
        yield from self._awake(track, time)
        yield from self._stopped(event.goroutine, time)
        if event.goroutine not in self._called and track.top != RUN:
            yield track.begin(time, RUN, "running", {"thread": event.thread})
        if event.thread:
            thread = self._thread(event.thread)
            yield from thread.end_all(time)
            yield thread.begin(time, RUN, track.name)
            self._running[event.goroutine] = event.thread

    def _waits(self, track: Track, time: int, event: e.GoroutineWaits) -> Iterator[Json]:
        yield from self._stopped(event.goroutine, time)
        if track.top == RUN:
            yield track.end(time)
        yield from self._awake(track, time)
        details = {"at": place(event.at)} if event.at.function else None
        yield track.begin(time, WAIT, event.reason or "waiting", details)

    def _ready(self, track: Track, time: int, event: e.GoroutineReady) -> Iterator[Json]:
        woken = self._goroutine(event.id)
        yield from self._alive(woken, time)
        if woken.top == WAIT:
            yield woken.end(time)
        if woken.top == READY:
            return
        from_there = track is not woken and bool(track.open)
        if from_there:
            self._arrows += 1
            yield track.arrow(time, "s", self._arrows, "ready")
        yield woken.begin(time, READY, "runnable", {"by": event.by} if event.by else None)
        if from_there:
            yield woken.arrow(time, "f", self._arrows, "ready")

    def _stopped(self, goroutine: int, time: int) -> Iterator[Json]:
        """The thread of a goroutine runs it no longer."""
        thread = self._running.pop(goroutine, None)
        if thread is not None:
            yield from self._thread(thread).end_all(time)

    def _syscall(self, time: int, event: e.SystemCall, phase: int) -> Iterator[Json]:
        track = self._thread(event.thread)
        if phase == 0:
            details: Json = {"call": f"{event.name}({', '.join(event.arguments)})"}
            if event.goroutine:
                details["goroutine"] = event.goroutine
            yield track.begin(time, SYSCALL, event.name, details, event.instructions)
            return
        details = {"result": event.text or event.result}
        if event.errno:
            details["errno"] = event.errno
        shown = Open(SYSCALL, event.name, event.instructions)
        yield from self._close(track, time, shown, details)

    def _gc(self, time: int, event: e.GCCycle) -> Iterator[Json]:
        if self._collector is None:
            self._collector = Track(COLLECTOR, 1, "cycles", 1)
        track = self._collector
        yield from track.end_all(time)
        if event.phase == "start":
            yield track.begin(time, CYCLE, f"GC {event.cycle}", {"heap": event.heap})
        else:
            yield track.mark(time, f"GC {event.cycle} ended", "gc", {"heap": event.heap})
        yield counter(time, "heap", event.heap)

    def _mark(self, track: Track, time: int, event: e.Event) -> Iterator[Json]:
        """What takes no time."""
        name, details = mark_of(event)
        yield track.mark(time, name, event.kind, details)
        if isinstance(event, e.Allocation):
            self._allocated += event.size
            yield counter(time, "allocated", self._allocated)


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
        for event in ChromeEvents(trace, on_progress):
            stream.write(separator + _json(event))
            separator = b",\n"
        stream.write(b"\n]}\n")


def _json(value: Json) -> bytes:
    # A lone surrogate, which JSON can write but some importers refuse, becomes a replacement.
    return _ENCODER.encode(value).encode("utf-8", "replace")
