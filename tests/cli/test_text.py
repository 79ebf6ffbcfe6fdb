"""Numbers as text, and text as numbers: nothing is lost on the way."""

from __future__ import annotations

import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from emuplugin.cli.go_text import complex_text, float_text


@given(st.floats(allow_nan=False))
def test_float64_comes_back(value: float) -> None:
    assert float(float_text(value, 8)) == value


@given(st.floats(width=32, allow_nan=False))
def test_float32_is_shortest(value: float) -> None:
    text = float_text(value, 4)
    if math.isfinite(value):
        assert struct.pack("<f", float(text)) == struct.pack("<f", value)
        assert len(text) <= len(float_text(value, 8))
    else:
        assert float(text) == value


def test_exponents_as_in_encoding_json() -> None:
    written = {
        0.0: "0",
        1.0: "1",
        -2.5: "-2.5",
        1e-6: "0.000001",
        1.5e-7: "1.5e-07",
        1e20: "100000000000000000000",
        1e21: "1e+21",
        123456789.25: "123456789.25",
        5e-324: "5e-324",
        math.inf: "+Inf",
        -math.inf: "-Inf",
    }
    assert {value: float_text(value, 8) for value in written} == written
    assert float_text(-0.0, 8) == "-0"
    assert float_text(math.nan, 8) == "NaN"
    assert float_text(struct.unpack("<f", struct.pack("<f", 16777216.0))[0], 4) == "16777216"


def test_complex() -> None:
    assert complex_text(1 + 2j, 16) == "(1+2i)"
    assert complex_text(complex(-0.5, -1), 8) == "(-0.5-1i)"
    assert complex_text(complex(math.nan, math.inf), 16) == "(NaN+Infi)"
