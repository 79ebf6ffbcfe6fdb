"""The pieces of JSON as encoding/json writes them: strings, numbers, compact raw JSON."""

from __future__ import annotations

import math
import re
import struct

_ESCAPE = re.compile('[\\x00-\\x1f"\\\\<>&\\u2028\\u2029\\ud800-\\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SHORT_122 = {**_SHORT, "\b": "\\b", "\f": "\\f"}
_RAW = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t\r\n]+')
_HTML = re.compile("[<>&\\u2028\\u2029]")


def quote(text: str, go_minor: tuple[int, int]) -> str:
    """A string, safe in HTML; bytes that are no UTF-8 become U+FFFD, each."""
    short = _SHORT_122 if go_minor >= (1, 22) else _SHORT
    # From 1.27 on the package stands on encoding/json/v2, which writes the character itself.
    invalid = "\ufffd" if go_minor >= (1, 27) else "\\ufffd"

    def escape(match: re.Match[str]) -> str:
        char = match[0]
        if "\ud800" <= char <= "\udfff":
            return invalid
        return short.get(char) or f"\\u{ord(char):04x}"

    return f'"{_ESCAPE.sub(escape, text)}"'


def compact(raw: str) -> str:
    """What a MarshalJSON method returned: without spaces, safe in HTML."""
    text = _RAW.sub(lambda match: match[0] if match[0][0] == '"' else "", raw)
    return _HTML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def number(value: float, size: int) -> str:
    """A float of 4 or 8 bytes in the shortest form (``encode.go: floatEncoder``).

    ValueError for what JSON has no number for.
    """
    if math.isnan(value) or math.isinf(value):
        name = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        raise ValueError(f"json: unsupported value: {name}")
    sign = "-" if math.copysign(1, value) < 0 else ""
    value = abs(value)
    if not value:
        return f"{sign}0"
    digits, exponent = _shortest(value, size)
    # Like %e below 1e-6 and from 1e21 on, else %f.
    if value < _as(1e-6, size) or value >= _as(1e21, size):
        mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        mark = "-" if exponent < 0 else "+"
        # e-09 becomes e-9, but e+09 does not occur.
        return f"{sign}{mantissa}e{mark}{abs(exponent)}"
    point = exponent + 1
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _shortest(value: float, size: int) -> tuple[str, int]:
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
        if _as(float(f"{mantissa}e{exponent}"), 4) == value:
            break
    return mantissa.replace(".", "").rstrip("0") or "0", int(exponent)


def _as(value: float, size: int) -> float:
    if size == 8:
        return value
    try:
        single: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.inf
    return single


def indented(text: str, indent: str) -> str:
    """As ``json.Indent``: empty lists and objects stay on one line."""
    out: list[str] = []
    depth = at = 0
    while at < len(text):
        char = text[at]
        if char == '"':
            end = at + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            out.append(text[at : end + 1])
            at = end
        elif char in "{[":
            if text[at + 1] in "}]":
                out.append(text[at : at + 2])
                at += 1
            else:
                depth += 1
                out.append(f"{char}\n{indent * depth}")
        elif char in "}]":
            depth -= 1
            out.append(f"\n{indent * depth}{char}")
        elif char == ",":
            out.append(f",\n{indent * depth}")
        else:
            out.append(": " if char == ":" else char)
        at += 1
    return "".join(out)
