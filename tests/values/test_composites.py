"""Arrays, structs, pointers, slices, maps, interfaces and functions, seen from Python."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

import emuplugin
from emuplugin.errors import GoError
from emuplugin.plugin import Plugin
from emuplugin.values import Variable
from tests.conftest import PluginPath
from tests.values.symbols import var_of


class Symbols:
    """``symbols.NAME`` is the exported function, or the value of the exported variable."""

    def __init__(self, plugin: Plugin) -> None:
        object.__setattr__(self, "plugin", plugin)

    def __getattr__(self, name: str) -> Any:
        symbol = self.plugin.lookup(name)
        return symbol.value if isinstance(symbol, Variable) else symbol

    def __setattr__(self, name: str, value: Any) -> None:
        var_of(self.plugin, name).value = value


@pytest.fixture
def go(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/composites in a machine of its own."""
    with closing(emuplugin.open(plugin_path("composites", go_version))) as plugin:
        yield Symbols(plugin)


@dataclass
class Place:
    X: int
    Y: int


def test_structs_are_live(go: Symbols) -> None:
    origin = go.Origin
    assert (origin.X, origin["Y"]) == (1, 2)
    origin.X = 10
    assert go.Origin.X == 10
    assert go.OriginPointer().X == 10
    assert repr(go.Origin) == "main.Point{X:10, Y:2}"
    assert go.Origin == origin
    go.Origin = {"Y": 5}
    assert (origin.X, origin.Y) == (0, 5)
    with pytest.raises(TypeError, match=r"^main.Point.X: expected int, got str$"):
        origin.X = "one"
    with pytest.raises(AttributeError, match=r"main.Point has no field Z"):
        _ = origin.Z


def test_embedded_and_unexported_fields(go: Symbols) -> None:
    tree = go.Tree
    assert (tree.X, tree.Y, tree.Point.X) == (3, 4, 3)
    tree.Y = 9
    assert go.Tree.Point.Y == 9
    assert tree.parent is None
    with pytest.raises(AttributeError, match="the embedded Extra is nil"):
        _ = tree.Note
    tree.Extra = {"Note": "hi"}
    assert tree.Note == "hi"
    assert {"Name", "parent", "X", "Note"} <= set(dir(tree))
    tree.parent = tree
    assert tree.parent.parent.parent.Name == "root"
    assert "Name:" in repr(tree)


def test_results_are_copies(go: Symbols) -> None:
    total = go.Sum(go.Origin, {"X": 5}, Place(X=1, Y=1))
    assert (total.X, total.Y) == (7, 3)
    total.X = 0
    assert go.Origin.X == 1


def test_everything_at_once(go: Symbols) -> None:
    record = {"A": -3, "B": ["s"], "C": 1j}
    array, point, node, words, points, single, back = go.Mirror(
        [1, 2, 3, 4], Place(5, 6), go.Tree, ["p", "q"], [{"X": 3}, go.Origin], [1.5], record
    )
    assert list(array) == [1, 2, 3, 4]
    assert (point.X, point.Y) == (5, 6)
    assert node.Name == "root"
    assert words == ["p", "q"]
    assert [(p.X, p.Y) for p in points] == [(3, 0), (1, 2)]
    assert single[0] == 1.5
    assert (back.A, back.B[0], back.C) == (-3, "s", 1j)


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, [1, 2, 3], "argument 1: expected [4]int, got 3 values"),
        (0, "abcd", "argument 1: expected [4]int, got str"),
        (1, {"X": "1"}, "argument 2: .X: expected int, got str"),
        (1, {"Z": 1}, "argument 2: main.Point has no field Z"),
        (2, 5, "argument 3: expected *main.Node, got int"),
        (3, ["a", 5], "argument 4: [1]: expected string, got int"),
        (4, [{"X": 1}, {"Y": 2**63}], "argument 5: [1].Y: expected int, got 9223372036854775808"),
        (6, {"B": [1]}, "argument 7: .B[0]: expected string, got int"),
    ],
)
def test_refusals_name_the_path(go: Symbols, position: int, value: Any, message: str) -> None:
    args: list[Any] = [[1, 2, 3, 4], {}, None, [], [], [0.0], {}]
    args[position] = value
    with pytest.raises((TypeError, OverflowError)) as caught:
        go.Mirror(*args)
    assert str(caught.value).startswith(message)


def test_arrays_are_live(go: Symbols) -> None:
    grid = go.Grid
    assert (len(grid), len(grid[0])) == (2, 3)
    assert [list(row) for row in grid] == [[1, 2, 3], [4, 5, 6]]
    grid[1][2] = -7
    assert go.Grid[-1][-1] == -7
    assert repr(go.Grid) == "[2][3]int16{{1, 2, 3}, {4, 5, -7}}"
    go.Grid = [(9, 8, 7), grid[0]]
    assert [list(row) for row in grid] == [[9, 8, 7], [1, 2, 3]]
    with pytest.raises(IndexError):
        _ = grid[2]


def test_slices_share_memory(go: Symbols) -> None:
    words = go.Words
    assert (len(words), words.cap, words[-1]) == (3, 3, "gamma")
    tail = words[1:]
    tail[0] = "BETA"
    assert list(go.Words) == ["alpha", "BETA", "gamma"]
    assert repr(tail) == '[]string{"BETA", "gamma"}'
    go.Clear(tail)
    assert list(words) == ["alpha", "", ""]
    assert list(go.Floats) == [0.5, math.inf, -2]
    assert go.NoWords.is_nil
    go.NoWords = words
    assert go.NoWords == ["alpha", "", ""]


def test_pointers(go: Symbols) -> None:
    pointer = go.OriginPointer()
    assert pointer == go.OriginPointer()
    scaled = go.Scale(pointer, 3)
    assert scaled == pointer
    assert (go.Origin.X, pointer.Y) == (3, 6)
    pointer.value = {"X": 1, "Y": 1}
    assert go.Origin.X == 1
    assert go.IsNil(None)
    assert not go.IsNil({"Name": "new"})
    assert go.Scale({"X": 2, "Y": 3}, 2).Y == 6
    assert go.Scale(go.Origin, 5).X == go.Origin.X == 5


def test_functions_as_values(go: Symbols) -> None:
    add_three = go.Adder(3)
    assert add_three(4) == 7
    assert go.Apply(add_three, 10) == 13
    assert go.Apply(go.Double, 10) == 20
    with pytest.raises(TypeError, match="argument 1: expected func"):
        go.Apply(go.Adder, 1)


def test_interfaces(go: Symbols) -> None:
    assert go.Bag.type == "main.Point"
    assert (go.Bag.value.X, go.Bag.value.Y) == (7, 8)
    assert go.Nothing is None
    assert (go.Figure.type, go.Figure.value) == ("main.Square", 1.5)
    for value, text in [
        (5, "int 5"),
        ("x", "string x"),
        (True, "bool true"),
        (2.5, "float64 2.5"),
        (b"ab", "[]uint8 [97 98]"),
        (None, "<nil> <nil>"),
        (go.Origin, "main.Point {1 2}"),
        (go.Words, "[]string [alpha beta gamma]"),
        (go.Bag, "main.Point {7 8}"),
    ]:
        assert go.Describe(value) == text
    assert go.Same(5).value == 5
    assert go.Same(go.OriginPointer()).value == go.OriginPointer()
    assert go.Area(go.Figure) == 2.25
    assert go.Area(go.OriginPointer()) == 2.0
    with pytest.raises(TypeError, match=r"got main.Point without its methods"):
        go.Area(go.Origin)
    go.Nothing = go.Same("text")
    assert go.Nothing.value == "text"


def test_maps(go: Symbols) -> None:
    assert dict(go.Ages) == {"ann": 30, "bob": 41}
    assert (go.Ages["ann"], len(go.Ages), "eve" in go.Ages) == (30, 2, False)
    assert go.NoMap is None
    with pytest.raises(KeyError):
        _ = go.Ages[5]
    assert list(go.ByPoint[{"X": 1, "Y": 2}]) == ["x"]
    assert [go.ByAny[key] for key in (1, "a", 2.5)] == ["int", "string", "float"]
    assert list(go.Keys(go.Ages)) == ["ann", "bob"]
    assert {(key.X, key.Y): list(value) for key, value in go.ByPoint.items()} == {
        (1, 2): ["x"],
        (3, 4): [],
    }
    assert sorted(go.ByAny.values()) == ["float", "int", "point", "string"]
    ((key, value),) = go.Wide.items()
    assert (key[0], value[0], value[39]) == (1, 2, 0)


@pytest.mark.parametrize("size", [0, 1, 8, 9, 100, 5000])
def test_maps_of_every_size(go: Symbols, size: int) -> None:
    expected = {number: "x" * (number % 7) for number in range(size) if number % 3}
    numbers = go.Numbers(size)
    assert len(numbers) == len(expected)
    assert dict(numbers.items()) == expected
    for key in (-1, 0, 1, size - 1):
        assert numbers.get(key) == expected.get(key)


def test_keys_that_do_not_equal_themselves(go: Symbols) -> None:
    nans = go.NaNs(20)
    assert len(nans) == 20
    assert sorted(value for _, value in nans.items()) == list(range(20))


def test_what_python_holds_stays(go: Symbols) -> None:
    chain = go.Chain(200)
    numbers = go.Numbers(3000)
    points = go.Mirror([0] * 4, {}, None, ["w"] * 50, [{"X": n} for n in range(50)], [0.0], {})[4]
    add = go.Adder(7)
    boxed = go.Same("text " * 100)
    errors = [go.Fail.results(code)[0] for code in range(100)]
    go.Garbage(2)
    node, names = chain, []
    while node is not None:
        names.append(node.Name)
        node = node.parent
    assert names == [f"node {index}" for index in range(200)]
    assert dict(numbers.items()) == {n: "x" * (n % 7) for n in range(3000) if n % 3}
    assert [point.X for point in points] == list(range(50))
    assert add(1) == 8
    assert boxed.value == "text " * 100
    for code, error in enumerate(errors):
        assert go.Same(error).type == "*main.Failure"
        with pytest.raises(GoError, match=f"^failed with code {code}$"):
            go.Again(error)
