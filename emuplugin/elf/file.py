"""An ELF64 x86-64 file as it lies on disk."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Final

from emuplugin.elf.buildinfo import BuildInfo, find_build_info
from emuplugin.elf.constants import (
    DT_FINI_ARRAY,
    DT_FINI_ARRAYSZ,
    DT_INIT_ARRAY,
    DT_INIT_ARRAYSZ,
    DT_SONAME,
    DT_STRSZ,
    DT_STRTAB,
    PT_DYNAMIC,
    PT_GNU_RELRO,
    PT_INTERP,
    PT_TLS,
)
from emuplugin.elf.contents import Rest, read
from emuplugin.elf.dynamic import Dynamic
from emuplugin.elf.header import parse_header
from emuplugin.elf.relocation_table import RelocationTable
from emuplugin.elf.sections import Section, check_section_headers, parse_sections, section_data
from emuplugin.elf.segments import Segment, check_loadable, parse_segments, round_up
from emuplugin.elf.symbols import SymbolTable, read_string
from emuplugin.errors import FormatError, OpenError

_MAX_INIT_FUNCTIONS: Final = 1 << 16
_WORD: Final = 8


class ElfFile:
    """An ELF64 x86-64 file. Opening checks header, segments and size; all the rest is read when
    it is asked for. Every method raises an OpenError, most often FormatError or
    TruncatedError, for a file that is not what it claims to be, and nothing else.

    Addresses (*vaddr*) count from the base at which the file is mapped.

    The contents are held in memory, not mapped: a file that somebody shortens or rebuilds
    while it is open must not end the process with SIGBUS.
    """

    #: Of the file that was opened, and when that was, in nanoseconds since 1970, both before it was
    #: read. None and 0 for contents that come from elsewhere.
    status: os.stat_result | None = None
    looked = 0

    def __init__(
        self,
        data: bytes | bytearray | mmap.mmap | memoryview,
        path: str = "",
        *,
        rest: Rest | None = None,
    ) -> None:
        """``rest`` waits until what lies behind the segments is in ``data``, too."""
        self.path = path
        self._view = memoryview(data).toreadonly()
        self._rest = rest
        self.header = parse_header(self._view)
        self.program_headers = parse_segments(self._view, self.header)
        self.segments = check_loadable(self.program_headers, len(self._view))
        """The PT_LOAD segments, ascending by address, page-disjoint."""
        check_section_headers(self.header, len(self._view))

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, in_parts: bool = False) -> ElfFile:
        """Read the regular file at ``path``; with ``in_parts`` only so far that it can be mapped,
        while the rest is read beside.

        Raises PathError when there is none or it can't be read, and what the constructor
        raises. The errors carry ``path``.
        """
        name = os.fspath(path)
        looked = time.time_ns()
        try:
            data, status, rest = read(name, in_parts=in_parts)
            file = cls(data, name, rest=rest)
            file.status, file.looked = status, looked
            return file
        except OpenError as error:
            error.path = error.path or name
            raise

    @property
    def data(self) -> memoryview:
        """All bytes. Waits for them, and raises OpenError if they did not come."""
        if self._rest is not None:
            self._rest()
            self._rest = None
        return self._view

    @property
    def so_far(self) -> memoryview:
        """:attr:`data`, where what lies behind the segments may not have come yet."""
        return self._view

    @property
    def is_whole(self) -> bool:
        """Whether nothing has to be waited for."""
        return self._rest is None

    def __repr__(self) -> str:
        return f"ElfFile({self.path!r}, {len(self._view)} bytes, {len(self.segments)} segments)"

    # --- memory -----------------------------------------------------------------------------

    @property
    def memory_size(self) -> int:
        """Bytes from the base to the end of the last segment, in whole pages."""
        return round_up(self.segments[-1].end) if self.segments else 0

    @property
    def alignment(self) -> int:
        """What the base must be a multiple of."""
        return max((segment.align for segment in self.segments), default=1)

    @cached_property
    def tls(self) -> Segment | None:
        """The template of thread-local storage; its bytes in the file lie in a segment."""
        segment = self._program_header(PT_TLS)
        if segment is not None:
            align = segment.align
            if segment.filesz > segment.memsz or align & (align - 1):
                raise FormatError("ELF thread-local storage segment is corrupt")
            if segment.filesz:
                self.read_vaddr(segment.vaddr, segment.filesz)
        return segment

    @cached_property
    def relro(self) -> Segment | None:
        """What becomes read-only after relocation."""
        segment = self._program_header(PT_GNU_RELRO)
        # Linkers may pad it up to the page that ends its segment.
        if segment is not None and not any(
            s.vaddr <= segment.vaddr and segment.end <= round_up(s.end) for s in self.segments
        ):
            raise FormatError("ELF read-only-after-relocation area lies in no segment")
        return segment

    @property
    def interpreted(self) -> bool:
        """Whether the file names a program interpreter, as dynamic executables do."""
        return self._program_header(PT_INTERP) is not None

    def _program_header(self, type_: int) -> Segment | None:
        return next((s for s in self.program_headers if s.type == type_), None)

    def segment_at(self, vaddr: int, size: int = 1) -> Segment | None:
        """The PT_LOAD segment whose memory holds all ``size`` bytes at ``vaddr``."""
        return next((s for s in self.segments if s.holds(vaddr, size)), None)

    def content(self, segment: Segment) -> memoryview:
        """What the file puts at the start of a segment."""
        return self._view[segment.offset : segment.offset + segment.filesz]

    def read_vaddr(self, vaddr: int, size: int) -> memoryview:
        """``size`` bytes that the file puts at ``vaddr``, before relocation.

        FormatError when they are not all in one segment's bytes in the file: memory that is
        zeroed (``.bss``) has none.
        """
        for s in self.segments:
            if s.vaddr <= vaddr and size >= 0 and vaddr + size <= s.vaddr + s.filesz:
                start = s.offset + vaddr - s.vaddr
                return self._view[start : start + size]
        raise FormatError(f"nothing in the file for the {size} bytes at address {vaddr:#x}")

    def read_from(self, vaddr: int) -> memoryview:
        """All bytes that the file puts at ``vaddr`` and after it in the same segment."""
        for s in self.segments:
            if s.vaddr <= vaddr < s.vaddr + s.filesz:
                return self._view[s.offset + vaddr - s.vaddr : s.offset + s.filesz]
        raise FormatError(f"nothing in the file at address {vaddr:#x}")

    # --- dynamic linking --------------------------------------------------------------------

    @cached_property
    def dynamic(self) -> Dynamic:
        """The dynamic section; FormatError when there is none."""
        segment = self._program_header(PT_DYNAMIC)
        if segment is None:
            raise FormatError("object file has no dynamic section")
        return Dynamic(self.read_vaddr(segment.vaddr, segment.filesz))

    @property
    def has_dynamic(self) -> bool:
        return self._program_header(PT_DYNAMIC) is not None

    @cached_property
    def symbols(self) -> SymbolTable:
        """The dynamic symbols."""
        return SymbolTable.of_dynamic(self)

    @cached_property
    def static_symbols(self) -> SymbolTable | None:
        """The symbols of section ``.symtab``; None in a stripped file."""
        if ".symtab" not in self.sections:
            return None
        return SymbolTable(self.section(".symtab"), self.section(".strtab"))

    @cached_property
    def relocations(self) -> RelocationTable:
        """The relocations that the dynamic section lists."""
        return RelocationTable(self)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """The libraries the file asks for (DT_NEEDED), in order."""
        return tuple(self._dynamic_string(offset) for offset in self.dynamic.needed)

    @cached_property
    def soname(self) -> str:
        """DT_SONAME, or the empty string."""
        offset = self.dynamic.get(DT_SONAME)
        return "" if offset is None else self._dynamic_string(offset)

    def _dynamic_string(self, offset: int) -> str:
        strings = self.read_vaddr(self.dynamic.get(DT_STRTAB, 0), self.dynamic.get(DT_STRSZ, 0))
        return read_string(strings, offset)

    @cached_property
    def init_array(self) -> tuple[int, ...]:
        """Addresses of the functions to call after loading, in order. Null entries are left out."""
        return self._function_array(DT_INIT_ARRAY, DT_INIT_ARRAYSZ)

    @cached_property
    def fini_array(self) -> tuple[int, ...]:
        """Addresses of the functions to call before unloading, in the order of the array (they
        run from the last to the first)."""
        return self._function_array(DT_FINI_ARRAY, DT_FINI_ARRAYSZ)

    def _function_array(self, start_tag: int, size_tag: int) -> tuple[int, ...]:
        start, size = self.dynamic.get(start_tag, 0), self.dynamic.get(size_tag, 0)
        if size % _WORD or size > _MAX_INIT_FUNCTIONS * _WORD:
            raise FormatError(f"array of initialising functions of {size} bytes")
        functions = []
        for at in range(start, start + size, _WORD):
            function = self.relocations.word_at(at)
            if not function:
                continue
            # Each is checked as it is read: a corrupt array must not be read to its end first.
            segment = self.segment_at(function)
            if segment is None or not segment.executable:
                raise FormatError(f"initialising function at {function:#x}, where no code is")
            functions.append(function)
        return tuple(functions)

    # --- sections and what Go adds ----------------------------------------------------------

    @cached_property
    def sections(self) -> Mapping[str, Section]:
        """The sections by name, in the order of the file; empty when it has no headers for them."""
        return parse_sections(self.data, self.header)

    def section(self, name: str) -> memoryview:
        """The bytes of a section; FormatError when it is missing or has none."""
        section = self.sections.get(name)
        if section is None:
            raise FormatError(f"the file has no section {name}")
        return section_data(self.data, section)

    @cached_property
    def build_info(self) -> BuildInfo | None:
        """What the Go linker noted about the build; None in a file that Go did not link."""
        return find_build_info(self)

    @property
    def is_go_plugin(self) -> bool:
        """Whether Go's build info says ``-buildmode=plugin``."""
        info = self.build_info
        return info is not None and info.settings.get("-buildmode") == "plugin"
