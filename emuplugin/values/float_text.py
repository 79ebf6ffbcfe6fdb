"""Floats as Go writes them: with the fewest digits that read back as the same float."""

from __future__ import annotations

import math
import struct


def go_float(value: float, size: int) -> str:
    """A float of 4 or 8 bytes as ``fmt`` prints it: ``1``, ``0.1``, ``1e+06``, ``NaN``, ``+Inf``.

    ``strconv.FormatFloat(value, 'g', -1, bits)``.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1, value) < 0 else ""
    value = abs(value)
    if not value:
        return f"{sign}0"
    digits, exponent = shortest(value, size)
    if not -4 <= exponent < 6:
        mark = "-" if exponent < 0 else "+"
        mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{mark}{abs(exponent):02}"
    return sign + plain(digits, exponent)


def plain(digits: str, exponent: int) -> str:
    """Digits, the first of which stands for ``10**exponent``, without an exponent."""
    point = exponent + 1
    if point <= 0:
        return f"0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{digits}{'0' * (point - len(digits))}"
    return f"{digits[:point]}.{digits[point:]}"


def shortest(value: float, size: int) -> tuple[str, int]:
    """The fewest digits that read back as the same float, and the exponent of the first."""
    if size == 8:
        text = f"{value!r}e0" if "e" not in repr(value) else repr(value)
        mantissa, exponent = text.split("e")
        whole, _, fraction = mantissa.partition(".")
        digits = (whole + fraction).lstrip("0")
        leading = len(whole + fraction) - len(digits)
        first = len(whole) - 1 - leading + int(exponent)
        return digits.rstrip("0") or "0", first
    for precision in range(9):
        mantissa, exponent = f"{value:.{precision}e}".split("e")
        if as_size(float(f"{mantissa}e{exponent}"), 4) == value:
            break
    return mantissa.replace(".", "").rstrip("0") or "0", int(exponent)


def as_size(value: float, size: int) -> float:
    """The float of ``size`` bytes that is nearest to ``value``."""
    if size == 8:
        return value
    try:
        single: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.inf
    return single
