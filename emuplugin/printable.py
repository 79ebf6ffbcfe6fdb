"""Text that comes from a plugin or its file, made harmless for terminals, and its width there."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def plain(text: str) -> str:
    """Text on one line, without control characters, which could recolour or erase what was printed:
    they are written out."""
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], text)


def cells(text: str) -> int:
    """How many columns a text takes."""
    return sum(map(_cells, text))


def fitting(text: str, columns: int) -> str:
    """As much of the start of a text as fits into so many columns."""
    used = 0
    for index, char in enumerate(text):
        used += _cells(char)
        if used > columns:
            return text[:index]
    return text


def cut(text: str, columns: int) -> str:
    """Harmless text, shortened to a number of columns."""
    text = plain(text)
    return text if cells(text) <= columns else f"{fitting(text, columns - 1)}…"


def _cells(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
