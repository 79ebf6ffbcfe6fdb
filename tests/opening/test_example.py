"""The example of Go's own documentation, and what an opened plugin tells about itself."""

from __future__ import annotations

import io

import pytest

import emuplugin
from emuplugin import Machine, Sandbox
from tests.conftest import Native, PluginPath
from tests.values.symbols import func_of, var_of


@pytest.mark.parametrize("stripped", [False, True])
def test_the_example_of_the_documentation(
    plugin_path: PluginPath, go_version: str, stripped: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("hello", go_version, stripped=stripped))
        var_of(plugin, "V").value = 7
        assert func_of(plugin, "F")() is None
    assert capsys.readouterr() == ("Hello, number 7\n", "")


def test_a_sandbox_opens_anew(plugin_path: PluginPath, go_version: str) -> None:
    path, out = plugin_path("hello", go_version), io.BytesIO()
    plugins = [emuplugin.open(path, Sandbox(stdout=out)) for _ in range(2)]
    for number, plugin in enumerate(plugins):
        var_of(plugin, "V").value = number
    for plugin in plugins:
        func_of(plugin, "F")()
        plugin.close()
    assert out.getvalue() == b"Hello, number 0\nHello, number 1\n"


def test_what_a_plugin_tells_of_itself(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("hello", go_version)
    with Machine() as machine:
        plugin = machine.open(path)
        assert plugin.plugin_path == "example.com/hello"
        assert plugin.path == str(path.resolve())
        assert plugin.build_info.go_version == f"go{go_version}"
        assert dict(plugin.exports) == {"F": "func()", "V": "int"}
        assert "example.com/hello" in repr(plugin)
        assert machine.plugins == (plugin,)
        assert all(seconds >= 0 for seconds in plugin.timings.values())
        cold = {"read the file", "boot the runtime", "run the inits"}
        steps = {"take from the cache"} if plugin.from_cache else cold
        assert {*steps, "total"} <= plugin.timings.keys()
        assert sum(plugin.relocations.values()) > 1000
        assert plugin["V"] is plugin.lookup("V")


def test_a_plugin_outside_a_module(
    plugin_path: PluginPath, go_version: str, native: Native
) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("unnamed", go_version))
        kind, _, digest = plugin.plugin_path.partition("-")
        assert kind == "plugin/unnamed"
        assert len(digest) == 40
        assert (
            func_of(plugin, "Shout")("a") == native("unnamed", go_version).call("Shout", "a").value
        )
        assert var_of(plugin, "Name").value == "unnamed"
        var_of(plugin, "Name").value = "named"
        assert var_of(plugin, "Name").value == "named"


@pytest.mark.parametrize("name", ["scalars", "stdlib", "runtime", "router", "many"])
def test_exports_have_the_types_that_go_prints(
    name: str, plugin_path: PluginPath, go_version: str, native: Native
) -> None:
    oracle = native(name, go_version)
    with Machine() as machine:
        exports = machine.open(plugin_path(name, go_version)).exports
    assert list(exports) == sorted(exports)
    for symbol, go_type in exports.items():
        assert go_type == oracle.type(symbol), symbol


def test_a_symbol_that_is_not_there(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("hello", go_version))
        # Neither unexported names, nor main itself, nor the runtime's are to be had.
        for name in ("Missing", "f", "main", "", "runtime.GC", "example.com/hello.F", "F\0"):
            with pytest.raises(emuplugin.SymbolNotFoundError) as caught:
                plugin.lookup(name)
            expected = f"plugin: symbol {name} not found in plugin example.com/hello"
            assert str(caught.value) == expected
            assert (caught.value.name, caught.value.plugin_path) == (name, "example.com/hello")


def test_a_variable_has_one_address(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("scalars", go_version))
        variable = var_of(plugin, "Counter")
        assert variable.address == var_of(plugin, "Counter").address
        variable.value = 40
        assert func_of(plugin, "Next")(2) == 42
        assert variable.value == 42


def test_a_thousand_functions(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("many", go_version))
        functions = [name for name in plugin.exports if name.startswith("F")]
        assert len(functions) == 1000
        for number, name in enumerate(functions):
            function = func_of(plugin, name)
            assert function.type == "func(int) int"
            if number % 37 == 0:
                assert function(5) == number * 6
        assert [var_of(plugin, f"V{n:04}").value for n in (0, 10, 990)] == [0, 10, 990]
