"""Copies of data whose types are known at run time only: as one walk, and from view to view."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import emuplugin
from emuplugin import to_python
from emuplugin.values.channels import ChannelView
from emuplugin.values.walk import LeadsElsewhereError, Walk
from tests.conftest import PluginPath
from tests.values.symbols import Symbols

VARIABLES = ("Plain", "Mixed", "Loops", "Boxes", "Nested", "Many")


@pytest.fixture(scope="module")
def go(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/documents, stripped."""
    path = plugin_path("documents", go_version, stripped=True)
    with closing(emuplugin.open(path)) as plugin:
        yield Symbols(plugin)


@pytest.fixture
def view_by_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is copied in one walk."""

    def refuse(self: Walk, dynamic_type: int, data: int) -> Any:
        raise LeadsElsewhereError

    monkeypatch.setattr(Walk, "held", refuse)


def graph(value: Any) -> list[Any]:
    """What a copy consists of, and what in it is the same object."""
    numbers: dict[int, int] = {}
    nodes: list[Any] = []
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict | list) and node:
            if id(node) in numbers:
                nodes.append(numbers[id(node)])
                continue
            numbers[id(node)] = len(numbers)
            nodes.append((type(node), len(node)))
            if isinstance(node, dict):
                for key in sorted(node, key=repr):
                    pending += [key, node[key]]
            else:
                pending += node
        else:
            nodes.append((type(node), repr(node)))
    return nodes


@pytest.fixture(scope="module")
def walked(go: Symbols) -> dict[str, Any]:
    """The variables, as they are copied."""
    return {name: to_python(go.plugin.lookup(name)) for name in VARIABLES}


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.usefixtures("view_by_view")
def test_both_ways_make_the_same(name: str, go: Symbols, walked: dict[str, Any]) -> None:
    assert graph(to_python(go.plugin.lookup(name))) == graph(walked[name])


def test_it_is_what_go_has(walked: dict[str, Any]) -> None:
    plain = walked["Plain"]
    assert plain["box"] == {"Inside": {"Inside": [{"X": 3, "Y": 4}]}}
    assert plain["array"] == ["a", [7]]
    assert plain["first"] is plain["second"][0] is plain["second"][1]
    assert plain["people"] == [{"First": "Ann", "Extra": {"x": plain["first"]}}, ["Prof."], None]
    assert plain["people"][0]["Extra"]["x"] is plain["first"]
    assert (plain["no map"], plain["no list"], plain["no ints"], plain["null"]) == (
        None,
        [],
        [],
        None,
    )
    assert (plain["complex"], plain["byte"], plain["big"]) == (1 - 2j, 255, 1 << 63)
    loops = walked["Loops"]
    assert loops["self"] is loops is loops["list"][1] is loops["tail"][0]
    assert loops["list"][0] is loops["list"]
    boxes = walked["Boxes"]
    assert boxes == [{"Inside": part} for part in (1, None, "x", {"one": 1}, {"one": 1})]
    assert boxes[3]["Inside"] is boxes[4]["Inside"]
    node, depth = walked["Nested"], 0
    while node is not None:
        node, depth = node["Inside"], depth + 1
    assert depth == 10_000
    assert walked["Many"] == {i: [i, {"X": i, "Y": -i}] for i in range(10_000)}
    assert walked["Mixed"][0]["first"] is walked["Mixed"][6]


def test_plain_data_are_one_walk(go: Symbols, monkeypatch: pytest.MonkeyPatch) -> None:
    """No value of them gets a root."""
    plain = go.plugin.lookup("Plain").value

    def refuse(*_: object) -> None:
        raise AssertionError("a part was looked at by itself")

    monkeypatch.setattr("emuplugin.values.interfaces.Interface.__init__", refuse)
    monkeypatch.setattr("emuplugin.values.slices.SliceView.__init__", refuse)
    assert len(to_python(plain)) == 29


def test_not_much_is_walked_in_vain(go: Symbols, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a document cannot make its copy take a time that grows with its square."""
    steps, step = 0, Walk._step

    def counted(self: Walk) -> None:
        nonlocal steps
        steps += 1
        step(self)

    monkeypatch.setattr(Walk, "_step", counted)
    node, depth = to_python(go.plugin.lookup("Deep")), 0
    while isinstance(node, list):
        assert node[0] == 9999 - depth
        node, depth = node[1], depth + 1
    assert depth == 10_000
    assert isinstance(node, ChannelView)
    assert 20_000 < steps < 100_000


_documents = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=60,
)


@given(document=_documents)
def test_what_a_decoder_has_made(go: Symbols, document: Any) -> None:
    value, error = go.plugin.lookup("Decode").results(json.dumps(document))
    assert error is None
    assert to_python(value) == document
