"""C's format strings (man 3 printf): the conversions d i u x X o c s p f F e E g G a and %."""

from __future__ import annotations

import re
from typing import Protocol


class Arguments(Protocol):
    """Where the values come from."""

    def word(self) -> int: ...
    def double(self) -> float: ...
    def string(self) -> bytes: ...


_CONVERSION = re.compile(
    rb"%(?P<flags>[-+ #0]*)(?P<width>\d+|\*)?(?:\.(?P<precision>\d+|\*)?)?"
    rb"(?P<length>hh|h|ll|l|z|j|t|L)?(?P<kind>[diuxXocspfFeEgGaA%])"
)
_BITS = {b"hh": 8, b"h": 16, b"l": 64, b"ll": 64, b"z": 64, b"j": 64, b"t": 64}


def format_c(text: bytes, arguments: Arguments) -> bytes:
    """Fill in a format string. What is no conversion stays as it is."""

    def star(part: bytes | None) -> int | None:
        if part is None:
            return None
        if part == b"*":
            value = arguments.word() & 0xFFFFFFFF
            return value - (1 << 32) if value >> 31 else value
        return int(part)

    def convert(match: re.Match[bytes]) -> bytes:
        kind = match["kind"].decode()
        if kind == "%":
            return b"%"
        flags, width = match["flags"].decode(), star(match["width"])
        precision = star(match["precision"])
        if precision is None and b"." in match[0]:
            precision = 0
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        if kind == "s":
            data = arguments.string()
            body = data if precision is None else data[:precision]
            return body.ljust(width or 0) if "-" in flags else body.rjust(width or 0)
        if kind == "c":
            body = bytes([arguments.word() & 0xFF])
            return body.ljust(width or 0) if "-" in flags else body.rjust(width or 0)
        if kind == "p":
            return f"{arguments.word():#x}".encode()
        specification = "%" + flags + ("" if width is None else str(width))
        if precision is not None:
            specification += f".{precision}"
        if kind in "diuxXo":
            bits = _BITS.get(match["length"] or b"", 32)
            value = arguments.word() & ((1 << bits) - 1)
            if kind in "di" and value >> (bits - 1):
                value -= 1 << bits
            return ((specification + kind.replace("u", "d")) % value).encode()
        number = arguments.double()
        if kind in "aA":
            body = number.hex().encode()
            return body.upper() if kind == "A" else body
        return ((specification + kind) % number).encode()

    return _CONVERSION.sub(convert, text)
