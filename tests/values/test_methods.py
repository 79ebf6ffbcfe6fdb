"""Methods of Go values, called from Python."""

from __future__ import annotations

import inspect
from contextlib import closing

import pytest

import emuplugin
from emuplugin.errors import ConversionError, GoError, MethodRemovedError
from tests.conftest import PluginPath
from tests.values.symbols import Symbols


def test_receivers(faces: Symbols) -> None:
    faces.Origin = {"X": 3, "Y": 4}
    origin = faces.Origin
    assert origin.Norm() == 25
    origin.Move(1, -1)
    assert (faces.Origin.X, faces.Origin.Y) == (4, 3)
    assert faces.Origin.Plus({"X": 1}).X == 5
    assert origin.Both() == (4, 3)
    pointer = faces.Thing.value
    pointer.Move(-1, 1)
    assert (pointer.Norm(), origin.X) == (25, 3)
    assert faces.Thing.Norm() == 25
    box = faces.plugin.type("*main.Point")(X=6, Y=8)
    box.Move(0, -8)
    assert box.Norm() == 36


def test_types_of_every_kind(faces: Symbols) -> None:
    assert faces.Pile.Top() == 2
    assert faces.People.Oldest() == "bob"
    faces.Stream.Put(3)
    assert faces.Stream.recv() == 3
    assert faces.Chain.Follow() == faces.Origin.X
    faces.Chain.Clear()
    assert faces.Chain.To is None
    three = faces.Three
    assert three.Sum() == 6
    three.Reset()
    assert list(faces.Three) == [0, 0, 0]
    celsius = faces.plugin.type("main.Celsius")(100)
    assert (celsius.Fahrenheit(), celsius.String()) == (212, "100 °C")
    stack = faces.plugin.make("*main.Stack", [5])
    stack.Push(6)
    assert list(stack.value) == [5, 6]


def test_interfaces(faces: Symbols) -> None:
    assert faces.Figure.Area() == 4
    assert faces.Figure.Scale(3.0).Area() == 36
    assert faces.Figure.Scale(3.0).type == "main.Square"
    with pytest.raises(AttributeError, match=r"main.Square has no method Nothing"):
        _ = faces.Figure.Nothing


def test_generics(faces: Symbols) -> None:
    assert faces.IntBox.Get() == 7
    faces.IntBox.Put(8)
    assert faces.IntBox.Item == 8
    assert faces.NameBox.Get().Get() == "inner"
    assert faces.IntBox._type.string == "main.Box[int]"


def test_promoted_methods(faces: Symbols) -> None:
    whole = faces.Whole
    assert whole.Norm() == faces.Origin.Norm()
    assert whole.Fahrenheit() == 68
    assert (whole.Title("a", "b"), whole.Check(False)) == ("label+a+b", 42)
    with pytest.raises(GoError, match=r"^checked and failed$"):
        whole.Check(True)
    assert str(whole.Check.results(True)[1]) == "checked and failed"
    before = faces.Origin.X
    whole.Move(1, 0)
    assert faces.Origin.X - before == 1


def test_what_they_tell_of_themselves(faces: Symbols) -> None:
    method = faces.Origin.Move
    assert repr(method) == "<Go method main.Point.Move(int, int)>"
    assert str(inspect.signature(method)) == "(arg1: 'int', arg2: 'int', /) -> '()'"
    assert {"X", "Y", "Norm", "Move"} <= set(dir(faces.Origin))
    assert {"Label", "X", "Norm", "Title"} <= set(dir(faces.Whole))
    assert {"Area", "Scale", "type"} <= set(dir(faces.Figure))
    assert "Oldest" in dir(faces.People)
    with pytest.raises(
        ConversionError, match=r"argument 2: expected int, got str; main.Point.Move"
    ):
        method(1, "x")
    with pytest.raises(ConversionError, match=r"main.Point.Norm takes 0 arguments, got 1"):
        faces.Origin.Norm(1)


def test_removed_methods_say_so(go_version: str, plugin_path: PluginPath) -> None:
    """Linkers keep all methods in plugins, as far as is known: so one goes here as they do it."""
    path = plugin_path("values_faces", go_version, stripped=True)
    with closing(emuplugin.Machine()) as machine:
        plugin = machine.open(path)
        square = plugin.types["main.Square"]
        for go_type in (square, plugin.types["*main.Square"]):
            assert go_type.uncommon is not None
            uncommon = go_type.uncommon.address
            methods = uncommon + machine.memory.read_u32(uncommon + 8)
            machine.memory.write(methods + 4, b"\xff" * 12)
            assert (go_type.methods[0].name, go_type.methods[0].ifn) == ("Area", None)
        value = plugin.type("main.Square")(Side=1)
        with pytest.raises(MethodRemovedError, match=r"the linker removed main.Square.Area"):
            _ = value.Area
        assert not hasattr(value, "Area")
        assert "Area" not in dir(value)
        assert "Scale" in dir(value)
