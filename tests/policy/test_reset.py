"""``Machine.reset``: as new, with the same plugins, and nothing of before can be mixed in."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import emuplugin
from emuplugin import BusyError, ClosedError, Limits, Machine, Sandbox, StaleError
from tests.conftest import PluginPath
from tests.policy.conftest import Open


@pytest.fixture
def composites(plugin_path: PluginPath, go_version: str) -> Path:
    return plugin_path("composites", go_version)


def test_a_machine_whose_limit_broke_is_as_new(open_in: Open) -> None:
    plugin = open_in(Sandbox(limits=Limits(seconds=1.5)))
    with pytest.raises(emuplugin.TimeLimitExceeded):
        plugin["Hang"]()
    assert plugin.machine.state == "dead"
    plugin.machine.reset()
    assert plugin.machine.state == "running"
    assert plugin.machine.plugins == (plugin,)
    assert plugin["PingPong"](3) == 3


def test_what_happened_before_is_gone(open_in: Open) -> None:
    plugin = open_in(Sandbox())
    fresh = plugin["MathRand"](1 << 30), plugin["Environ"]()
    plugin["Setenv"]("A", "b")
    plugin["Leak"](10)
    assert plugin["NumGoroutine"]() > 10
    plugin.machine.reset()
    assert (plugin["MathRand"](1 << 30), plugin["Environ"]()) == fresh
    assert plugin["NumGoroutine"]() == 1
    assert plugin.machine.report.output_bytes == 0


def test_resets_leave_nothing_behind(open_in: Open) -> None:
    plugin = open_in(Sandbox(limits=Limits(memory=128 << 20)))
    present = []
    for _ in range(3):
        plugin.machine.reset()
        present.append(plugin.machine.report.memory_bytes)
    assert len(set(present)) == 1


def test_what_is_of_before_is_refused_by_name(composites: Path) -> None:
    with Machine() as machine:
        plugin = machine.open(composites)
        variables = [name for name in plugin.exports if not plugin.exports[name].startswith("func")]
        functions = [name for name in plugin.exports if plugin.exports[name] == "func() int"]
        symbols = {name: plugin[name] for name in plugin.exports}
        values = {name: symbols[name].value for name in variables}
        slices = [value for value in values.values() if getattr(value, "cap", 0)]
        assert variables
        assert slices
        machine.reset()
        for name in variables:
            with pytest.raises(StaleError, match=f"^{name} is from before the machine was reset"):
                _ = symbols[name].value
            with pytest.raises(StaleError) as caught:
                symbols[name].value = values[name]
            assert caught.value.name == name
        for name in functions:
            with pytest.raises(StaleError, match=f"^{name} is from before"):
                symbols[name]()
            with pytest.raises(StaleError, match=f"^{name} is from before"):
                symbols[name].results()
        for value in slices:
            with pytest.raises(StaleError, match="this value is from before"):
                value[0] = value[0]
        # And the new ones do not take values of the old: the name is not that of the new.
        for value, name in ((values[name], name) for name in variables):
            if getattr(value, "cap", 0):
                with pytest.raises((emuplugin.ConversionError, StaleError)) as refused:
                    plugin[name].value = value
                assert "another machine" in str(refused.value) or "this value" in str(refused.value)


def test_two_plugins_share_the_new_runtime(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        first = machine.open(plugin_path("hello", go_version))
        second = machine.open(plugin_path("add", go_version))
        machine.reset()
        assert machine.plugins == (first, second)
        assert second["Add"](2, 3) == 5
        assert machine.open(plugin_path("add", go_version)) is second


def test_the_file_need_not_be_there_any_more(
    plugin_path: PluginPath, go_version: str, tmp_path: Path
) -> None:
    copy = tmp_path / "add.so"
    copy.write_bytes(plugin_path("add", go_version).read_bytes())
    with Machine() as machine:
        plugin = machine.open(copy)
        copy.unlink()
        machine.reset()
        assert plugin["Add"](2, 3) == 5


def test_not_from_inside_a_call(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("callbacks", go_version))

        def reset(a: int, b: int) -> int:
            with pytest.raises(BusyError, match="inside a call"):
                machine.reset()
            return a + b

        assert plugin["Apply"](reset, 20, 3) == 23
        assert machine.state == "running"


def test_of_empty_and_closed_machines() -> None:
    machine = Machine()
    machine.reset()
    assert machine.state == "empty"
    machine.close()
    with pytest.raises(ClosedError, match="was closed"):
        machine.reset()


def test_output_goes_on_where_it_went(plugin_path: PluginPath, go_version: str) -> None:
    out = io.StringIO()
    with Machine(Sandbox(stdout=out)) as machine:
        plugin = machine.open(plugin_path("hello", go_version))
        for number in (1, 2):
            plugin["V"].value = number
            plugin["F"]()
            machine.reset()
    assert out.getvalue() == "Hello, number 1\nHello, number 2\n"


def test_an_init_that_fails_now(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("runtime", go_version)
    limits = Limits(goroutines=50)
    with Machine(Sandbox(limits=limits)) as machine:
        plugin = machine.open(path)
        # A sandbox is frozen; only so can the same init fail the second time.
        machine.sandbox = Sandbox(limits=Limits(output=1, instructions=1))
        with pytest.raises(emuplugin.LimitExceeded):
            machine.reset()
        assert machine.state == "dead"
        with pytest.raises(emuplugin.DeadMachineError):
            plugin["NumGoroutine"]()
        machine.sandbox = Sandbox()
        machine.reset()
        assert plugin["NumGoroutine"]() == 1
