"""Calls with scalars, strings and bytes: the emulator and Go itself give the same bits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emuplugin.errors import GoPanic
from emuplugin.plugin import Plugin
from tests.support.oracle import NativePanic, NativePlugin
from tests.values.same import plain
from tests.values.symbols import func_of

RANGES = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
INTEGERS = {name: st.integers(*bounds) for name, bounds in RANGES.items()}
TEXT = st.binary(max_size=40).map(lambda data: data.decode("utf-8", "surrogateescape"))
FLOAT32 = st.floats(width=32)
COMPLEX64 = st.builds(complex, FLOAT32, FLOAT32)
COMPLEX128 = st.builds(complex, st.floats(), st.floats())
BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    **INTEGERS,
    "int": INTEGERS["int64"],
    "uint": INTEGERS["uint64"],
    "uintptr": INTEGERS["uint64"],
    "float32": FLOAT32,
    "float64": st.floats(),
    "complex64": COMPLEX64,
    "complex128": COMPLEX128,
    "bool": st.booleans(),
    "string": TEXT,
    "[]uint8": st.binary(max_size=40),
    "main.Celsius": st.floats(),
    "main.Level": INTEGERS["int8"],
    "main.Mask": INTEGERS["uint32"],
    "main.Name": TEXT,
    "main.Flag": st.booleans(),
    "main.Blob": st.binary(max_size=40),
    "main.Phasor": COMPLEX128,
    "main.Distance": INTEGERS["int64"],
}


def types_of(signature: str) -> list[str]:
    """The parameter types of a func type without nested parentheses."""
    inside = signature.removeprefix("func(").split(")")[0]
    return inside.split(", ") if inside else []


def outcome(call: Any, *args: Any) -> Any:
    """What a call gives, in a form that can be compared: results or the panic."""
    try:
        return plain(call(*args))
    except (NativePanic, GoPanic) as panic:
        return "panic", panic.type


def compare(plugin: Plugin, native: NativePlugin, name: str, args: list[Any]) -> None:
    """Call a function here and there."""

    def call_native(*args: Any) -> Any:
        values = native.call(name, *args).values
        # A nil []byte comes as None there and as b"" here.
        return [b"" if value is None and kind == "[]uint8" else value
                for value, kind in zip(values, result_types, strict=True)]  # fmt: skip

    function = func_of(plugin, name)
    result_types = [result.string for result in function.go_type.results]
    assert outcome(function.results, *args) == outcome(call_native, *args)


IDENTITIES = [
    "IdInt", "IdInt8", "IdInt16", "IdInt32", "IdInt64", "IdUint", "IdUint8", "IdUint16",
    "IdUint32", "IdUint64", "IdUintptr", "IdRune", "IdByte", "IdFloat32", "IdFloat64",
    "IdComplex64", "IdComplex128", "IdBool", "IdString", "IdBytes", "IdCelsius", "IdLevel",
    "IdMask", "IdName", "IdFlag", "IdBlob", "IdPhasor", "IdDistance",
]  # fmt: skip
ARITHMETIC = [
    "Add", "Sub", "Mul", "Quo", "Rem", "AddInt8", "MulUint16", "MulUint64", "Not", "Xor",
    "AddFloat32", "MulFloat64", "DivFloat64", "Sqrt", "Floor", "FMA", "Bits64", "Narrow", "Widen",
    "Conj", "Fahrenheit", "Concat", "Upper", "Len", "Runes", "Greet", "Compare", "Reverse",
    "IsNil", "Blank", "Ints12", "Narrow12", "SpillThenFit", "Results10",
    "ResultsMixed", "DivMod", "Div",
]  # fmt: skip


@pytest.mark.parametrize("name", IDENTITIES)
@given(data=st.data())
def test_what_goes_in_comes_out(scalars: Plugin, name: str, data: st.DataObject) -> None:
    function = func_of(scalars, name)
    value = data.draw(BY_TYPE[types_of(function.type)[0]])
    assert plain(function(value)) == plain(value)


@pytest.mark.parametrize("name", ARITHMETIC)
@given(data=st.data())
def test_functions_do_what_go_does(
    scalars: Plugin, native_scalars: NativePlugin, name: str, data: st.DataObject
) -> None:
    types = types_of(scalars.lookup(name).type)
    args = [data.draw(BY_TYPE[type]) for type in types]
    compare(scalars, native_scalars, name, args)


@given(values=st.lists(st.floats(allow_nan=False), min_size=18, max_size=18))
def test_more_floats_than_registers(
    scalars: Plugin, native_scalars: NativePlugin, values: list[float]
) -> None:
    compare(scalars, native_scalars, "Floats18", values)
    compare(scalars, native_scalars, "ResultsFloats", values[:1])


@given(text=TEXT, low=st.integers(-2, 50), high=st.integers(-2, 50))
def test_slicing_panics_where_go_panics(
    scalars: Plugin, native_scalars: NativePlugin, text: str, low: int, high: int
) -> None:
    compare(scalars, native_scalars, "Slice", [text, low, high])


@given(data=st.data())
def test_registers_and_stack_mixed(
    scalars: Plugin, native_scalars: NativePlugin, data: st.DataObject
) -> None:
    types = types_of(scalars.lookup("Mixed").type)
    args = [None if type == "error" else data.draw(BY_TYPE[type]) for type in types]
    compare(scalars, native_scalars, "Mixed", args)


@pytest.mark.parametrize(
    ("name", "fixed", "rest"),
    [
        ("Sum", [], BY_TYPE["int"]),
        ("Mean", [], st.floats(-1e300, 1e300)),
        ("Join", [", "], TEXT),
        ("AllBytes", [7], st.binary(max_size=20)),
        ("AnyOf", [], st.booleans()),
        ("CountNil", [], BY_TYPE["int"]),
    ],
)
@given(data=st.data())
def test_variadic(
    scalars: Plugin,
    native_scalars: NativePlugin,
    name: str,
    fixed: list[Any],
    rest: st.SearchStrategy[Any],
    data: st.DataObject,
) -> None:
    values = data.draw(st.lists(rest, max_size=12))
    function = func_of(scalars, name)
    # The native host takes what stands for ``...`` as one list, or one by one: ask as it does.
    expected = outcome(lambda: native_scalars.call(name, *fixed, *values).values)
    assert outcome(lambda: function.results(*fixed, *values)) == expected


def test_bytes_like_objects_go_in(scalars: Plugin) -> None:
    reverse = func_of(scalars, "Reverse")
    for value in (bytearray(b"abc"), memoryview(b"xabcx")[1:4]):
        assert reverse(value) == b"cba"


def test_go_gets_a_copy_of_bytes(scalars: Plugin) -> None:
    mine = bytearray(b"abc")
    assert func_of(scalars, "Fill")(mine, 120) == b"xxx"
    assert mine == b"abc"


def test_nil_and_empty_slices_differ(scalars: Plugin) -> None:
    is_nil = func_of(scalars, "IsNil")
    assert is_nil(None) is True
    assert is_nil(b"") is False


def test_one_result_several_or_none(scalars: Plugin) -> None:
    assert func_of(scalars, "Nothing")() is None
    assert func_of(scalars, "Add")(1, 2) == 3
    assert func_of(scalars, "DivMod")(17, 5) == (3, 2)
    assert func_of(scalars, "DivMod").results(17, 5) == (3, 2)
    assert func_of(scalars, "Nothing").results() == ()


def test_long_strings_survive(scalars: Plugin) -> None:
    text = "0123456789abcdef" * 100_000
    assert func_of(scalars, "IdString")(text) == text
    assert func_of(scalars, "Repeat")("ab", 500_000) == "ab" * 500_000
