"""to_json against what the plugin's own encoding/json makes of the same values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import emuplugin
from emuplugin import to_json
from emuplugin.errors import EmupluginError, GoError
from tests.conftest import Native, PluginPath
from tests.values.symbols import Symbols

GOOD = [
    *("Full", "Zero", "Floats", "Singles", "Family", "Big", "Nils", "Keys", "Anything"),
    *("Duration", "Moment", "Text"),
]
BAD = ["Loop", "NaN", "Chan", "Complex", "Failing", "Points"]
RELAXED = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def go(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/values_json, stripped."""
    path = plugin_path("values_json", go_version, stripped=True)
    with closing(emuplugin.open(path)) as plugin:
        yield Symbols(plugin)


@pytest.mark.parametrize("indent", ["", "  "])
@pytest.mark.parametrize("name", GOOD)
def test_same_as_encoding_json(go: Symbols, name: str, indent: str) -> None:
    assert to_json(go.plugin.lookup(name), indent) == go.Marshal(name, indent)


@pytest.mark.parametrize("name", BAD)
def test_refuses_what_encoding_json_refuses(go: Symbols, name: str) -> None:
    with pytest.raises(GoError, match=r"^json: "):
        go.Marshal(name, "")
    with pytest.raises(EmupluginError):
        to_json(go.plugin.lookup(name))


def test_live_values(go: Symbols) -> None:
    assert to_json(
        go.Full.M
    ) == '{"level\\u003c1\\u003e":{"raw":"\\u003cone\\u003e","n":[1,2]},' + (
        '"level\\u003c2\\u003e":{"raw":"two","n":[1,2]}}'
    )
    assert to_json(go.Family.Kids) == '[{"Name":"b"},{"Name":"c","Kids":[{"Name":"d"}]}]'
    assert to_json(go.Full.P[0]) == '{"N":3}'
    assert to_json({"plain": [1, None]}) == '{"plain":[1,null]}'


def test_natively(go: Symbols, native: Native, go_version: str) -> None:
    plugin = native("values_json", go_version, stripped=True)
    for name in GOOD:
        assert plugin.call("Marshal", name, "").values[0] == to_json(go.plugin.lookup(name))


@RELAXED
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_any_float(go: Symbols, values: list[float]) -> None:
    assert to_json(go.plugin.make("[]float64", values)) == go.MarshalFloats(values)


@RELAXED
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=20))
def test_any_single(go: Symbols, values: list[float]) -> None:
    assert to_json(go.plugin.make("[]float32", values)) == go.MarshalSingles(values)


@RELAXED
@given(values=st.lists(st.binary(max_size=8) | st.text(max_size=8), max_size=20))
def test_any_string(go: Symbols, values: list[str | bytes]) -> None:
    texts = [
        value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
        for value in values
        if isinstance(value, bytes) or not any("\ud800" <= char <= "\udfff" for char in value)
    ]
    assert to_json(go.plugin.make("[]string", texts)) == go.MarshalStrings(texts)
