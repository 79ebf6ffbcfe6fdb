"""Deep copies, and how values show, compare and hash."""

from __future__ import annotations

import pydoc
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

import pytest

import emuplugin
from emuplugin import to_python
from emuplugin.errors import UnsupportedTypeError
from tests.conftest import PluginPath
from tests.values.symbols import Symbols, func_of


@pytest.fixture(scope="module")
def go(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/values_json."""
    with closing(emuplugin.open(plugin_path("values_json", go_version))) as plugin:
        yield Symbols(plugin)


def test_structs_maps_and_lists(go: Symbols) -> None:
    copy = to_python(go.plugin.lookup("Full"))
    assert copy["Base"]["ID"] == 1
    assert copy["other"] == {"Same": 4, "Hidden": "h"}
    assert copy["E"] == {"z": 1, "a": [None, True, 1.5e30, "x"], "é": {}}
    assert isinstance(copy["K"], datetime)
    assert copy["K"].isoformat() == "2024-02-29T01:02:03.000004+01:00"
    assert copy["M"] == {2: {"text": "two"}, 1: {"text": "<one>"}}
    assert (copy["O"], copy["W"], copy["R"]) == ([{"N": 1}, {"N": 2}], 7, b"bytes\0")
    assert to_python(go.Keys) == {"b": 1, "a": 2, "é": 3, "Z": 4, "": 5}
    assert to_python(go.Points) == {(1, 2): "x"}
    assert to_python(go.Nils) == {"A": None, "B": None, "C": [], "D": None, "E": None}
    assert to_python(5) == 5


def test_cycles_and_shared_values(go: Symbols) -> None:
    loop = to_python(go.Loop)
    assert loop["Name"] == "loop"
    assert loop["Kids"][0] is loop
    family = to_python(go.Family)
    assert [kid["Name"] for kid in family["Kids"]] == ["b", "c"]


def test_long_chains(go_version: str, plugin_path: PluginPath) -> None:
    with closing(emuplugin.open(plugin_path("composites", go_version))) as plugin:
        node = to_python(func_of(plugin, "Chain")(5000))
    length = 0
    while node is not None:
        length, node = length + 1, node["parent"]
    assert length == 5000


def test_go_syntax_is_limited(go: Symbols, faces: Symbols) -> None:
    assert repr(go.Keys).startswith("map[string]int{")
    assert repr(faces.plugin.make("[]int", 30)) == f"[]int{{{'0, ' * 20}...}}"
    assert len(repr(faces.plugin.make("[]string", ["x" * 10**6] * 3))) < 7000
    assert len(repr(go.Loop.value)) < 300
    assert repr(faces.Points[0]) == "main.Point{X:1, Y:2}"


def test_equality_and_hash(faces: Symbols) -> None:
    point = faces.plugin.type("main.Point")
    assert point(1, 2) == point(X=1, Y=2)
    assert point(1, 2) != point(1, 3)
    assert {point(1, 2): "a"}[faces.Points[0]] == "a"
    assert len({faces.Grid[0], faces.Grid[0], faces.Grid[1]}) == 2
    assert hash(faces.Thing) == hash(faces.Thing)
    with pytest.raises(TypeError, match="unhashable"):
        hash(faces.Points)
    with pytest.raises(TypeError, match=r"unhashable type: main\.Named2|unhashable"):
        hash(faces.People)


def test_notebooks_and_help(go: Symbols, faces: Symbols) -> None:
    assert "<th>Y</th></tr></thead><tbody><tr><td>0</td><td>1</td><td>2</td>" in (
        faces.Points._repr_html_()
    )
    assert "&lt;one&gt;" in go.Full.M._repr_html_()
    assert faces.Origin._repr_html_().startswith("<code>main.Point</code><table>")
    assert "chan int" in faces.Numbers._repr_html_()
    assert "Later(int, time.Duration) &lt;-chan int".replace("&lt;", "<") in pydoc.render_doc(
        faces.Later
    )
    assert "Origin" in faces.plugin._ipython_key_completions_()
    assert faces.Points[0]._ipython_key_completions_() == ["X", "Y"]


def test_types_by_name(faces: Symbols) -> None:
    plugin = faces.plugin
    assert {"main.Point", "[]main.Point", "map[string]int", "*main.Point"} <= set(plugin.types)
    assert plugin.type("[]byte").name == "[]uint8"
    assert plugin.type("any").kind == "interface"
    assert plugin.types["main.Point"].pkg_path == "example.com/faces"
    assert plugin.type("example.com/faces.Point") == plugin.type("main.Point")
    point = plugin.type("main.Point")
    assert repr(point) == "<Go type main.Point>"
    assert point() == {"X": 0, "Y": 0} or (point().X, point().Y) == (0, 0)
    assert plugin.make("*main.Point", 3, 4).Norm() == 25
    assert list(plugin.make("[3]int32", [1, 2, 3])) == [1, 2, 3]
    with pytest.raises(UnsupportedTypeError, match=r"no type main\.Poin: .*; there is main\.Point"):
        plugin.type("main.Poin")
    with pytest.raises(TypeError, match=r"main.Point takes its 2 fields in order, or fields by"):
        point(1, 2, 3)
    with pytest.raises(TypeError, match=r"main.Point: main.Point has no field Z"):
        point(Z=1)
    assert plugin.type("main.Box[int]")(Item=3).Get() == 3
