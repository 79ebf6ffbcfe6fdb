"""A strict reader of Chrome's trace event format: what it takes, every viewer takes."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Slice:
    """A slice of a track: from ``start`` to ``end`` (nanoseconds), with what it says."""

    name: str
    category: str
    start: int
    args: dict[str, Any]
    depth: int
    end: int


@dataclass
class Picture:
    """Slices and marks by track; tracks by name, as ``goroutines/goroutine 1``."""

    slices: dict[str, list[Slice]] = field(default_factory=lambda: defaultdict(list))
    marks: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counters: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    arrows: list[tuple[str, str, str]] = field(default_factory=list)

    def names(self, track: str, category: str = "") -> list[str]:
        """The names of a track's slices, in order."""
        found = self.slices[track]
        return [part.name for part in found if category in ("", part.category)]


def read_picture(path: Path) -> Picture:
    """Read a file; AssertionError for anything that is not as the format wants it."""
    document = json.loads(path.read_bytes().decode("utf-8"), parse_constant=_refuse)
    assert set(document) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert document["displayTimeUnit"] == "ns"
    events = document["traceEvents"]
    names = _names(events)
    picture = Picture()
    open_slices: dict[tuple[int, int], list[Slice]] = defaultdict(list)
    arrows: dict[int, str] = {}
    ends: dict[tuple[int, int], set[tuple[int, float]]] = defaultdict(set)
    now = 0
    for event in events:
        phase = event["ph"]
        if phase == "M":
            continue
        time = _nanoseconds(event["ts"])
        assert time >= now, "events are not in order of time"
        now = time
        if phase == "C":
            (value,) = event["args"].values()
            assert type(value) is int
            picture.counters[event["name"]].append(value)
            continue
        key = event["pid"], event["tid"]
        track = names[key]
        ends[key].add((time, event["ts"]))
        stack = open_slices[key]
        while stack and stack[-1].end < time:
            stack.pop()
        if phase == "X":
            end = time + round(event["dur"] * 1000)
            # As doubles, which viewers compute with, it ends where others begin or end then.
            ends[key].add((end, event["ts"] + event["dur"]))
            while stack and stack[-1].end < end and stack[-1].end == time:
                stack.pop()
            assert not stack or end <= stack[-1].end, f"{track}: slices overlap"
            args = event.get("args", {})
            stack.append(Slice(event["name"], event["cat"], time, args, len(stack), end))
            picture.slices[track].append(stack[-1])
        elif phase == "i":
            assert event["s"] == "t"
            picture.marks[track].append(event["name"])
        elif phase in "sf":
            assert stack, f"{track}: an arrow without a slice to bind to"
            if phase == "s":
                assert event["id"] not in arrows
                arrows[event["id"]] = track
            else:
                assert event["bp"] == "e"
                picture.arrows.append((arrows.pop(event["id"]), track, event["name"]))
        else:
            raise AssertionError(f"unknown phase {phase}")
    for exact in ends.values():
        assert len(exact) == len({time for time, _ in exact}), "one time, written as two"
    assert not arrows, "arrows without a head"
    return picture


def _names(events: list[dict[str, Any]]) -> dict[tuple[int, int], str]:
    processes = {
        event["pid"]: event["args"]["name"]
        for event in events
        if event["ph"] == "M" and event["name"] == "process_name"
    }
    names: dict[tuple[int, int], str] = {}
    for event in events:
        if event["ph"] == "M" and event["name"] == "thread_name":
            key = event["pid"], event["tid"]
            assert key not in names, "a track has two names"
            names[key] = f"{processes[event['pid']]}/{event['args']['name']}"
    return names


def _nanoseconds(microseconds: float) -> int:
    assert microseconds >= 0
    assert int(microseconds * 1000) == round(microseconds * 1000)  # importers do either
    return round(microseconds * 1000)


def _refuse(text: str) -> None:
    raise AssertionError(f"{text} is not JSON")
