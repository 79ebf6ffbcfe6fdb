"""Symbol tables: found by name through the file's own hash table, read in bulk otherwise."""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from emuplugin.elf.constants import (
    DT_GNU_HASH,
    DT_HASH,
    DT_STRSZ,
    DT_STRTAB,
    DT_SYMENT,
    DT_SYMTAB,
    SHN_LORESERVE,
    SHN_UNDEF,
    STB_WEAK,
    STT_FILE,
    STT_GNU_IFUNC,
    STT_SECTION,
    STT_TLS,
)
from emuplugin.elf.hashes import GnuHash, SysvHash
from emuplugin.errors import FormatError

if TYPE_CHECKING:
    from emuplugin.elf.file import ElfFile

_SYM: Final = struct.Struct("<IBBHQQ")
_MAX_NAME: Final = 1 << 20

_ZERO: Final = re.compile(rb"\0")
_RESERVED: Final = re.compile(b"[" + bytes([SHN_LORESERVE >> 8]) + b"]")
# st_info is the binding in the upper four bits and the type in the lower four.
_ODD_TYPES: Final = re.compile(
    b"["
    + b"".join(
        re.escape(bytes([binding << 4 | type_]))
        for binding in range(16)
        for type_ in (STT_TLS, STT_GNU_IFUNC)
    )
    + b"]"
)


class Symbol(NamedTuple):
    """``Elf64_Sym``. ``value`` is an address, for ``STT_TLS`` an offset into the TLS segment."""

    name: str
    value: int
    size: int
    type: int
    binding: int
    visibility: int
    section: int
    number: int

    @property
    def defined(self) -> bool:
        return self.section != SHN_UNDEF

    @property
    def weak(self) -> bool:
        return self.binding == STB_WEAK


class SymbolTable:
    """Symbols by index, by name and by address. Nothing is decoded before it is asked for.

    ``data`` is an array of ``Elf64_Sym``, ``strings`` the string table they point into.
    Without a hash table names are searched in the string table itself.
    """

    def __init__(
        self,
        data: memoryview,
        strings: memoryview,
        hash_table: GnuHash | SysvHash | None = None,
    ) -> None:
        if len(data) % _SYM.size:
            raise FormatError(f"symbol table of {len(data)} bytes, not a multiple of {_SYM.size}")
        self._data = data
        self._words = data.cast("B").cast("Q")
        self._strings = strings
        self._hash = hash_table
        self._found: dict[str, Symbol | None] = {}

    @classmethod
    def of_dynamic(cls, file: ElfFile) -> SymbolTable:
        """The table that the dynamic section describes; its length is in the hash table."""
        dynamic = file.dynamic
        if dynamic.get(DT_SYMENT, _SYM.size) != _SYM.size:
            raise FormatError(f"symbols of {dynamic[DT_SYMENT]} bytes, not {_SYM.size}")
        if DT_SYMTAB not in dynamic or DT_STRTAB not in dynamic:
            raise FormatError("dynamic section names no symbol table or no string table")
        table: GnuHash | SysvHash
        if DT_GNU_HASH in dynamic:
            table = GnuHash(file.read_from(dynamic[DT_GNU_HASH]))
        elif DT_HASH in dynamic:
            table = SysvHash(file.read_from(dynamic[DT_HASH]))
        else:
            raise FormatError("dynamic section names no hash table of the symbols")
        strings = file.read_vaddr(dynamic[DT_STRTAB], dynamic.get(DT_STRSZ, 0))
        data = file.read_vaddr(dynamic[DT_SYMTAB], table.symbol_count * _SYM.size)
        return cls(data, strings, table)

    # --- by index ---------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._data) // _SYM.size

    def __getitem__(self, index: int) -> Symbol:
        """The symbol with that index; FormatError beyond the end of the table."""
        if not 0 <= index < len(self):
            raise FormatError(f"symbol {index} of a table of {len(self)}")
        name, info, other, section, value, size = _SYM.unpack_from(self._data, index * _SYM.size)
        return Symbol(
            read_string(self._strings, name),
            value,
            size,
            info & 15,
            info >> 4,
            other & 3,
            section,
            index,
        )

    def __iter__(self) -> Iterator[Symbol]:
        return (self[index] for index in range(len(self)))

    def head(self, index: int) -> int:
        """One of :attr:`heads`."""
        return self._words[3 * index]

    def value(self, index: int) -> int:
        """One of :attr:`values`."""
        return self._words[3 * index + 1]

    @cached_property
    def values(self) -> list[int]:
        """``st_value`` of every symbol."""
        return self._words[1::3].tolist()

    @cached_property
    def heads(self) -> list[int]:
        """The first eight bytes of every symbol: name (32 bits), info (8), other (8), section."""
        return self._words[0::3].tolist()

    @cached_property
    def special(self) -> list[int]:
        """Indices, ascending, of the symbols whose address is not simply base + value: undefined,
        absolute and other reserved sections, thread-local, indirect functions.

        Searched as columns of bytes: there are thousands of symbols and a few dozen of these.
        """
        if not self._data:
            return []
        data = bytes(self._data)
        sections = data[7::24]
        found = {match.start() for match in _ODD_TYPES.finditer(data[4::24])}
        found.update(match.start() for match in _RESERVED.finditer(sections))
        found.update(
            match.start() for match in _ZERO.finditer(data[6::24]) if sections[match.start()] == 0
        )
        return sorted(found)

    @cached_property
    def undefined(self) -> tuple[Symbol, ...]:
        """The symbols that something else must define; symbol 0 is not one."""
        return tuple(
            self[index] for index in self.special if index and self.heads[index] >> 48 == SHN_UNDEF
        )

    # --- by name ----------------------------------------------------------------------------

    def find(self, name: str) -> Symbol | None:
        """The defined symbol of that name, or None."""
        try:
            return self._found[name]
        except KeyError:
            symbol = self._found[name] = self._look_up(name)
            return symbol

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def address(self, name: str) -> int:
        """The value of the defined symbol of that name; FormatError when there is none."""
        symbol = self.find(name)
        if symbol is None:
            raise FormatError(f"the file defines no symbol {name}")
        return symbol.value

    def _look_up(self, name: str) -> Symbol | None:
        key = name.encode("utf-8", "surrogateescape")
        wanted = key + b"\0"
        for index in self._hash.candidates(key) if self._hash else self._search(key):
            if index >= len(self):
                raise FormatError(f"hash table names symbol {index} of {len(self)}")
            start, info, other, section, value, size = _SYM.unpack_from(
                self._data, index * _SYM.size
            )
            if section != SHN_UNDEF and self._strings[start : start + len(wanted)] == wanted:
                return Symbol(name, value, size, info & 15, info >> 4, other & 3, section, index)
        return None

    def _search(self, key: bytes) -> Iterator[int]:
        """Indices of the symbols with that name: first where the string table holds it, then who
        points there. A name may be the end of a longer one."""
        strings = self._all_strings
        wanted = key + b"\0"
        at = strings.find(wanted)
        starts = set()
        while at >= 0:
            starts.add(at)
            at = strings.find(wanted, at + 1)
        if starts:
            for index, head in enumerate(self.heads):
                if head & 0xFFFF_FFFF in starts:
                    yield index

    def any_name_holds(self, part: bytes) -> bool:
        """Whether ``part`` occurs in the table's names, or in another string kept with them."""
        return part in self._all_strings

    @cached_property
    def _all_strings(self) -> bytes:
        return bytes(self._strings)

    # --- by address -------------------------------------------------------------------------

    def nearest(self, address: int) -> tuple[Symbol, int] | None:
        """The last symbol at or below ``address`` and the distance to it; None when there is none
        or the symbol's size says that it ends before. Of several at one address, the
        first in the table."""
        values, indices = self._by_address
        at = bisect_right(values, address) - 1
        if at < 0:
            return None
        while at and values[at - 1] == values[at]:
            at -= 1
        symbol = self[indices[at]]
        distance = address - symbol.value
        return None if 0 < symbol.size <= distance else (symbol, distance)

    @cached_property
    def _by_address(self) -> tuple[list[int], list[int]]:
        unnamed = (STT_SECTION, STT_FILE, STT_TLS)
        pairs = sorted(
            (value, index)
            for index, (value, head) in enumerate(zip(self.values, self.heads, strict=True))
            if SHN_UNDEF < head >> 48 < SHN_LORESERVE and (head >> 32) & 15 not in unnamed
        )
        return [value for value, _ in pairs], [index for _, index in pairs]


def read_string(strings: memoryview, offset: int) -> str:
    """The null-terminated string at ``offset``; FormatError when it has no end."""
    step = 256
    while offset < len(strings) and step <= _MAX_NAME:
        chunk = bytes(strings[offset : offset + step])
        end = chunk.find(0)
        if end >= 0:
            return chunk[:end].decode("utf-8", "surrogateescape")
        if offset + step >= len(strings):
            break
        step *= 4
    raise FormatError(f"string at {offset} of a string table of {len(strings)} has no end")
