"""The tracks of a picture in Chrome's trace event format: slices that nest, marks, arrows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

GOROUTINES: Final = 1
THREADS: Final = 2
COLLECTOR: Final = 3
PROCESSES: Final = {GOROUTINES: "goroutines", THREADS: "threads", COLLECTOR: "garbage collector"}

#: What a slice shows; decides which of them an event ends.
LIFE, CALL, INIT, WAIT, READY, RUN, SYSCALL, CYCLE = range(8)
_CATEGORIES: Final = ("goroutine", "call", "init", "wait", "wait", "run", "syscall", "gc")


class Open(NamedTuple):
    """A slice that has begun: what it shows, and which call or init."""

    shows: int
    name: str
    depth: int


class Track:
    """One line of the picture: slices that nest, and marks."""

    def __init__(self, pid: int, tid: int, name: str, order: int) -> None:
        self.pid, self.tid, self.name, self.order = pid, tid, name, order
        self.open: list[Open] = []

    @property
    def top(self) -> int | None:
        """What the innermost open slice shows."""
        return self.open[-1].shows if self.open else None

    def begin(
        self, time: int, shows: int, name: str, args: Json | None = None, depth: int = 0
    ) -> Json:
        self.open.append(Open(shows, name, depth))
        return self._event("B", time, args, name=name, cat=_CATEGORIES[shows])

    def end(self, time: int, args: Json | None = None) -> Json:
        """End the innermost slice."""
        self.open.pop()
        return self._event("E", time, args)

    def end_all(self, time: int, above: int = 0) -> Iterator[Json]:
        """End all slices but the ``above`` outermost."""
        while len(self.open) > above:
            yield self.end(time)

    def mark(self, time: int, name: str, category: str, args: Json | None = None) -> Json:
        return self._event("i", time, args, name=name, cat=category, s="t")

    def arrow(self, time: int, phase: str, number: int, name: str) -> Json:
        return self._event(phase, time, None, name=name, cat="goroutine", id=number, bp="e")

    def _event(self, phase: str, time: int, args: Json | None, **more: Any) -> Json:
        event = {"ph": phase, "pid": self.pid, "tid": self.tid, "ts": time / 1000, **more}
        if args:
            event["args"] = args
        return event


def counter(time: int, name: str, value: int) -> Json:
    return {"ph": "C", "pid": COLLECTOR, "ts": time / 1000, "name": name, "args": {"bytes": value}}


def about(pid: int, tid: int, what: str, **args: Any) -> Json:
    return {"ph": "M", "pid": pid, "tid": tid, "ts": 0, "name": what, "args": args}
