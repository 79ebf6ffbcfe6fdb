"""Python values in ``any``, and Go functions and methods as values."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

import emuplugin
from emuplugin.errors import ConversionError, GoPanic, OutOfRangeError
from emuplugin.values import Function
from tests.conftest import PluginPath
from tests.values.symbols import Symbols


@pytest.fixture(scope="module")
def go(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/values_any, stripped: without a type for lists and dicts."""
    path = plugin_path("values_any", go_version, stripped=True)
    with closing(emuplugin.Machine()) as machine:
        symbols = Symbols(machine.open(path))
        yield symbols


def test_the_plugin_has_no_such_types(go: Symbols, go_version: str) -> None:
    """So that the tests below are about types that are made."""
    assert "map[string]interface {}" not in go.plugin.types


def test_dicts_and_lists(go: Symbols) -> None:
    nested: Any = {"a": 1, "b": [True, None, "x", {"c": 2.5}], "d": {}, "e": b"y", "f": []}
    assert go.Show(nested) == (
        "map[string]interface {} map[a:1 b:[true <nil> x map[c:2.5]] d:map[] e:[121] f:[]]"
    )
    back = go.Echo(nested)
    assert back.type == "map[string]interface {}"
    assert emuplugin.to_python(back) == nested
    assert go.Syntax([1, "x", 1.0]) == '[]interface {}{1, "x", 1}'
    assert repr(go.Echo([1, "x", 1.0, None])) == ('[]interface {}{1, "x", 1, interface {}(nil)}')
    assert go.Syntax({"k": [1]}) == 'map[string]interface {}{"k":[]interface {}{1}}'
    large = {f"key {number}": [number, {"n": number}] for number in range(3000)}
    kept = go.Echo(large).value
    assert emuplugin.to_python(kept) == large
    kept["key 7"] = kept["key 8"]
    kept.update({f"more {number}": None for number in range(1000)})
    del kept["key 9"]
    assert len(kept) == 3999
    assert emuplugin.to_python(kept["key 7"]) == [8, {"n": 8}]
    with pytest.raises(ConversionError, match=r"argument 1: \[key 1\]: expected string, got int"):
        go.Show({1: 2})


def test_many_of_one_type(go: Symbols) -> None:
    """They share an object in Go, which nobody can tell."""
    mixed = [
        1,
        "a",
        2.5,
        True,
        "",
        2,
        None,
        False,
        [1, 2],
        "ü",
        3j,
        4j,
        b"x",
        b"y",
        -(1 << 63),
        0.0,
    ]
    copy = emuplugin.to_python(go.Echo(mixed))
    assert copy == mixed
    assert [type(item) for item in copy] == [type(item) for item in mixed]
    assert go.Syntax(mixed[:8]) == (
        '[]interface {}{1, "a", 2.5, true, "", 2, interface {}(nil), false}'
    )
    assert go.Show({"a": 1, "b": "x", "c": 2, "d": "y"}).endswith("map[a:1 b:x c:2 d:y]")
    with pytest.raises(OutOfRangeError, match=r"argument 1: \[3\]: expected int"):
        go.Show([1, "a", 2, 1 << 64, 3])
    with pytest.raises(OutOfRangeError, match=r"argument 1: \[b\]: expected int|\['b'\]"):
        go.Show({"a": 1, "b": 1 << 64})
    with pytest.raises(ConversionError, match=r"argument 1: \[2\]: expected interface {}, got obj"):
        go.Show(["a", "b", object()])


def test_one_of_many_keeps_what_it_needs(go: Symbols) -> None:
    items = [*range(2000), *map(str, range(2000))]
    kept = [go.Echo(items).value[index] for index in (0, 1999, 2000, 3999)]
    for _ in range(20):
        go.Show(["x" * 100_000] * 10)
    assert [item.value for item in kept] == [0, 1999, "0", "1999"]


def test_nobody_looks_for_names_like_those_of_made_types(
    go: Symbols, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes 10 ms, and there is one for each dict and list."""
    go.Echo([{}])

    def search(*_: Any, **__: Any) -> list[str]:
        raise AssertionError("nobody has asked for that")

    monkeypatch.setattr("difflib.get_close_matches", search)
    assert emuplugin.to_python(go.Echo([{"a": [1]}])) == [{"a": [1]}]
    assert "no.Such" not in go.plugin.types
    assert "int" in go.plugin.types


def test_made_types_survive_collections(go: Symbols) -> None:
    kept = [go.Echo({f"{number}": [number, str(number)]}) for number in range(50)]
    for _ in range(20):
        go.Show(["x" * 100_000] * 10)
        go.Show({str(number): "x" * 1000 for number in range(500)})
    copies = emuplugin.to_python(go.Echo(kept))
    assert copies == [{f"{number}": [number, str(number)]} for number in range(50)]


def test_functions_in_any(go: Symbols) -> None:
    add = go.MakeAdder(10)
    assert go.Call(add, 5) == 15
    assert go.Call(go.Tally.Add, 0) == go.Tally.Count
    assert go.Call(go.plugin.type("func(int) int")(lambda x: x * 2), 21) == 42
    assert go.Call(go.plugin["Show"], 1) == -1
    assert go.Echo(go.plugin["Apply"]).type == "func(func(int) int, int) int"
    assert go.Echo(add).value(1) == 11

    def double(x: int) -> int:
        return 2 * x

    made = go.plugin.type("func(int) int")(double)
    assert isinstance(made, Function)
    assert made(4) == 8
    assert go.Echo(made).value is double


def test_what_has_no_type(go: Symbols) -> None:
    @dataclass
    class Thing:
        number: int

    with pytest.raises(
        ConversionError,
        match=r"argument 1: expected interface \{\}, got function \(it has no type in Go;"
        r" plugin\.type\('func\(int\) int'\)\(f\) gives it one\)",
    ):
        go.Show(test_what_has_no_type)
    with pytest.raises(ConversionError, match=r"got Thing \(it has no type in Go; plugin\.type"):
        go.Show(Thing(1))
    with pytest.raises(ConversionError, match=r"argument 1: \['a'\]: expected interface \{\}, got"):
        go.Show({"a": {1, 2}})
    with pytest.raises(OutOfRangeError):
        go.Show(2**64)


def test_methods_as_functions(go: Symbols) -> None:
    go.Tally.Count = 5
    assert go.Apply(go.Tally.Add, 3) == 8
    assert go.Tally.Count == 8
    assert go.Apply(go.Sum.Add, 1) == 9
    assert go.Try(go.Tally.Check, 10) == "1 <nil>"
    assert go.Try(go.Tally.Check, 0) == "0 failure 9"
    assert go.Recovered(go.Tally.Explode) == "counter at 9"
    with pytest.raises(GoPanic, match="counter at 9") as caught:
        go.plugin.type("func()")(go.Tally.Explode)()
    assert "Counter.Explode(...)" in str(caught.value)
    with pytest.raises(
        ConversionError, match=r"expected func\(int\) int, got func\(int\) \(int, error\)"
    ):
        go.Apply(go.Tally.Check, 1)
    with pytest.raises(ConversionError, match=r"expected func\(int\) int, got func\(interface"):
        go.Apply(go.plugin["Show"], 1)


def test_functions_of_other_machines(go: Symbols, go_version: str, plugin_path: PluginPath) -> None:
    path = plugin_path("values_any", go_version, stripped=True)
    with closing(emuplugin.Machine()) as machine:
        other = Symbols(machine.open(path))
        for foreign in (other.MakeAdder(1), other.Tally.Add):
            with pytest.raises(ConversionError, match="got a Go function of another machine"):
                go.Apply(foreign, 1)
            with pytest.raises(ConversionError, match="got a Go function of another machine"):
                go.Echo(foreign)


def test_signatures(go: Symbols) -> None:
    text = "(arg1: 'func(int) int', arg2: 'int', /) -> 'int'"
    assert str(go.plugin["Apply"].signature) == text
    assert str(inspect.signature(go.plugin["Apply"])) == text
    assert str(go.Tally.Add.signature) == "(arg1: 'int', /) -> 'int'"
    # The classes themselves have the signatures of what makes their objects.
    assert "context" in inspect.signature(emuplugin.Function).parameters
    assert "word" in inspect.signature(type(go.Tally.Add)).parameters


def test_reading_while_another_thread_calls(go: Symbols) -> None:
    """What is made of several words is never read in the middle of a change."""
    with ThreadPoolExecutor(1) as executor:
        for _ in range(5):
            call = executor.submit(go.Flip, 200_000)
            while not call.done():
                assert go.Text in ("a", "a longer text, which lies elsewhere")
                assert list(go.Items) in ([0], [0] * 1000)
            call.result()
