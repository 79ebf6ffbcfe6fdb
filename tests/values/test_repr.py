"""What values look like: Go syntax, and never an exception."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import emuplugin
from tests.conftest import PluginPath
from tests.values.symbols import Symbols


@pytest.fixture(scope="module")
def go(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/values_any, stripped."""
    path = plugin_path("values_any", go_version, stripped=True)
    with closing(emuplugin.Machine()) as machine:
        yield Symbols(machine.open(path))


def test_interfaces(go: Symbols) -> None:
    for value in (1, "x\n", 1.0, True, 1 + 2.5j, [1, "x", 1.0], [[None]], {"a": 1.5}):
        echoed = go.Echo(value)
        assert repr(echoed) == go.Syntax(value)
    assert repr(go.Heat) == "main.Celsius(36.6)"
    assert repr(go.Points) == go.Syntax(go.Points).replace("main.Counter{C", "{C")
    assert repr(go.Echo([go.Heat])) == "[]interface {}{main.Celsius(36.6)}"
    assert repr(go.Sum) == f"(*main.Counter)({go.Tally._address:#x})" == go.Syntax([go.Sum])[15:-1]
    mixed = repr(go.Mixed)
    assert mixed.endswith("{Any:5, Err:error(nil), F:nil, C:(nil), More:interface {}(nil)}")
    go.Mixed.Err = go.plugin["Broken"].value
    go.Mixed.F = go.MakeAdder(1)
    go.Mixed.C = go.Stream
    go.Mixed.More = go.Echo
    mixed = repr(go.Mixed)
    assert "Err:main.Failure{Code:3}" in mixed
    assert "F:(func(int) int)(0xc" in mixed
    assert "More:(func(interface {}) interface {})(0x" in mixed


@given(st.floats() | st.floats(width=32) | st.integers(-(10**23), 10**23).map(float))
def test_floats(go: Symbols, number: float) -> None:
    assert repr(go.Echo(number)) == go.Syntax(number)
    imaginary = complex(1 / 3, number)
    assert repr(go.Echo(imaginary)) == go.Syntax(imaginary)
    if math.isfinite(number) and abs(number) < 3e38:
        single = go.plugin.make("[1]float32", [number]) if has(go, "[1]float32") else None
        assert single is None or repr(single) == go.Syntax(single)


def has(go: Symbols, name: str) -> bool:
    return name in go.plugin.types


def test_functions(go: Symbols) -> None:
    add = go.MakeAdder(1)
    assert repr(add) == f"<Go func(int) int at {add.address:#x}>"
    assert repr(go.plugin["Apply"]) == "<Go func Apply(func(int) int, int) int>"
    assert repr(go.Tally.Add) == "<Go method *main.Counter.Add(int) int>"


def test_assigning_through_a_pointer(go: Symbols) -> None:
    with pytest.raises(emuplugin.ConversionError, match=r"^main\.Counter: expected main\.Counter"):
        go.Tally.value = None


def test_nothing_raises_when_the_machine_is_closed(
    go_version: str, plugin_path: PluginPath
) -> None:
    path = plugin_path("values_any", go_version, stripped=True)
    machine = emuplugin.Machine()
    plugin = machine.open(path)
    go = Symbols(plugin)
    values: list[Any] = [
        go.Tally, go.Tally.value, go.Sum, go.Points, go.Points.value, go.Mixed, go.MakeAdder(1),
        go.Tally.Add, go.Echo({"a": 1}).value, go.Stream, plugin.type("chan int"),
        plugin["Heat"], plugin["Echo"], plugin["Heat"].go_type, plugin.types, plugin, machine,
        plugin.types["main.Adder"],
    ]  # fmt: skip
    machine.close()
    for value in values:
        assert repr(value)[0] in "<(", value
        if hasattr(type(value), "_repr_html_"):
            assert "<code>" in value._repr_html_()
    assert repr(values[0]).startswith("(*main.Counter)(0x4")
    assert repr(values[1]) == "<Go main.Counter of a closed machine>"
    assert repr(values[11]) == "<Go var Heat of a closed machine>"


def test_nothing_raises_when_it_is_dead(go_version: str, plugin_path: PluginPath) -> None:
    path = plugin_path("values_any", go_version, stripped=True)
    with closing(emuplugin.Machine()) as machine:
        go = Symbols(machine.open(path))
        stored = go.plugin["Heat"]
        made = go.plugin.make("[]int", 3)
        with pytest.raises(emuplugin.GoDeadlock):
            go.Die()
        assert repr(made) == "<Go []int of a dead machine>"
        assert repr(stored) == "<Go var Heat of a dead machine>"
