"""A plugin's DWARF through pyelftools, within bounds: nobody has vouched for the file.

pyelftools takes a file at its word. It makes sections as large as their headers say, reads numbers
and names of any length, and follows the links between entries in circles. So it gets streams that
count what it does, and entries are visited in the order of the file only.

Importing this module imports pyelftools, which takes as long as opening a plugin: it is done only
where DWARF is read.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from elftools.common.exceptions import DWARFError, ELFError
from elftools.construct import ConstructError
from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DWARFInfo
from elftools.elf.elffile import ELFFile

from emuplugin.elf.file import ElfFile
from emuplugin.errors import FormatError

#: What reading damaged DWARF raises: pyelftools' own errors, and those of the Python beneath it
#: when a number, a name or a reference is not what it expects.
DAMAGE = (
    ELFError,
    DWARFError,
    ConstructError,
    zlib.error,
    struct.error,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)

#: Bytes in all debug sections together, decompressed. With most of the standard library: 8 MB.
MAX_SIZE = 1 << 29
#: Units of compilation. Go makes one or two per package.
MAX_UNITS = 50_000
#: Reads and questions for the position, per stream; a million of them take about two seconds. A
#: plugin that imports little needs 700,000, one with most of the standard library 1,100,000.
MAX_STEPS = 5_000_000
#: Reads without a change of place. pyelftools reads names byte by byte, and in Go a name can be
#: the text of a whole struct type; long numbers would take time that grows with their square.
MAX_RUN = 1 << 16

DW_LANG_Go = 0x16

_DEBUG_SECTIONS = (".debug_", ".gnu_debug", ".eh_frame")
_REFERENCES = frozenset(
    f"DW_FORM_{form}" for form in ("ref_addr", "ref1", "ref2", "ref4", "ref8", "ref_udata")
)


class _BoundedStream(io.BytesIO):
    """Bytes to read; a FormatError when that takes more steps than any plugin needs."""

    _steps = _run = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._run += 1
        if self._run > MAX_RUN:
            raise FormatError("corrupt DWARF: a name, number or table without end")
        return io.BytesIO.read(self, size)

    def tell(self) -> int:
        self._count()
        return io.BytesIO.tell(self)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._count()
        return io.BytesIO.seek(self, offset, whence)

    def _count(self) -> None:
        self._steps += 1 + self._run
        self._run = 0
        if self._steps > MAX_STEPS:
            raise FormatError("the DWARF is too large to be read")


def open_dwarf(file: ElfFile) -> DWARFInfo:
    """The file's DWARF. Raises FormatError or one of ``DAMAGE``, as all functions here do."""
    elf = ELFFile(_BoundedStream(file.data))
    if elf.get_section_by_name(".zdebug_info") is not None:
        raise FormatError("the DWARF is compressed as Go did before 1.19 (section .zdebug_info)")
    names = [name for name in file.sections if name.startswith(_DEBUG_SECTIONS)]
    size = sum(elf.get_section_by_name(name).data_size for name in names)
    if size > MAX_SIZE:
        raise FormatError(f"the debug sections hold {size} bytes, more than {MAX_SIZE}")
    info = elf.get_dwarf_info(relocate_dwarf_sections=False, follow_links=False)
    info.debug_info_sec = _bounded(info.debug_info_sec)
    info.debug_abbrev_sec = _bounded(info.debug_abbrev_sec)
    info.debug_str_sec = _bounded(info.debug_str_sec)
    info.debug_line_str_sec = _bounded(info.debug_line_str_sec)
    return info


def go_units(info: DWARFInfo) -> Iterator[tuple[str, CompileUnit]]:
    """The units that the Go compiler and linker wrote, with the import path of their package."""
    for number, unit in enumerate(info.iter_CUs()):
        if number == MAX_UNITS:
            raise FormatError(f"the DWARF has more than {MAX_UNITS} units")
        if unit.cu_offset + unit.size > info.debug_info_sec.size:
            raise FormatError("corrupt DWARF: a unit is longer than .debug_info")
        top = unit.get_top_DIE()
        language = top.attributes.get("DW_AT_language")
        if language is not None and language.value == DW_LANG_Go:
            yield name_of(top), unit


def children(parent: DIE) -> Iterator[DIE]:
    """An entry's children, without theirs.

    Unlike pyelftools' ``iter_children`` this keeps none of them, of which a large unit has
    hundreds of thousands, and believes no ``DW_AT_sibling``, which may lead back.
    """
    if not parent.has_children:
        return
    unit, depth = parent.cu, 1
    offset, end = parent.offset + parent.size, unit.cu_offset + unit.size
    while offset < end:
        die = DIE(unit, parent.stream, offset)
        offset += die.size
        if die.is_null():
            depth -= 1
            if depth == 0:
                return
            continue
        if depth == 1:
            yield die
        depth += die.has_children


def name_of(die: DIE) -> str:
    """The entry's name."""
    name = die.attributes["DW_AT_name"].value
    if not isinstance(name, bytes):
        raise FormatError(f"corrupt DWARF: a name that is {name!r}")
    return name.decode()


def number(die: DIE, attribute: str | int) -> int:
    """An attribute that is a number. Raises KeyError if it is not there."""
    value = die.attributes[attribute].value
    if not isinstance(value, int):
        raise FormatError(f"corrupt DWARF: attribute {attribute} is not a number")
    return value


def referenced(die: DIE, attribute: str | int) -> DIE:
    """The entry that an attribute refers to. Raises KeyError if the attribute is not there."""
    form = die.attributes[attribute].form
    if form not in _REFERENCES:
        raise FormatError(f"corrupt DWARF: a reference of form {form}")
    return die.get_DIE_from_attribute(attribute)


def _bounded(section: DebugSectionDescriptor | None) -> DebugSectionDescriptor | None:
    """The section with a stream that counts."""
    if section is None:
        return None
    section.stream.seek(0)
    return section._replace(stream=_BoundedStream(section.stream.read()))
