"""Section headers. Loading needs none of them, and a stripped file may have none."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from emuplugin.elf.constants import SHN_XINDEX, SHT_NOBITS
from emuplugin.elf.header import SECTION_HEADER_SIZE, Header
from emuplugin.errors import FormatError, TruncatedError

_SHDR: Final = struct.Struct("<IIQQQQIIQQ")


class Section(NamedTuple):
    """``Elf64_Shdr``; ``addr`` counts from the base of the mapped file, 0 if not mapped."""

    name: str
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    addralign: int
    entsize: int

    @property
    def in_file(self) -> bool:
        """Whether the section has bytes in the file (``.bss`` and its kind have none)."""
        return self.type != SHT_NOBITS


def check_section_headers(header: Header, file_size: int) -> None:
    """Raise TruncatedError when the file ends before its section headers do.

    Linkers write them last, so this finds a cut anywhere in the file, even one in the debug
    information behind everything that gets mapped.
    """
    if header.e_shoff == 0:
        return
    if header.e_shoff + max(header.e_shnum, 1) * SECTION_HEADER_SIZE > file_size:
        raise TruncatedError("file too short: the section headers lie past its end")
    if header.e_shentsize != SECTION_HEADER_SIZE:
        raise FormatError(f"ELF section headers of {header.e_shentsize} bytes, not 64")


def parse_sections(data: bytes | memoryview, header: Header) -> Mapping[str, Section]:
    """The sections by name, in file order; the first of several with one name. Empty when the
    file has no section headers."""
    if header.e_shoff == 0:
        return {}
    check_section_headers(header, len(data))
    view = memoryview(data)
    first = _SHDR.unpack_from(view, header.e_shoff)
    # A file with more sections than fit in 16 bits keeps their number in section 0.
    count = header.e_shnum or first[5]
    end = header.e_shoff + count * SECTION_HEADER_SIZE
    if end > len(data):
        raise TruncatedError("file too short: the section headers lie past its end")
    rows = list(_SHDR.iter_unpack(view[header.e_shoff : end]))
    names_index = first[6] if header.e_shstrndx == SHN_XINDEX else header.e_shstrndx
    if names_index >= len(rows):
        raise FormatError(f"ELF section name table {names_index} of {len(rows)} sections")
    names = _contents(view, rows[names_index][4], rows[names_index][5])
    sections: dict[str, Section] = {}
    for row in rows[1:]:
        name = _name(names, row[0])
        if name not in sections:
            sections[name] = Section(name, *row[1:])
    return sections


def section_data(data: memoryview, section: Section) -> memoryview:
    """The section's bytes in the file; FormatError or TruncatedError if there are none."""
    if not section.in_file:
        raise FormatError(f"section {section.name} has no bytes in the file")
    return memoryview(_contents(data, section.offset, section.size))


def _contents(data: memoryview, offset: int, size: int) -> memoryview:
    if offset + size > len(data):
        raise TruncatedError("file too short: a section lies past its end")
    return data[offset : offset + size]


def _name(names: memoryview, offset: int) -> str:
    if offset >= len(names):
        raise FormatError(f"ELF section name at {offset}, past the end of the names")
    # Names are short: 256 bytes hold the longest that any toolchain writes.
    return (
        bytes(names[offset : offset + 256]).split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
    )
