"""Goroutines, allocations, collections and inits, against what the runtime counts itself."""

from __future__ import annotations

import pytest

import emuplugin
from emuplugin.tracing.events import (
    Allocation,
    GCCycle,
    GoroutineCreated,
    GoroutineEnds,
    GoroutineReady,
    GoroutineRuns,
    GoroutineWaits,
    InitBegins,
    InitEnds,
)
from tests.conftest import PluginPath
from tests.tracing.support import trace

_BOTH = pytest.mark.parametrize("stripped", [False, True], ids=["dwarf", "stripped"])


@_BOTH
def test_goroutines(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    with emuplugin.Machine() as machine:
        opened = machine.open(plugin)
        workers, count = opened.lookup("Workers"), opened.lookup("NumGoroutine")
        machine.run_goroutines()
        before = count()
        with machine.trace(goroutines=True) as taken:
            workers(3)
            machine.run_goroutines()
        assert count() == before
    made = taken.of(GoroutineCreated)
    assert [event.function.partition(".func")[0] for event in made if "Workers" in event.function]
    mine = [event for event in made if event.function.startswith("main.Workers")]
    assert len(mine) == 4
    assert {event.parent for event in mine} == {mine[0].goroutine}
    assert {event.at.function for event in mine} == {"main.Workers"}
    ended = {event.goroutine for event in taken.of(GoroutineEnds)}
    assert ended == {event.id for event in mine}
    reasons = {event.reason for event in taken.of(GoroutineWaits)}
    assert {"chan receive", "chan send"} <= reasons
    places = {event.at.function for event in taken.of(GoroutineWaits)}
    assert {"main.work", "main.Workers"} <= places


@_BOTH
def test_states_alternate(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    """Each goroutine runs, waits, is made ready, runs."""
    taken = trace(
        plugin_path("traced", go_version, stripped=stripped), "Workers", 3, goroutines=True
    )
    running: dict[int, str] = {}
    for event in taken:
        if isinstance(event, GoroutineCreated):
            running[event.id] = "ready"
        elif isinstance(event, GoroutineRuns):
            assert running.get(event.goroutine, "ready") == "ready", event
            running[event.goroutine] = "runs"
        elif isinstance(event, GoroutineWaits):
            assert running.get(event.goroutine, "runs") == "runs", event
            can_go_on = event.reason in ("yield", "preempted")
            running[event.goroutine] = "ready" if can_go_on else "waits"
        elif isinstance(event, GoroutineReady):
            assert running.get(event.id, "waits") == "waits", event
            assert event.by == event.goroutine
            running[event.id] = "ready"
        elif isinstance(event, GoroutineEnds):
            assert running.pop(event.goroutine) == "runs"


def test_leaked_goroutines(go_version: str, plugin_path: PluginPath) -> None:
    with emuplugin.Machine() as machine:
        leave = machine.open(plugin_path("traced", go_version)).lookup("Leave")
        with machine.trace(goroutines=True) as taken:
            leave(3)
            machine.run_goroutines()
    waits = [event for event in taken.of(GoroutineWaits) if event.reason == "select (no cases)"]
    assert len(waits) == 3
    assert {event.at.function for event in waits} == {"main.Leave.func1"}
    assert "yield" in {event.reason for event in taken.of(GoroutineWaits)}


def test_preemption(go_version: str, plugin_path: PluginPath) -> None:
    taken = emuplugin.trace(plugin_path("determinism", go_version), "Race", 2, goroutines=True)
    preempted = [event for event in taken.of(GoroutineWaits) if event.reason == "preempted"]
    assert preempted
    assert {"main.Race.func3", "main.Race.func2"} & {event.at.function for event in preempted}


@_BOTH
def test_allocations(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    taken = trace(plugin, "Allocate", 100, allocations=True)
    nodes = [event for event in taken.of(Allocation) if event.type == "main.node"]
    assert [event.size for event in nodes] == [16] * 100
    assert len({event.address for event in nodes}) == 100
    for event in nodes:
        frames = [frame.function for frame in event.stack]
        assert frames[-1] == "main.Allocate"
    grown = [event for event in taken.of(Allocation) if event.type == "*main.node"]
    assert all(event.stack[0].function == "runtime.growslice" for event in grown)
    assert grown[-1].size >= 800


def test_as_many_as_the_runtime_counts(go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version)
    with emuplugin.Machine() as machine:
        opened = machine.open(plugin)
        mallocs, allocate = opened.lookup("Mallocs"), opened.lookup("Allocate")
        allocate(1)
        before = mallocs()
        with machine.trace(allocations=True) as taken:
            allocate(500)
            after = mallocs()
    # Small objects without pointers share blocks, and blocks are counted; there are none here.
    assert abs(len(taken.of(Allocation)) - (after - before)) <= 2


@_BOTH
def test_collections(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    with emuplugin.Machine() as machine:
        collect = machine.open(plugin).lookup("Collect")
        with machine.trace(gc=True) as taken:
            counted = [collect() for _ in range(3)]
    cycles = taken.of(GCCycle)
    assert [(event.cycle, event.phase) for event in cycles] == [
        (number, phase) for number in counted for phase in ("start", "end")
    ]
    assert all(0 < event.heap < 10_000_000 for event in cycles)


@_BOTH
def test_inits(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    taken = emuplugin.trace(plugin_path("traced", go_version, stripped=stripped), inits=True)
    begun, ended = taken.of(InitBegins), taken.of(InitEnds)
    with emuplugin.Machine() as machine:
        opened = machine.open(plugin_path("traced", go_version, stripped=stripped))
        expected = [(entry.package, entry.functions) for entry in opened.init_trace]
    assert [event.package for event in begun] == [event.package for event in ended]
    packages = [package for package, _ in expected]
    packages[packages.index(opened.plugin_path)] = "main"
    assert [event.package for event in begun] == packages
    assert begun[-1].functions == ("main.init", "main.init.0")
    assert [len(event.functions) for event in begun] == [len(names) for _, names in expected]
    assert all(event.spent >= 0 for event in ended)
    assert ended[-1].spent > 100


def test_inits_of_a_second_plugin(go_version: str, plugin_path: PluginPath) -> None:
    """A file that is opened while the trace is taken is observed too."""
    with emuplugin.Machine() as machine:
        machine.open(plugin_path("add", go_version))
        with machine.trace(inits=True, calls="main.*") as taken:
            hello = machine.open(plugin_path("scalars", go_version))
            assert hello.exports
    assert "main" in {event.package for event in taken.of(InitBegins)} or taken.plugins
    assert len(taken.plugins) == 2
    assert len(taken.functions.modules) == 2
