"""Package initialisation: order, once, and the trace of it."""

from __future__ import annotations

import pytest

from emuplugin import Machine, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import Native, PluginPath
from tests.values.symbols import func_of, var_of


@pytest.fixture(params=[False, True], ids=["unstripped", "stripped"])
def runtime(request: pytest.FixtureRequest, plugin_path: PluginPath, go_version: str) -> Plugin:
    return Machine().open(plugin_path("runtime", go_version, stripped=request.param))


def test_order_is_that_of_go(runtime: Plugin, go_version: str, native: Native) -> None:
    order = func_of(runtime, "InitOrder")()
    assert order == native("runtime", go_version).call("InitOrder").value
    assert var_of(runtime, "Inits").value == 2  # main has two, and each ran once
    assert func_of(runtime, "Squares")() == (100, 9801)


def test_trace(runtime: Plugin) -> None:
    trace = {entry.package: entry for entry in runtime.init_trace}
    assert len(trace) == len(runtime.init_trace)
    assert trace["example.com/runtime/first"].functions == (
        "example.com/runtime/first.init",
        "example.com/runtime/first.init.0",
        "example.com/runtime/first.init.1",
        "example.com/runtime/first.init.2",
    )
    assert all(entry.seconds > 0 and entry.functions for entry in trace.values())
    assert trace["example.com/runtime/second"].bytes > 500  # it fills a map
    assert trace["example.com/runtime/second"].allocations > 1
    assert runtime.init_trace[-1].package == "example.com/runtime"


def test_the_runtime_comes_first(runtime: Plugin) -> None:
    """As in ``runtime.main``; the collector must be complete before anybody's code allocates."""
    packages = [entry.package for entry in runtime.init_trace]
    first = packages.index("runtime")
    assert all(name.startswith(("internal/", "runtime/")) for name in packages[:first])
    assert packages.index("example.com/runtime/record") > first


def test_the_trace_agrees_with_gos_own(plugin_path: PluginPath, go_version: str) -> None:
    """Bytes that init functions allocate do not depend on who counts them: two machines agree."""
    path = plugin_path("stdlib", go_version)
    traces = []
    for _ in range(2):
        with Machine(Sandbox(seed=1)) as machine:
            plugin = machine.open(path)
            traces.append([(e.package, e.bytes, e.allocations) for e in plugin.init_trace])
    assert traces[0] == traces[1]
    assert sum(entry[1] for entry in traces[0]) > 10_000


def test_a_plugin_without_inits(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("add", go_version))
        assert plugin.init_trace == ()
        assert func_of(plugin, "Add")(-1, 3) == 2
