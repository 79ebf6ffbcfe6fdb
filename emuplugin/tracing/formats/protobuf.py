"""The little of protocol buffers' wire format that a profile needs.

Format: protobuf.dev/programming-guides/encoding. Fields without a value (0, "", nothing) are
left out, as in proto3.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_VARINT: Final = 0
_LENGTH: Final = 2
_MASK: Final = (1 << 64) - 1


def varint(value: int) -> bytes:
    """A number in groups of seven bits, the lowest first; negative ones in 64 bits."""
    value &= _MASK
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field of type int64, uint64 or bool."""
    return varint(field << 3 | _VARINT) + varint(value) if value else b""


def data(field: int, value: bytes) -> bytes:
    """A field of type string or bytes, or a message, which counts even where it is empty."""
    return varint(field << 3 | _LENGTH) + varint(len(value)) + value


def numbers(field: int, values: Iterable[int]) -> bytes:
    """A repeated field of numbers, packed."""
    packed = b"".join(map(varint, values))
    return data(field, packed) if packed else b""
