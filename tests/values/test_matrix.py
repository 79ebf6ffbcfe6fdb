"""Some hundreds of types, each with drawn values: against Go's own %#v and encoding/json.

The same functions run in the emulator and natively; fixtures/kinds_matrix has them.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import emuplugin
from emuplugin import to_json
from emuplugin.errors import EmupluginError
from emuplugin.values.gotype import GoType
from emuplugin.values.type_object import TypeObject
from tests.conftest import Native, PluginPath
from tests.support.oracle import NativePlugin
from tests.support.plugins import SOURCES
from tests.values.drawn import Drawing, Fields, Passing, same
from tests.values.symbols import Symbols, func_of, var_of

_GENERATED = runpy.run_path(str(SOURCES / "kinds_matrix" / "generate.py"))
TYPES: list[str] = _GENERATED["TYPES"]
SIGNATURES: list[list[str]] = _GENERATED["SIGNATURES"]

BOXED = [
    *("bool", "int", "int8", "uint64", "float32", "float64", "complex64", "string", "uintptr"),
    *("Celsius", "Label", "Point", "Square", "Empty", "[2]int8", "[1]string", "[]int", "[]byte"),
    *("map[string]int", "*int", "*Point", "Pair[string, int]", "[]any", "map[string]any"),
]
"""The dynamic types of interfaces."""

DRAWN = settings(
    max_examples=4,
    phases=[Phase.generate],  # shrinking takes long, and values are small as they are
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
POINTER = re.compile(r"\(0x[0-9a-f]+\)")


pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


class Matrix:
    """The plugin in a machine, and what draws and passes values for it."""

    def __init__(self, plugin: emuplugin.Plugin) -> None:
        self.go = Symbols(plugin)
        self.plugin = plugin
        makers = [f"Box{TYPES.index(name):03}" for name in BOXED]
        self.boxes = {name: func_of(plugin, name).go_type.params[0] for name in makers}
        self.drawing = Drawing(self.boxes)
        self.passing = Passing(self.boxes, self.call, self._pointer)

    def call(self, name: str, *args: Any) -> Any:
        """The first result of a function."""
        return func_of(self.plugin, name).results(*args)[0]

    def _pointer(self, go_type: GoType, value: Any) -> Any:
        # Anything but a dict is the field itself for types of structs of one field.
        argument = dict(value) if isinstance(value, Fields) else value
        return TypeObject(self.plugin.machine.context, go_type)(argument)


@pytest.fixture(scope="module")
def matrix(go_version: str, plugin_path: PluginPath) -> Iterator[Matrix]:
    """fixtures/kinds_matrix in the emulator, stripped."""
    path = plugin_path("kinds_matrix", go_version, stripped=True)
    with closing(emuplugin.open(path)) as plugin:
        yield Matrix(plugin)


@pytest.fixture(scope="module")
def natively(go_version: str, native: Native) -> NativePlugin:
    """fixtures/kinds_matrix in Go's own loader."""
    return native("kinds_matrix", go_version, stripped=True)


@pytest.mark.parametrize("number", [pytest.param(n, id=name) for n, name in enumerate(TYPES)])
def test_every_type(matrix: Matrix, natively: NativePlugin, number: int) -> None:
    variable = var_of(matrix.plugin, f"Var{number:03}")
    go_type = variable.go_type
    assert go_type.string == natively.type(f"Var{number:03}")

    @DRAWN
    @given(drawn=matrix.drawing.values(go_type))
    def check(drawn: Any) -> None:
        value = matrix.passing.value(go_type, drawn)
        got = matrix.call(f"Id{number:03}", value)
        assert same(go_type, drawn, got, matrix.boxes)
        variable.value = value
        assert same(go_type, drawn, variable.value, matrix.boxes)
        boxed = matrix.call(f"Box{number:03}", value)
        assert boxed is None or same(go_type, drawn, got, matrix.boxes)

        text = matrix.call(f"Show{number:03}", value)
        native_text = natively.call(f"Show{number:03}", drawn).value
        assert comparable(text) == comparable(native_text)
        if got is not None and writes_like_go(go_type, drawn):
            assert repr(got) == text

        json_text, error = func_of(matrix.plugin, f"JSON{number:03}").results(value)
        native_json, native_error = natively.call(f"JSON{number:03}", drawn).values
        assert json_text == native_json
        if error is None:
            assert native_error is None
            assert to_json(variable) == json_text
        else:
            # Of several entries that have no JSON, the map's random order tells which is named.
            if "map[" in go_type.string:
                assert error.message.startswith("json: unsupported")
                assert native_error.message.startswith("json: unsupported")
            else:
                assert error.message == native_error.message
            with pytest.raises(EmupluginError):
                to_json(variable)

    check()


def comparable(text: str) -> str:
    """What %#v wrote, without addresses: these are also what keys of some maps are sorted by."""
    text = POINTER.sub("(0x)", text)
    by_address = "map[interface {}]" in text or "map[*" in text
    return "".join(sorted(text)) if by_address else text


def writes_like_go(go_type: GoType, drawn: Any) -> bool:
    """Whether repr writes exactly what %#v does: it leaves out the types of elements and sizes of
    numbers where the whole tells them, and the rest of long values."""
    if go_type.kind in ("array", "slice"):
        return _says_its_type(go_type.elem) and go_type.elem.kind != "uint8"
    if go_type.kind == "struct":
        return all(_says_its_type(field.type) and field.name != "_" for field in go_type.fields)
    if go_type.kind == "map":
        # Go prints maps in the order of their keys.
        short = drawn is None or len(drawn.items) < 2
        return short and _says_its_type(go_type.key) and _says_its_type(go_type.elem)
    return False


def _says_its_type(go_type: GoType) -> bool:
    return go_type.kind in ("bool", "string", "int", "int8", "int16", "int32", "int64")


@pytest.mark.parametrize("number", range(len(SIGNATURES)), ids=lambda n: ", ".join(SIGNATURES[n]))
def test_every_signature(matrix: Matrix, natively: NativePlugin, number: int) -> None:
    name = f"Call{number:03}"
    function = func_of(matrix.plugin, name)
    params = function.go_type.params

    @DRAWN
    @given(drawn=st.tuples(*map(matrix.drawing.values, params)))
    def check(drawn: tuple[Any, ...]) -> None:
        values = [matrix.passing.value(*pair) for pair in zip(params, drawn, strict=True)]
        *results, text = function.results(*values)
        for go_type, mine, its in zip(params, drawn, reversed(results), strict=True):
            assert same(go_type, mine, its, matrix.boxes)
        native_text = natively.call(name, *drawn).values[-1]
        assert comparable(text) == comparable(native_text)

    check()
