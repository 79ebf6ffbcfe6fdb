"""The pieces of JSON as encoding/json writes them: strings, numbers, compact raw JSON."""

from __future__ import annotations

import math
import re

from emuplugin.values.float_text import as_size, plain, shortest

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
    digits, exponent = shortest(value, size)
    # Like %e below 1e-6 and from 1e21 on, else %f.
    if value < as_size(1e-6, size) or value >= as_size(1e21, size):
        mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        mark = "-" if exponent < 0 else "+"
        # e-09 becomes e-9, but e+09 does not occur.
        return f"{sign}{mantissa}e{mark}{abs(exponent)}"
    return sign + plain(digits, exponent)


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
