"""The relocations that a file lists, unpacked in bulk."""

from __future__ import annotations

import struct
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from emuplugin.elf.constants import (
    DT_JMPREL,
    DT_PLTREL,
    DT_PLTRELSZ,
    DT_REL,
    DT_RELA,
    DT_RELAENT,
    DT_RELASZ,
    DT_RELR,
    DT_RELRENT,
    DT_RELRSZ,
)
from emuplugin.elf.relocation_kinds import WORDS, unknown_relocation
from emuplugin.errors import FormatError

if TYPE_CHECKING:
    from emuplugin.elf.file import ElfFile

_RELA_SIZE: Final = 24
_WORD: Final = 8
_INFO: Final = struct.Struct("<IIq")
_RELA: Final = struct.Struct("<QIIq")
_MASK64: Final = (1 << 64) - 1
_MULTIPLES: Final = bytes(range(0, 256, _WORD))


class Columns(NamedTuple):
    """Relocations, each at the same place in every column: its kind by the ABI's number, where it
    writes to (``r_offset``), the index of its symbol, and the addend."""

    types: bytes
    offsets: list[int]
    symbols: list[int]
    addends: list[int]


class RelocationTable:
    """The relocations of a file: ``DT_RELA`` followed by ``DT_JMPREL``, in columns, and DT_RELR."""

    def __init__(self, file: ElfFile) -> None:
        dynamic = file.dynamic
        if DT_REL in dynamic:
            raise FormatError("relocations without addends (DT_REL), which x86-64 does not have")
        if dynamic.get(DT_RELAENT, _RELA_SIZE) != _RELA_SIZE:
            raise FormatError(f"relocations of {dynamic[DT_RELAENT]} bytes, not {_RELA_SIZE}")
        if dynamic.get(DT_PLTREL, DT_RELA) != DT_RELA:
            raise FormatError("procedure linkage relocations without addends")
        places = [
            (dynamic[start], dynamic.get(size, 0))
            for start, size in ((DT_RELA, DT_RELASZ), (DT_JMPREL, DT_PLTRELSZ))
            if start in dynamic
        ]
        if any(size % _RELA_SIZE for _, size in places):
            raise FormatError(f"relocation table is not a multiple of {_RELA_SIZE} bytes")
        self.places = tuple((address, size // _RELA_SIZE) for address, size in places)
        """Where the tables lie: address, and how many relocations."""
        self._file = file
        self._data = b"".join(file.read_vaddr(*place) for place in places)

    def __len__(self) -> int:
        """Their number, those packed in DT_RELR not counted."""
        return len(self._data) // _RELA_SIZE

    @cached_property
    def offsets(self) -> list[int]:
        """``r_offset``, an address in the image."""
        return memoryview(self._data).cast("Q")[0::3].tolist()

    @cached_property
    def types(self) -> bytes:
        """The ABI's number of each, in one byte: UnknownRelocationError for a larger one."""
        # Columns of bytes are much faster to have from bytes than from a view of them.
        if any(self._data[at::_RELA_SIZE].strip(b"\0") for at in (9, 10, 11)):
            raise unknown_relocation(max(memoryview(self._data).cast("I")[2::6].tolist()))
        return self._data[8::_RELA_SIZE]

    @property
    def symbols(self) -> list[int]:
        """Indices into the dynamic symbols."""
        return memoryview(self._data).cast("I")[3::6].tolist()

    @property
    def addends(self) -> list[int]:
        """``r_addend``, signed."""
        return memoryview(self._data).cast("q")[2::3].tolist()

    @property
    def aligned(self) -> bool:
        """Whether all are at multiples of a word."""
        return not self._data[0::_RELA_SIZE].translate(None, _MULTIPLES)

    @property
    def columns(self) -> Columns:
        """All of them."""
        return Columns(self.types, self.offsets, self.symbols, self.addends)

    def rows(self, indices: list[int]) -> Columns:
        """Those that are asked for."""
        rows = [_RELA.unpack_from(self._data, index * _RELA_SIZE) for index in indices]
        offsets, types, symbols, addends = map(list, zip(*rows, strict=True)) if rows else [[]] * 4
        return Columns(bytes(types), offsets, symbols, addends)

    def relative_offsets(self) -> list[int]:
        """The addresses of the words in DT_RELR (generic ABI, "Relative Relocation Table"): an even
        entry is an address, an odd one a bit map of the 63 words that follow."""
        dynamic = self._file.dynamic
        if DT_RELR not in dynamic:
            return []
        if dynamic.get(DT_RELRENT, _WORD) != _WORD or dynamic.get(DT_RELRSZ, 0) % _WORD:
            raise FormatError("packed relative relocations are corrupt")
        offsets: list[int] = []
        following = 0
        for entry in self._file.read_vaddr(dynamic[DT_RELR], dynamic.get(DT_RELRSZ, 0)).cast("Q"):
            if entry & 1:
                offsets += [following + _WORD * bit for bit in range(63) if entry >> bit + 1 & 1]
                following += 63 * _WORD
            else:
                offsets.append(entry)
                following = entry + _WORD
        return offsets

    def _index_of(self, address: int) -> int | None:
        """The relocation of the word at an address. A search of the raw table is the fastest for
        the few that are asked for; where it hits another column first, a dictionary decides."""
        if not 0 <= address <= _MASK64:
            return None
        at = self._data.find(struct.pack("<Q", address))
        if at < 0:
            return None
        return self._by_offset.get(address) if at % _RELA_SIZE else at // _RELA_SIZE

    @cached_property
    def _by_offset(self) -> dict[int, int]:
        return dict(zip(self.offsets, range(len(self)), strict=True))

    def word_at(self, address: int) -> int:
        """The word at ``address`` once the file is mapped at base 0 and relocated, where that can
        be told from the file alone; the word as it lies in the file where no relocation
        applies, 0 in zeroed memory."""
        at = self._index_of(address)
        if at is not None:
            type_, symbol, addend = _INFO.unpack_from(self._data, at * _RELA_SIZE + _WORD)
            if type_ in WORDS:
                value: int = self._file.symbols[symbol].value + addend if symbol else addend
                return value & _MASK64
        segment = self._file.segment_at(address, _WORD)
        if segment is None:
            raise FormatError(f"no memory for the word at {address:#x}")
        if address + _WORD > segment.vaddr + segment.filesz:
            return 0
        return int.from_bytes(self._file.read_vaddr(address, _WORD), "little")
