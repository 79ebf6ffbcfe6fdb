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
from emuplugin.errors import EmupluginError, GoError
from emuplugin.values import Function
from emuplugin.values.channels import ChannelView
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
        if go_type.kind == "interface":
            assert same(go_type, drawn, boxed_as(go_type, boxed), matrix.boxes)
        else:
            assert boxed.type == go_type.string
            assert same(go_type, drawn, boxed.value, matrix.boxes)

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


def boxed_as(interface: GoType, boxed: Any) -> Any:
    """What ``any(x)`` of an interface holds, as ``x`` itself comes."""
    if boxed is None or not interface.is_error:
        return boxed
    return GoError(boxed.Error(), boxed.type)


REFERENCES = ("chan", "func", "unsafe.Pointer")


def references(name: str) -> bool:
    """Whether a type is one whose values only a machine can make, or consists of such."""
    return any(word in name for word in REFERENCES) and "map[" not in name and "[0]" not in name


def solid(matrix: Matrix, go_type: GoType) -> Any:
    """A value without nil, where there is something to point to."""
    make = TypeObject(matrix.plugin.machine.context, go_type)
    match go_type.kind:
        case "chan":
            both = go_type.string.replace("<-", "", 1) if "<-" in go_type.string else ""
            return matrix.plugin.make(both, 1) if both in matrix.plugin.types else make.make(1)
        case "func":
            return make(lambda *args: None)
        case "unsafe.Pointer":
            return make(matrix.plugin.make("*int", 5))
        case "ptr":
            return matrix._pointer(go_type, solid(matrix, go_type.elem))
        case "array":
            return [solid(matrix, go_type.elem) for _ in range(go_type.length)]
        case "slice":
            return [solid(matrix, go_type.elem)] * 2
        case "struct":
            fields = [field for field in go_type.fields if references(field.type.string)]
            return {field.name: solid(matrix, field.type) for field in fields}
    return make()


def shown(go_type: GoType) -> str:
    """What %#v writes of such a value, addresses left out."""
    match go_type.kind:
        case "array":
            return f"{go_type.string}{{{', '.join([shown(go_type.elem)] * go_type.length)}}}"
        case "slice":
            return f"{go_type.string}{{{', '.join([shown(go_type.elem)] * 2)}}}"
        case "struct":
            fields = (f"{f.name}:{shown(f.type)}" for f in go_type.fields)
            return f"{go_type.string}{{{', '.join(fields)}}}"
        case "ptr" if not references(go_type.elem.string):
            return f"({go_type.string})(nil)"
        case "interface":
            return f"{go_type.string}(nil)"
    return f"({go_type.string})(0x)"


def address_of(value: Any) -> int:
    """Where a reference leads to."""
    if isinstance(value, Function):
        return value.closure
    return value._root.address if isinstance(value, ChannelView) else int(value)


@pytest.mark.parametrize("name", [name for name in TYPES if references(name)])
def test_references_that_are_not_nil(matrix: Matrix, name: str) -> None:
    number = TYPES.index(name)
    variable = var_of(matrix.plugin, f"Var{number:03}")
    go_type = variable.go_type
    value = solid(matrix, go_type)
    got = matrix.call(f"Id{number:03}", value)
    text = matrix.call(f"Show{number:03}", value)
    assert POINTER.sub("(0x)", text) == shown(go_type)
    variable.value = value
    stored = variable.value
    assert matrix.call(f"Show{number:03}", stored) == text
    boxed = matrix.call(f"Box{number:03}", value)
    assert boxed.type == go_type.string
    assert matrix.call(f"Show{number:03}", boxed.value) == text
    if go_type.kind in REFERENCES:
        for came in (stored, boxed.value, got):
            assert came is not None
            if not callable(came) or isinstance(came, Function):
                assert address_of(came) == address_of(value)
            else:  # a Python function comes back as itself
                assert came is matrix.plugin.machine.context.python_functions.find(value.closure)
    if go_type.kind == "chan" and go_type.chan_dir == "chan" and go_type.elem.kind == "int":
        got.send(7)
        assert stored.recv() == 7


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
    kinds = ("bool", "string", "int", "int8", "int16", "int32", "int64", "float32", "float64")
    return go_type.kind in (*kinds, "complex64", "complex128")


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
