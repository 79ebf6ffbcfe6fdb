"""Writing values as Go source does, for ``repr``."""

from __future__ import annotations

MAX_ITEMS = 20
"""Elements of a list that are written; the rest becomes ``...``."""

MAX_DEPTH = 4
"""Composite values inside each other that are written; deeper ones become ``{...}``."""

_ESCAPES = {
    "\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v",
    '"': r"\"", "\\": r"\\",
}  # fmt: skip


MAX_TEXT = 2000
"""Bytes of a string that are written; behind the rest's place stands ``...``."""


def go_quote(data: bytes) -> str:
    """A string literal, as ``strconv.Quote`` writes it, the start of one if it is long."""
    if len(data) > MAX_TEXT:
        return f"{go_quote(data[:MAX_TEXT])}..."
    return f'"{"".join(_quoted(char) for char in data.decode("utf-8", "surrogateescape"))}"'


def _quoted(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code & 0xFF:02x}"
    if char.isprintable():
        return char
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_list(items: list[str], more: bool) -> str:
    """``{a, b, ...}``"""
    return f"{{{', '.join([*items, '...'] if more else items)}}}"
