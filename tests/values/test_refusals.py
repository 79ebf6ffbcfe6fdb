"""Arguments that do not fit are refused by name, and nothing runs."""

from __future__ import annotations

from typing import Any

import pytest

from emuplugin.errors import ConversionError, OutOfRangeError
from emuplugin.plugin import Plugin
from tests.values.symbols import func_of, var_of


@pytest.mark.parametrize(
    ("name", "args", "error", "message"),
    [
        (
            "AddInt8",
            (1, 300),
            OverflowError,
            "argument 2: expected int8, got 300 (out of range -128..127);"
            " AddInt8 is func(int8, int8) int8",
        ),
        ("IdUint64", (-1,), OverflowError, "out of range 0..18446744073709551615"),
        ("IdInt", (2**63,), OverflowError, "out of range -9223372036854775808..922337203685477"),
        ("IdFloat32", (1e300,), OverflowError, "expected float32, got 1e+300 (out of range)"),
        ("IdFloat64", (10**400,), OverflowError, "expected float64, got 1000000"),
        ("IdComplex64", (1e300j,), OverflowError, "expected complex64, got 1e+300j"),
        ("IdInt", ("1",), TypeError, "argument 1: expected int, got str; IdInt is func(int) int"),
        ("IdInt", (1.0,), TypeError, "expected int, got float"),
        ("IdInt", (True,), TypeError, "expected int, got bool"),
        ("IdInt", (None,), TypeError, "expected int, got None"),
        ("IdBool", (1,), TypeError, "expected bool, got int"),
        ("IdFloat64", ("1",), TypeError, "expected float64, got str"),
        ("IdFloat64", (True,), TypeError, "expected float64, got bool"),
        ("IdComplex128", ("1j",), TypeError, "expected complex128, got str"),
        ("IdString", (b"x",), TypeError, "expected string, got bytes (decode it first)"),
        ("IdString", ("\ud800",), ValueError, "the lone surrogate at index 0 has no UTF-8 form"),
        ("IdBytes", ("x",), TypeError, "bytes-like object, got str (encode it first)"),
        ("IdBytes", (memoryview(b"abcd").cast("H"),), TypeError, "buffer of 2-byte items"),
        ("IdBytes", (memoryview(b"abcd")[::2],), TypeError, "a non-contiguous buffer"),
        ("IdLevel", (128,), OverflowError, "expected main.Level (int8), got 128"),
        ("IdError", ("x",), TypeError, "expected error as an exception or None, got str"),
        ("Sum", (1, 2, "x"), TypeError, "argument 3: expected int, got str; Sum is func(...int)"),
        ("Join", ("-", "a", 1), TypeError, "argument 3: expected string, got int"),
        ("AddInt8", (1,), TypeError, "AddInt8 takes 2 arguments, got 1; AddInt8 is func(int8, "),
        ("Nothing", (1,), TypeError, "Nothing takes 0 arguments, got 1; Nothing is func()"),
        ("Not", (), TypeError, "Not takes 1 argument, got 0; Not is func(bool) bool"),
        ("Join", (), TypeError, "Join takes at least 1 argument, got 0"),
    ],
)
def test_refused(
    scalars: Plugin,
    name: str,
    args: tuple[Any, ...],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error) as caught:
        func_of(scalars, name)(*args)
    assert message in str(caught.value)
    assert isinstance(caught.value, ConversionError | OutOfRangeError)


def test_integers_by_index(scalars: Plugin) -> None:
    class Three:
        def __index__(self) -> int:
            return 3

    assert func_of(scalars, "Add")(Three(), 4) == 7
    assert func_of(scalars, "IdFloat64")(Three()) == 3.0


def test_refused_assignments_name_the_variable(scalars: Plugin) -> None:
    with pytest.raises(OverflowError, match=r"^Int8: expected int8, got 128 \(out of range"):
        var_of(scalars, "Int8").value = 128
    with pytest.raises(TypeError, match=r"^String: expected string, got None"):
        var_of(scalars, "String").value = None
