"""Sizes, durations and counts as people write them: ``256MiB``, ``1.5s``, ``2e9``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_SIZES: Final = {
    "": 1,
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "K": 1 << 10,
    "M": 1 << 20,
    "G": 1 << 30,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
}
_TIMES: Final = {"": 1.0, "MS": 1e-3, "S": 1.0, "MIN": 60.0, "H": 3600.0}
_COUNTS: Final = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3}
_QUANTITY: Final = re.compile(r"(\d[\d_]*(?:\.\d+)?(?:e\d{1,2})?) ?([A-Za-z]*)")


def size(text: str) -> int:
    """A number of bytes: ``256MiB``, ``1G`` (of 1024), ``64kB`` (of 1000), ``1073741824``."""
    return _whole(text, _quantity(text, _SIZES, "a size: write one like 256MiB"))


def duration(text: str) -> float:
    """A number of seconds: ``5``, ``5s``, ``500ms``, ``2min``, ``1h``."""
    return _quantity(text, _TIMES, "a time: write one like 5s or 500ms")


def count(text: str) -> int:
    """A whole number: ``1000``, ``100k``, ``2e9``, ``1_000_000``."""
    return _whole(text, _quantity(text, _COUNTS, "a number: write one like 1000, 100k or 2e9"))


def _quantity(text: str, units: Mapping[str, float], what: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    factor = units.get(match[2].upper()) if match else None
    if match is None or factor is None:
        raise ValueError(f"{text!r} is not {what}")
    number = match[1].replace("_", "")
    # Not by way of floats where the number is whole: they have 53 bits.
    return int(number) * factor if number.isdigit() else float(number) * factor


def _whole(text: str, number: float) -> int:
    if number != int(number):
        raise ValueError(f"{text!r} is not a whole number")
    return int(number)
