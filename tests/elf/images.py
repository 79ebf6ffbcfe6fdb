"""What the tests of this folder share: mapping a file, changing its bytes, and everything a
loader does with a file."""

from __future__ import annotations

import struct

from emuplugin.elf.file import ElfFile
from emuplugin.elf.moduledata import find_moduledata
from emuplugin.elf.pclntab import PclnTable
from emuplugin.elf.refusals import check_plugin
from emuplugin.elf.relocations import relocate

MODULEDATA_TEXT = 176
"""Offset of ``moduledata.text``, the same from Go 1.20 to 1.27."""


def map_image(file: ElfFile) -> memoryview:
    """The segments of a file where they belong, not relocated."""
    image = bytearray(file.memory_size)
    for segment in file.segments:
        image[segment.vaddr : segment.vaddr + segment.filesz] = file.read_vaddr(
            segment.vaddr, segment.filesz
        )
    return memoryview(image)


def file_offset(file: ElfFile, vaddr: int) -> int:
    """Where in the file the byte for an address lies."""
    segment = file.segment_at(vaddr)
    assert segment is not None
    return segment.offset + vaddr - segment.vaddr


def patched(file: ElfFile, *patches: tuple[int, bytes]) -> bytes:
    """The file's bytes with some replaced; a patch is an address and the new bytes."""
    data = bytearray(file.data)
    for vaddr, new in patches:
        at = file_offset(file, vaddr)
        data[at : at + len(new)] = new
    return bytes(data)


def with_dynamic(file: ElfFile, changes: dict[int, int]) -> bytes:
    """The file's bytes with other values for entries of its dynamic section."""
    data = bytearray(file.data)
    segment = next(s for s in file.program_headers if s.type == 2)
    for at in range(segment.offset, segment.offset + segment.filesz, 16):
        (tag,) = struct.unpack_from("<Q", data, at)
        if tag in changes:
            struct.pack_into("<Q", data, at + 8, changes[tag])
    return bytes(data)


def without_sections(file: ElfFile) -> bytes:
    """The file's bytes without section headers, as some strippers leave it."""
    data = bytearray(file.data)
    struct.pack_into("<Q", data, 40, 0)  # e_shoff
    struct.pack_into("<HHH", data, 58, 0, 0, 0)  # e_shentsize, e_shnum, e_shstrndx
    return bytes(data)


def open_pclntab(file: ElfFile, gofunc: int | None = None) -> PclnTable:
    """The function table of a file at base 0."""
    moduledata = find_moduledata(file)
    word_at = file.relocations.word_at
    return PclnTable(
        file.read_from(word_at(moduledata)),
        word_at(moduledata + MODULEDATA_TEXT),
        b"" if gofunc is None else file.read_from(gofunc),
    )


def touch_everything(data: bytes) -> None:
    """Do all that a loader does with a file's bytes, and what the information commands do."""
    file = ElfFile(data)
    check_plugin(file)
    _ = file.tls, file.relro, file.needed, file.soname, file.fini_array, file.static_symbols
    _ = file.symbols.undefined
    for name in ("runtime.m0", "runtime.mheap_", "no such name"):
        file.symbols.find(name)
    file.symbols.nearest(file.memory_size // 2)
    table = open_pclntab(file)
    for pc in range(table.text, table.text + 0x20000, 0x3331):
        table.frames(pc)
    if file.memory_size < 64 << 20:  # the memory limit of the machine would refuse more
        relocate(file, map_image(file), 1 << 28, lambda name: 16, tls_offset=-8)
