"""Several plugins in one machine: one runtime, shared packages, and what keeps plugins apart."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import emuplugin
from emuplugin import AlreadyLoadedError, GoPanic, Limits, Machine, Sandbox, VersionMismatchError
from emuplugin.build import NEWEST, OLDEST, resolve_version
from emuplugin.plugin import Plugin
from tests.conftest import Native, PluginPath
from tests.support.oracle import NativePanic
from tests.values.same import plain
from tests.values.symbols import func_of, var_of

# What the first plugin lacks of the runtime and the standard library comes with the second.
FIRST = ["hello", "add", "stdlib"]


@pytest.fixture(params=FIRST, scope="module")
def machine(
    request: pytest.FixtureRequest, plugin_path: PluginPath, go_version: str
) -> Iterator[Machine]:
    """A machine with three plugins, opened in different orders."""
    sandbox = Sandbox(env={"HOME": "/home/gopher"}, args=("prog", "arg"), limits=Limits(512 << 20))
    with Machine(sandbox) as machine:
        machine.open(plugin_path(request.param, go_version))
        for name in ("runtime", "stdlib", "hello"):
            machine.open(plugin_path(name, go_version))
        yield machine


def opened(machine: Machine, name: str) -> Plugin:
    (plugin,) = (p for p in machine.plugins if p.plugin_path == f"example.com/{name}")
    return plugin


def test_the_later_plugin_finds_its_surroundings(machine: Machine) -> None:
    plugin = opened(machine, "runtime")
    assert func_of(plugin, "Getenv")("HOME") == "/home/gopher"
    assert func_of(plugin, "Args")() == "prog\narg"
    assert func_of(plugin, "Setenv")("NAME", "value") == "value"
    assert func_of(plugin, "Getenv")("NAME") == "value"
    assert func_of(plugin, "Sleep")(10**12) is True
    assert func_of(plugin, "InitOrder")().endswith("main.init 2")
    assert var_of(plugin, "Inits").value == 2


def test_packages_are_initialised_once(machine: Machine) -> None:
    packages = [entry.package for plugin in machine.plugins for entry in plugin.init_trace]
    assert len(set(packages)) == len(packages)
    assert {"runtime", "os", "errors", "example.com/runtime"} <= set(packages)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Goroutines", (100,)),
        ("Pipeline", (100,)),
        ("Select", (20,)),
        ("Locked", (3,)),
        ("SpinUntilStopped", ()),
        ("Finalizers", (20,)),
        ("List", (5000,)),
        ("Maps", (500,)),
        ("Recurse", (20000,)),
        ("GrowInGoroutines", (4, 2000)),
        ("Recovered", (40,)),
        ("Defers", (3,)),
        ("GoexitElsewhere", ()),
        ("ContextTimeout", ()),
        ("Where", ()),
    ],
)
def test_the_runtime_works_for_all(
    name: str, arguments: tuple[int, ...], machine: Machine, go_version: str, native: Native
) -> None:
    result = func_of(opened(machine, "runtime"), name)(*arguments)
    values = native("runtime", go_version).call(name, *arguments).values
    assert result == (values[0] if len(values) == 1 else values)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("EncodeJSON", (7, "näme", 3)),  # finds types and methods by reflection
        ("DecodeJSON", ('{"id": 1, "lines": [{"text": "x", "count": 2}]}',)),
        ("Render", ("{{range .Numbers}}{{.}};{{end}}{{.Line}}", "n", 4)),
        ("Formats", (3, 2.5, "text")),
        ("Database", ("a b c", "b")),
        ("Serve", ("GET", "/", "")),
        ("VerifyCertificate", ("localhost", "example.com")),
        ("ParseURL", ("http://[bad",)),
    ],
)
def test_the_standard_library_works_for_all(
    name: str, arguments: tuple[object, ...], machine: Machine, go_version: str, native: Native
) -> None:
    result = func_of(opened(machine, "stdlib"), name).results(*arguments)
    assert plain(result) == plain(native("stdlib", go_version).call(name, *arguments).values)


@pytest.mark.parametrize(
    "trigger",
    ["stringer", "custom error", "nil read", "divide", "index", "missing method", "replaced"],
)
def test_panics_of_either_are_caught(
    trigger: str, machine: Machine, go_version: str, native: Native
) -> None:
    plugin = opened(machine, "runtime")
    with pytest.raises(NativePanic) as native_panic:
        native("runtime", go_version).call("Panic", trigger)
    with pytest.raises(GoPanic) as caught:
        func_of(plugin, "Panic")(trigger)
    assert (caught.value.value, caught.value.type) == (
        native_panic.value.text,
        native_panic.value.type,
    )
    assert "example.com/runtime.trigger" in caught.value.traceback
    expected = native("runtime", go_version).call("Recover", trigger).values
    assert func_of(plugin, "Recover")(trigger) == expected
    with pytest.raises(emuplugin.Goexit):
        func_of(plugin, "Goexit")()
    assert func_of(opened(machine, "stdlib"), "Words")("b a b") == "a 1\nb 2"


def test_variables_of_one_survive_collections_of_the_other(machine: Machine) -> None:
    hello, runtime = opened(machine, "hello"), opened(machine, "runtime")
    var_of(hello, "V").value = 99
    expected = func_of(opened(machine, "stdlib"), "Serve")("GET", "/", "")
    assert func_of(runtime, "GC")(3) == 3
    assert func_of(runtime, "AllocTotal")(20 << 20, 1 << 14) > 0
    assert var_of(hello, "V").value == 99
    assert func_of(opened(machine, "stdlib"), "Serve")("GET", "/", "") == expected


def test_errors_travel_between_plugins(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        logger = machine.open(plugin_path("database", go_version))
        scalars = machine.open(plugin_path("scalars", go_version))
        with pytest.raises(emuplugin.GoError) as caught:
            func_of(logger, "Get")("nobody@example.com")
        text = func_of(scalars, "Describe")(caught.value)
        assert text == f"error: {caught.value.message}"
        error = func_of(scalars, "IdError").results(caught.value)[0]
        assert (error.message, error.type) == (caught.value.message, caught.value.type)


def test_a_copy_of_a_plugin(plugin_path: PluginPath, go_version: str, tmp_path: Path) -> None:
    path = plugin_path("hello", go_version)
    other = Path(shutil.copy(path, tmp_path / "copy.so"))
    out = io.StringIO()
    with Machine(Sandbox(stdout=out)) as machine:
        plugin = machine.open(path)
        with pytest.raises(AlreadyLoadedError) as caught:
            machine.open(other)
        short = str(other).removesuffix(".so")
        assert str(caught.value) == f'plugin.Open("{short}"): plugin already loaded'
        with pytest.raises(AlreadyLoadedError) as caught:
            machine.open(other)
        text = f'plugin.Open("{other}"): plugin already loaded (previous failure)'
        assert str(caught.value) == text
        func_of(plugin, "F")()
        assert machine.plugins == (plugin,)
    assert out.getvalue() == "Hello, number 0\n"


def test_another_version_of_a_package(plugin_path: PluginPath, tmp_path: Path) -> None:
    old, new = resolve_version(OLDEST), resolve_version(NEWEST)
    other = Path(shutil.copy(plugin_path("add", new), tmp_path / "add.so"))
    with Machine() as machine:
        plugin = machine.open(plugin_path("hello", old))
        with pytest.raises(VersionMismatchError) as caught:
            machine.open(other)
        start = (
            f'plugin.Open("{tmp_path}/add"): plugin was built with a different version of package '
        )
        assert str(caught.value).startswith(start)
        # The refused file left no trace.
        func_of(plugin, "F")()
        assert machine.open(plugin_path("add", old)).exports == {"Add": "func(int, int) int"}


def test_an_init_that_panics_leaves_the_others(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        hello = machine.open(plugin_path("hello", go_version))
        with pytest.raises(emuplugin.InitError):
            machine.open(plugin_path("initpanic", go_version))
        assert machine.state == "running"
        func_of(hello, "F")()
        runtime = machine.open(plugin_path("runtime", go_version))
        assert func_of(runtime, "GC")(2) == 2
        assert machine.plugins == (hello, runtime)
