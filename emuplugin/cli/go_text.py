"""Values as people read them: Go's own notation, whole."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any, Final

from emuplugin.errors import GoError, UnsupportedTypeError
from emuplugin.values import GoType
from emuplugin.values.go_syntax import go_quote

_SCHEMES: Final = ("hex:", "base64:", "text:", "@")
_MAX_DEPTH: Final = 16
"""Pointers and interfaces that are followed; those further in are shown as addresses."""


def to_text(value: Any, go_type: GoType) -> str:
    """A result or variable: strings and errors bare, all else as Go source writes it.

    []byte is in the form that the command line takes: text if it is printable, else ``hex:``.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _bytes(value)
    return _nested(value, go_type, ())


def _bytes(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"hex:{data.hex()}"
    if all(char.isprintable() or char in "\t\n" for char in text) and text != "nil":
        return f"text:{text}" if text.startswith(_SCHEMES) else text
    return f"hex:{data.hex()}"


def _nested(value: Any, go_type: GoType, outer: tuple[Any, ...]) -> str:
    """A value inside another. ``outer`` are the pointers and interfaces that led to it."""
    kind = go_type.kind
    if value is None:
        return "nil" if kind in ("interface", "func") else f"({go_type.string})(nil)"
    if isinstance(value, GoError):
        return value.message
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float_text(value, go_type.size)
    if isinstance(value, complex):
        return complex_text(value, go_type.size)
    if isinstance(value, str):
        return go_quote(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, bytes):
        return f"[]byte({go_quote(value)})"
    if kind == "func":
        return f"({go_type.string})({value.address:#x})"
    if kind in ("ptr", "interface"):
        if len(outer) == _MAX_DEPTH or (kind == "ptr" and value in outer):
            return repr(value) if kind == "ptr" else "..."
        outer = (*outer, value)
    if kind == "interface":
        return _nested(value.value, value._type, outer)
    if kind == "ptr":
        return f"&{_nested(value.value, go_type.elem, outer)}"
    return f"{go_type.string}{_composite(value, go_type, outer)}"


def _composite(value: Any, go_type: GoType, outer: tuple[Any, ...]) -> str:
    kind = go_type.kind
    if kind == "slice" and value.is_nil:
        return "(nil)"
    if kind in ("slice", "array"):
        return _braces(_nested(element, go_type.elem, outer) for element in value)
    if kind == "map":
        return _braces(
            f"{_nested(key, go_type.key, outer)}:{_nested(elem, go_type.elem, outer)}"
            for key, elem in sorted_items(value)
        )
    return _braces(
        f"{field.name}:{_field(value, field.name, field.type, outer)}"
        for field in go_type.fields
        if field.name != "_"
    )


def _field(value: Any, name: str, go_type: GoType, outer: tuple[Any, ...]) -> str:
    try:
        return _nested(value[name], go_type, outer)
    except UnsupportedTypeError:
        return f"{go_type.string}(...)"


def _braces(items: Iterable[str]) -> str:
    return f"{{{', '.join(items)}}}"


def sorted_items(mapping: Any) -> list[tuple[Any, Any]]:
    """The items of a map by key, where keys have an order; else as they come."""
    items = list(mapping.items())
    if all(isinstance(key, str | int | float) for key, _ in items):
        items.sort(key=lambda entry: entry[0])
    return items


def float_text(value: float, size: int) -> str:
    """The shortest decimal that is this float32 (size 4) or float64 (size 8).

    With an exponent only below 1e-6 and from 1e21 on, as ``encoding/json`` has it.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if size == 4:
        exact = struct.pack("<f", value)
        for digits in range(1, 10):
            text = f"{value:.{digits}g}"
            try:
                if struct.pack("<f", float(text)) == exact:
                    break
            except OverflowError:  # rounded up, past the largest float32
                continue
    number = float(text)
    if number and not 1e-6 <= abs(number) < 1e21:
        mantissa, _, exponent = f"{text if 'e' in text else repr(number)}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent):+03d}"
    return _without_exponent(text)


def _without_exponent(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return mantissa.removesuffix(".0")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits, point = whole + fraction, len(whole) + int(exponent)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    digits = digits.ljust(point, "0")
    tail = digits[point:].rstrip("0")
    return f"{sign}{digits[:point]}{'.' + tail if tail else ''}"


def complex_text(value: complex, size: int) -> str:
    """``(1+2i)``, as Go prints it."""
    imaginary = float_text(value.imag, size // 2)
    if imaginary[0] not in "+-":
        imaginary = f"+{imaginary}"
    return f"({float_text(value.real, size // 2)}{imaginary}i)"
