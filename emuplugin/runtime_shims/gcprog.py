"""GC programs: the byte code in which the linker writes a module's pointer masks.

From Go 1.22 on a plugin has no interpreter of it (``runtime/mbitmap.go: runGCProg``), because
only the start of a program uses it. The code, least significant bit first:

    00000000                end
    0nnnnnnn  ...           the next n bits, literally, in (n + 7) / 8 bytes
    10000000  n  c          repeat the last n bits c times (varints)
    1nnnnnnn  c             the same with n up to 127
"""

from __future__ import annotations

from collections.abc import Callable

_BITS = [bytes((byte >> bit) & 1 for bit in range(8)) for byte in range(256)]
_DIGITS = bytes.maketrans(b"\0\1", b"01")


def pointer_mask(read: Callable[[int], int], address: int, words: int) -> bytes:
    """Run the program at ``address`` and return the mask of ``words`` bits, rounded up to bytes.

    ``read`` gives one byte of guest memory. Raises ValueError for a program that makes more bits
    than there are words.
    """
    bits = bytearray()
    while True:
        code = read(address)
        address += 1
        count = code & 0x7F
        if not code:
            break
        if not code & 0x80:
            for at in range((count + 7) // 8):
                bits += _BITS[read(address + at)]
            address += (count + 7) // 8
            del bits[len(bits) - (-count % 8) :]
        else:
            if not count:
                count, address = _varint(read, address)
            times, address = _varint(read, address)
            if count > len(bits) or len(bits) + count * times > words:
                raise ValueError("GC program repeats more than there is")
            bits += bits[len(bits) - count :] * times
        if len(bits) > words + 7:
            raise ValueError("GC program is longer than its data")
    del bits[words:]
    digits = bytes(reversed(bits)).translate(_DIGITS)
    return int(digits or b"0", 2).to_bytes((words + 7) // 8, "little")


def _varint(read: Callable[[int], int], address: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = read(address)
        address += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80 or shift > 63:
            return value, address
