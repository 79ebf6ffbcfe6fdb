"""Program headers: what the file wants mapped, and where."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from emuplugin.elf.constants import PAGE_SIZE, PF_R, PF_W, PF_X, PT_LOAD
from emuplugin.elf.header import PROGRAM_HEADER_SIZE, Header
from emuplugin.errors import FormatError, TruncatedError

MAX_IMAGE_SIZE: Final = 1 << 31
"""Position-independent x86-64 code reaches its own data with signed 32-bit displacements, so no
real shared object spans 2 GiB. The bound keeps a corrupt size from becoming an allocation."""

MAX_ALIGNMENT: Final = 1 << 30

_PHDR: Final = struct.Struct("<IIQQQQQQ")


class Segment(NamedTuple):
    """``Elf64_Phdr``. ``vaddr`` counts from the base at which the file is mapped; ``filesz`` bytes
    at ``offset`` in the file are followed in memory by zeros up to ``memsz``."""

    type: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int

    @property
    def readable(self) -> bool:
        return bool(self.flags & PF_R)

    @property
    def writable(self) -> bool:
        return bool(self.flags & PF_W)

    @property
    def executable(self) -> bool:
        return bool(self.flags & PF_X)

    @property
    def end(self) -> int:
        """The address after the last byte in memory."""
        return self.vaddr + self.memsz

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether ``size`` bytes at ``address`` lie within the segment's memory."""
        return self.vaddr <= address and address + size <= self.end


def parse_segments(data: bytes | memoryview, header: Header) -> tuple[Segment, ...]:
    """All program headers in the file's order, none of them checked against the others."""
    end = header.e_phoff + header.e_phnum * PROGRAM_HEADER_SIZE
    if end > len(data):
        raise TruncatedError("file too short: the program headers lie past its end")
    return tuple(
        Segment(type_, flags, offset, vaddr, filesz, memsz, align)
        for type_, flags, offset, vaddr, _paddr, filesz, memsz, align in _PHDR.iter_unpack(
            memoryview(data)[header.e_phoff : end]
        )
    )


def check_loadable(segments: Iterable[Segment], file_size: int) -> tuple[Segment, ...]:
    """The PT_LOAD segments, ascending, none sharing a page, each within the file.

    Raises FormatError in the words of glibc's loader (``elf/dl-load.c: _dl_map_object_from_fd``)
    where it has them, and TruncatedError for a segment past the end of the file.
    """
    loadable = tuple(s for s in segments if s.type == PT_LOAD and s.memsz)
    previous_end = 0
    for segment in loadable:
        align = segment.align
        if align % PAGE_SIZE or align & (align - 1) or not 0 < align <= MAX_ALIGNMENT:
            raise FormatError("ELF load command alignment not page-aligned")
        if (segment.vaddr - segment.offset) % align:
            raise FormatError("ELF load command address/offset not properly aligned")
        if segment.filesz > segment.memsz:
            raise FormatError("ELF load command has more bytes in the file than in memory")
        if segment.end > MAX_IMAGE_SIZE:
            raise FormatError(
                f"ELF load command reaches address {segment.end:#x}: "
                "no plugin spans more than 2 GiB"
            )
        if segment.offset + segment.filesz > file_size:
            raise TruncatedError(
                f"file too short: a segment ends at {segment.offset + segment.filesz}, "
                f"the file at {file_size}"
            )
        if segment.vaddr // PAGE_SIZE * PAGE_SIZE < previous_end:
            raise FormatError("ELF load commands overlap or are not in ascending order")
        previous_end = round_up(segment.end)
    return loadable


def round_up(address: int) -> int:
    """``address`` rounded up to a whole page."""
    return -(-address // PAGE_SIZE) * PAGE_SIZE
