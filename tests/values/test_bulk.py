"""Copies by columns are the copies that going value by value makes, with the same parts shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest

import emuplugin
from emuplugin import Variable, to_python
from emuplugin.plugin import Plugin
from emuplugin.values import to_python as module
from tests.conftest import PluginPath
from tests.values.symbols import Symbols

FIXTURES = ("composites", "values_faces", "values_json", "values_maps", "kinds", "scalars")


@pytest.fixture(scope="module", params=FIXTURES)
def plugin(
    request: pytest.FixtureRequest, go_version: str, plugin_path: PluginPath
) -> Iterator[Plugin]:
    with closing(emuplugin.Machine()) as machine:
        yield machine.open(plugin_path(request.param, go_version, stripped=True))


def shape(value: Any, seen: dict[int, int]) -> Any:
    """A value as something to compare, in which what was met before is its number."""
    if isinstance(value, list | dict):
        if id(value) in seen:
            return "again", seen[id(value)]
        seen[id(value)] = len(seen)
    if isinstance(value, list):
        return ["list", *(shape(item, seen) for item in value)]
    if isinstance(value, dict):
        return ["dict", *((repr(key), shape(item, seen)) for key, item in value.items())]
    if isinstance(value, int | float | complex | str | bytes | datetime | timedelta | None):
        return type(value), repr(value)
    return type(value)


def test_copies_are_the_same(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = [
        symbol for name in plugin.exports if isinstance(symbol := plugin.lookup(name), Variable)
    ]
    assert variables
    fast = [shape(to_python(variable), {}) for variable in variables]
    monkeypatch.setattr(module, "columns_of", lambda codec: None)
    slow = [shape(to_python(variable), {}) for variable in variables]
    for variable, one, other in zip(variables, fast, slow, strict=True):
        assert one == other, variable.name


def test_most_of_it_goes_by_columns(faces: Symbols, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("emuplugin.values.structs.StructCodec.get", refuse)
    assert to_python(faces.Points) == [{"X": 1, "Y": 2}, {"X": 3, "Y": 4}]
    assert to_python(faces.Pixels)[1] == {"R": 4, "G": 5, "B": 6, "Alpha": 1.0}
    assert to_python(faces.Rows) == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("pointers_first", [False, True])
def test_what_else_leads_to_is_shared(faces: Symbols, pointers_first: bool) -> None:
    points, pointers = faces.Points, faces.Pointers
    pointers[0] = points[1]
    items = [pointers, points] if pointers_first else [points, pointers]
    copies = to_python(faces.plugin.make("[]interface {}", items))
    by_pointer, by_value = copies if pointers_first else reversed(copies)
    assert by_pointer[0] is by_value[1]
    assert by_value == [{"X": 1, "Y": 2}, {"X": 3, "Y": 4}]


def test_strings_anywhere(faces: Symbols) -> None:
    own = faces.Names[0]  # in the plugin's data; the others are on the heap
    texts = ["", "häßlich \udcff", own, "x" * 5000, "\0", "", "日本"]
    names = faces.plugin.make("[]string", texts)
    names.append("more")
    mixed = faces.Names
    mixed[1] = "from Python"
    assert list(names) == [*texts, "more"]
    assert list(mixed) == ["a", "from Python", "c", "d"]
    assert to_python(mixed) == list(mixed)
    assert to_python(faces.plugin.make("[]string", ["", ""])) == ["", ""]


def test_empty_slices_are_not_shared(faces: Symbols) -> None:
    first, second = to_python(faces.plugin.make("[]interface {}", [faces.Nobody, faces.Nobody]))
    first.append(1)
    assert second == []


def test_structs_by_fields(faces: Symbols) -> None:
    points = [{"X": index, "Y": -index} for index in range(1000)]
    assert to_python(faces.plugin.make("[]main.Point", points)) == points
    assert to_python(faces.plugin.make("[]main.Point", [{"Y": 1}, {"Y": 2}])) == [
        {"X": 0, "Y": 1}, {"X": 0, "Y": 2},
    ]  # fmt: skip
    mixed = [{"Y": 1}, {"X": 2}, {}, faces.Points[0]]
    assert to_python(faces.plugin.make("[]main.Point", mixed))[1:3] == [
        {"X": 2, "Y": 0}, {"X": 0, "Y": 0},
    ]  # fmt: skip
    pixels = [{"R": 1, "Alpha": 0.5}, {"R": 2, "Alpha": 1}]
    assert to_python(faces.plugin.make("[]main.Pixel", pixels))[1]["Alpha"] == 1.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"X": 1, "Y": "b"}, r"\[2\]\.Y: expected int, got str"),
        ({"X": 1, "Y": 2**63}, r"\[2\]\.Y: expected int, got 9223372036854775808 \(out of"),
        ({"X": 1, "Z": 2}, r"\[2\]: main\.Point has no field Z"),
        (5, r"\[2\]: expected main\.Point \(struct\), got int"),
    ],
)
def test_what_is_wrong_is_named(faces: Symbols, wrong: Any, message: str) -> None:
    good = {"X": 1, "Y": 2}
    with pytest.raises((TypeError, OverflowError), match=message):
        faces.plugin.make("[]main.Point", [good, good, wrong, {"X": "later", "Y": 1}])
