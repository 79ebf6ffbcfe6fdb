"""Machine code for the host, as listings that people can read.

Every line of a listing is the code, ``|``, and what it says in Intel syntax; a test disassembles
them. Names in braces stand for values that are known only when the code is made, and for the
displacements of *cells*: data of the code's, at offsets from an address before it, which the code
reaches relative to RIP. So the code is the same wherever it lies.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

_CODE = re.compile(r"^ *(\S+) *\|.*", re.MULTILINE)
_WORD = struct.Struct("<i")
_HOLE = bytes(_WORD.size)
_NAME = re.compile(r"\{(\w+)\}")


#: What names in a listing stand for: bytes, or another name.
Names = Mapping[str, str | bytes]
_AS_THEY_ARE: Names = {}


class Assembly:
    """Code of several listings, the first at the offset ``at`` from the address that cells are
    offsets from. It can be put together when the package is imported: ``later`` names the words
    that are not known then."""

    def __init__(self, at: int, later: Iterable[str] = ()) -> None:
        self._start = at
        self.content = bytearray()
        self._later = frozenset(later)
        self._holes: list[tuple[int, str]] = []

    @property
    def at(self) -> int:
        """The offset of what is appended next."""
        return self._start + len(self.content)

    def align(self, to: int) -> int:
        """Let what is appended next begin at a multiple of ``to``; its offset."""
        self.content += b"\xcc" * (-self.at % to)
        return self.at

    def append(
        self,
        listing: str,
        values: Mapping[str, bytes],
        cells: Mapping[str, int],
        names: Names = _AS_THEY_ARE,
    ) -> None:
        """``values`` are put in as they are, cells as 32-bit displacements; ``names`` stand for
        some of these."""
        content = self.content
        for code, name, behind in _parsed(listing):
            content += code
            meaning = names.get(name, name)
            value = meaning if isinstance(meaning, bytes) else values.get(meaning)
            if value is not None:
                content += value
            elif meaning in self._later:
                self._holes.append((len(content), str(meaning)))
                content += _HOLE
            elif name:
                content += _WORD.pack(cells[str(meaning)] - (self.at + 4 + behind))

    def filled(self, words: Mapping[str, int]) -> bytearray:
        """The code with the words that were not known."""
        content = bytearray(self.content)
        for offset, name in self._holes:
            _WORD.pack_into(content, offset, words[name])
        return content


def assemble(
    listing: str,
    at: int,
    values: Mapping[str, bytes],
    cells: Mapping[str, int],
    names: Names = _AS_THEY_ARE,
) -> bytes:
    """The code of one listing; see :class:`Assembly`."""
    assembly = Assembly(at)
    assembly.append(listing, values, cells, names)
    return bytes(assembly.content)


@cache
def _parsed(listing: str) -> tuple[tuple[bytes, str, int], ...]:
    """Pieces of code with the names behind them, and how much of the instruction follows there. The
    last has no name."""
    return tuple(_parse(listing))


def _parse(listing: str) -> Iterator[tuple[bytes, str, int]]:
    plain = ""
    for code in _CODE.findall(listing):
        if "{" in code:
            before, *named = _NAME.split(code)
            plain += before
            for name, behind in zip(named[::2], named[1::2], strict=True):
                yield bytes.fromhex(plain), name, len(behind) // 2
                plain = behind
        else:
            plain += code
    yield bytes.fromhex(plain), "", 0
