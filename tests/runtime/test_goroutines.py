"""Scheduler, channels, timers, preemption: the same as native, with one processor and with four."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from emuplugin import Limits, Machine, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import Native, PluginPath
from tests.runtime.conftest import Open, run

CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("Goroutines", (2000,)),
    ("PingPong", (1000,)),
    ("Pipeline", (300,)),
    ("Select", (100,)),
    ("SelectDefault", ()),
    ("Locks", (100,)),
    ("Once", (50,)),
    ("Cond", (20,)),
    ("Pool", (300,)),
    ("SyncMap", (200,)),
    ("Gosched", (20,)),
    ("Locked", (5,)),
    ("Sleep", (10**6,)),
    ("Monotonic", (200,)),
    ("SleepSort", (3, 1, 2)),
    ("AfterFunc", (10,)),
    ("Ticker", (5,)),
    ("SelectTimeout", ()),
    ("ContextTimeout", ()),
    ("ContextCancel", (20,)),
    ("SpinUntilStopped", ()),
    ("PanicInGoroutine", ()),
    ("GoexitElsewhere", ()),
]


@pytest.fixture(params=[1, 4], scope="module", ids=["GOMAXPROCS=1", "GOMAXPROCS=4"])
def plugin(
    request: pytest.FixtureRequest, plugin_path: PluginPath, go_version: str
) -> Iterator[Plugin]:
    sandbox = Sandbox(env={"GOMAXPROCS": str(request.param)}, limits=Limits(seconds=120))
    with Machine(sandbox) as machine:
        plugin = machine.open(plugin_path("runtime", go_version))
        assert run(plugin, "MaxProcs") == request.param
        yield plugin


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=[name for name, _ in CALLS])
def test_the_same_as_native(
    name: str, arguments: tuple[Any, ...], plugin: Plugin, go_version: str, native: Native
) -> None:
    result = run(plugin, name, *arguments)
    values = native("runtime", go_version).call(name, *arguments).values
    assert result == (values[0] if len(values) == 1 else values)


def test_nothing_is_left_running(plugin: Plugin) -> None:
    before = run(plugin, "NumGoroutine")
    assert run(plugin, "Goroutines", 100) == 4950
    assert run(plugin, "Pipeline", 50) == 15
    run(plugin, "GC", 1)
    assert run(plugin, "NumGoroutine") <= before
    run(plugin, "Leak", 10)
    assert run(plugin, "NumGoroutine") == before + 10


def test_an_endless_loop_does_not_hold_the_others(open_runtime: Open) -> None:
    plugin = open_runtime()
    assert run(plugin, "SpinForever", 3) == 3
    # The loop still runs, beside everything that is called now.
    assert run(plugin, "PingPong", 10) == 10
    assert run(plugin, "SpinUntilStopped") is True
    assert run(plugin, "Sleep", 10**7) is True


def test_endless_loops_on_four_processors(open_runtime: Open) -> None:
    plugin = open_runtime(env={"GOMAXPROCS": "4"})
    for _ in range(2):
        assert run(plugin, "SpinForever", 3) == 3
    assert run(plugin, "Goroutines", 20) == 190


def test_the_number_of_processors_changes(open_runtime: Open) -> None:
    plugin = open_runtime(cpus=2)
    assert run(plugin, "SetMaxProcs", 8) == 2
    assert run(plugin, "MaxProcs") == 8
    assert run(plugin, "Goroutines", 200) == 19900
    assert run(plugin, "SetMaxProcs", 1) == 8
    assert run(plugin, "Locks", 20) == 20


def test_a_year_passes_at_once(runtime: Plugin) -> None:
    year = 365 * 24 * 3600 * 10**9
    before = run(runtime, "Now")
    elapsed = run(runtime, "Elapsed", year)
    assert year <= elapsed < year + 10**9
    assert run(runtime, "Now") - before >= year


def test_the_clock_starts_where_the_sandbox_says(open_runtime: Open) -> None:
    plugin = open_runtime(epoch=86400.0)
    assert 86400 <= run(plugin, "Now") / 1e9 < 86500
    default = open_runtime()
    assert 1767225600 <= run(default, "Now") / 1e9 < 1767225700
