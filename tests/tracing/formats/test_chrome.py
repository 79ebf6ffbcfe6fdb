"""Chrome's format: whatever happens in a trace, slices nest and everything has an end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from emuplugin.tracing import events as e
from emuplugin.tracing.formats import save

from .made import NASTY, SEQUENCES, trace_of
from .picture import Picture, read_picture

AT = e.Frame("main.F", "f.go", 7, 4096)


def drawn(tmp_path: Path, *events: e.Event) -> Picture:
    path = tmp_path / "t.json"
    save(trace_of(events), path)
    return read_picture(path)


@settings(max_examples=150)
@given(events=SEQUENCES)
def test_any_events_make_a_picture(
    events: list[e.Event], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("chrome") / "t.json"
    save(trace_of(events), path)
    read_picture(path)


def test_goroutines_and_threads(tmp_path: Path) -> None:
    picture = drawn(
        tmp_path,
        e.GoroutineRuns(0, 0, 5, 1),
        e.GoroutineCreated(10, 10, 5, 1, 7, "main.work", 1, AT),
        e.GoroutineWaits(20, 20, 5, 1, "chan receive", AT),
        e.GoroutineRuns(25, 25, 5, 7),
        e.GoroutineReady(30, 30, 5, 7, 1, 7),
        e.GoroutineEnds(40, 40, 5, 7),
        e.GoroutineRuns(45, 45, 6, 1),
    )
    one, seven = "goroutines/goroutine 1", "goroutines/goroutine 7: main.work"
    assert [(s.name, s.start, s.end) for s in picture.slices[one]] == [
        ("goroutine 1", 0, 45),
        ("running", 0, 20),
        ("chan receive", 20, 30),
        ("runnable", 30, 45),
        ("running", 45, 45),
    ]
    assert [(s.name, s.start, s.end) for s in picture.slices[seven]] == [
        ("goroutine 7: main.work", 10, 40),
        ("runnable", 10, 25),
        ("running", 25, 40),
    ]
    assert [(s.name, s.start, s.end) for s in picture.slices["threads/thread 5"]] == [
        ("goroutine 1", 0, 20),
        ("goroutine 7: main.work", 25, 40),
    ]
    assert picture.names("threads/thread 6") == ["goroutine 1"]
    assert picture.arrows == [(one, seven, "go"), (seven, one, "ready")]
    assert picture.slices[one][2].args["at"] == "main.F f.go:7"


def test_calls_nest_and_hold_what_they_wait_for(tmp_path: Path) -> None:
    number = e.Argument("n", "int", "3")
    picture = drawn(
        tmp_path,
        e.GoroutineRuns(0, 0, 5, 1),
        e.Call(1, 1, 5, 1, "main.F", "f.go", 7, 4096, 0, (number,), None),
        e.Call(2, 2, 5, 1, "main.g", "f.go", 9, 4099, 1, (), AT),
        e.GoroutineWaits(3, 3, 5, 1, "sleep", AT),
        e.GoroutineRuns(8, 8, 5, 1),
        e.Return(9, 9, 5, 1, "main.g", 1, (), 7),
        e.Panicked(10, 10, 5, 1, "boom", (AT,)),
        e.Return(11, 11, 5, 1, "main.F", 0, (e.Argument("", "error", "nil"),), 10, True),
    )
    track = "goroutines/goroutine 1"
    slices = picture.slices[track]
    assert [(s.name, s.depth, s.start, s.end) for s in slices] == [
        ("goroutine 1", 0, 0, 11),
        ("main.F", 1, 1, 11),
        ("main.g", 2, 2, 9),
        ("sleep", 3, 3, 8),
    ]
    call = next(s for s in slices if s.name == "main.F")
    assert call.args == {
        "n": "3 (int)",
        "at": "f.go:7",
        "instructions": 10,
        "result 0": "nil (error)",
        "by panic": True,
    }
    assert picture.marks[track] == ["panic: boom"]


def test_system_calls_lie_on_their_thread(tmp_path: Path) -> None:
    picture = drawn(
        tmp_path,
        e.GoroutineRuns(0, 0, 5, 1),
        # Told when it has ended, with the time of its beginning.
        e.SystemCall(10, 10, 5, 1, "write", ("1", '"x"', "1"), 1, "", 4),
        e.SystemCall(20, 20, 5, 1, "openat", ("AT_FDCWD",), -2, "ENOENT", 0),
        e.GoroutineWaits(30, 30, 5, 1, "sleep", AT),
        e.SystemCall(31, 31, 5, 0, "futex", (), 0, "", 100, blocked=True),
        e.SystemCall(40, 40, 6, 0, "read", (), 0, "", 5),
    )
    assert [(s.name, s.depth, s.start, s.end) for s in picture.slices["threads/thread 5"]] == [
        ("goroutine 1", 0, 0, 30),
        ("write", 1, 10, 14),
        ("openat", 1, 20, 20),
        ("futex", 0, 31, 131),
    ]
    _, write, openat, _ = picture.slices["threads/thread 5"]
    assert write.args == {"call": 'write(1, "x", 1)', "goroutine": 1, "result": 1}
    assert openat.args["errno"] == "ENOENT"
    assert picture.names("threads/thread 6") == ["read"]


def test_collector_heap_and_inits(tmp_path: Path) -> None:
    picture = drawn(
        tmp_path,
        e.InitBegins(0, 0, 5, 1, "main", ("main.init.0",)),
        e.Allocation(1, 1, 5, 1, 64, "main.T", 0xC000, (AT,)),
        e.Allocation(2, 2, 5, 1, 16, "", 0xC040, ()),
        e.GCCycle(3, 3, 5, 0, 1, "start", 4096),
        e.GCCycle(9, 9, 5, 0, 1, "end", 1024),
        e.InitEnds(10, 10, 5, 1, "main", 10),
    )
    assert picture.counters == {"allocated": [64, 80], "heap": [4096, 1024]}
    (cycle,) = picture.slices["garbage collector/cycles"]
    assert (cycle.name, cycle.start, cycle.end) == ("GC 1", 3, 9)
    assert picture.names("goroutines/goroutine 1", "init") == ["init main"]
    assert picture.marks["goroutines/goroutine 1"] == ["new main.T", "new memory"]


def test_names_of_plugins_do_no_harm(tmp_path: Path) -> None:
    for text in NASTY:
        picture = drawn(tmp_path, e.Call(1, 1, 1, 1, text, text, 1, 1, 0, (), None))
        assert len(picture.slices["goroutines/goroutine 1"]) == 2
