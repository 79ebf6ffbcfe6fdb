"""Comparing what the emulator returns with what Go itself returns, to the bit."""

from __future__ import annotations

import struct
from typing import Any

from emuplugin.errors import GoError
from tests.support.oracle import ErrorValue


def plain(value: Any) -> Any:
    """A value in a form that ``==`` compares exactly: types and bits count, NaN equals itself."""
    match value:
        case float():
            return "float", struct.pack("<d", value)
        case complex():
            return "complex", struct.pack("<dd", value.real, value.imag)
        case GoError():
            return "error", str(value), value.type
        case ErrorValue():
            return "error", value.message, value.type
        case tuple() | list():
            return tuple(plain(item) for item in value)
    return type(value).__name__, value
