"""The ELF header: what a file is before anything else of it is believed."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from emuplugin.elf.constants import (
    EI_ABIVERSION,
    EI_CLASS,
    EI_DATA,
    EI_NIDENT,
    EI_OSABI,
    EI_PAD,
    EI_VERSION,
    ELFCLASS64,
    ELFDATA2LSB,
    ELFMAG,
    ELFOSABI_GNU,
    ELFOSABI_NONE,
    EM_X86_64,
    EV_CURRENT,
    MACHINE_NAMES,
)
from emuplugin.errors import FormatError, NotElfError, TruncatedError, WrongTargetError

HEADER_SIZE: Final = 64
PROGRAM_HEADER_SIZE: Final = 56
SECTION_HEADER_SIZE: Final = 64

_ADVICE: Final = "emuplugin opens plugins built with GOOS=linux GOARCH=amd64"
_EHDR: Final = struct.Struct("<HHIQQQIHHHHHH")


class Header(NamedTuple):
    """``Elf64_Ehdr`` without ``e_ident``; the fields have the ABI's names and units."""

    e_type: int
    e_machine: int
    e_version: int
    e_entry: int
    e_phoff: int
    e_shoff: int
    e_flags: int
    e_ehsize: int
    e_phentsize: int
    e_phnum: int
    e_shentsize: int
    e_shnum: int
    e_shstrndx: int


def parse_header(data: bytes | memoryview) -> Header:
    """The header in the first 64 bytes of ``data``.

    The checks, their order and their words are those of glibc's loader (``elf/dl-load.c:
    open_verify``), which says nothing of use about another processor: those words are ours.

    Raises TruncatedError, NotElfError, WrongTargetError or FormatError.
    """
    ident = bytes(data[:EI_NIDENT])
    if len(data) < HEADER_SIZE:
        looks_like_elf = ident[:4] == ELFMAG[: len(ident)]
        what = "" if looks_like_elf else ", and it does not begin like an ELF file either"
        raise TruncatedError(f"file too short: {len(data)} bytes{what}")
    if not ident.startswith(ELFMAG):
        raise NotElfError(
            "invalid ELF header: not an ELF file; give the file that "
            "go build -buildmode=plugin wrote"
        )
    _check_ident(ident)
    header = Header._make(_EHDR.unpack_from(data, EI_NIDENT))
    if header.e_version != EV_CURRENT:
        raise FormatError("ELF file version does not match current one")
    if header.e_machine != EM_X86_64:
        machine = MACHINE_NAMES.get(header.e_machine, f"processor number {header.e_machine}")
        raise WrongTargetError(f"ELF file for another processor: {machine}, not x86-64; {_ADVICE}")
    if header.e_phnum and header.e_phentsize != PROGRAM_HEADER_SIZE:
        raise FormatError("ELF file's phentsize not the expected size")
    return header


def _check_ident(ident: bytes) -> None:
    if ident[EI_CLASS] != ELFCLASS64:
        name = {0: "ELFCLASSNONE", 1: "ELFCLASS32"}.get(ident[EI_CLASS], str(ident[EI_CLASS]))
        raise WrongTargetError(f"wrong ELF class: {name}; {_ADVICE}")
    if ident[EI_DATA] != ELFDATA2LSB:
        raise WrongTargetError(f"ELF file data encoding not little-endian; {_ADVICE}")
    if ident[EI_VERSION] != EV_CURRENT:
        raise FormatError("ELF file version ident does not match current one")
    if ident[EI_OSABI] not in (ELFOSABI_NONE, ELFOSABI_GNU):
        raise WrongTargetError(f"ELF file OS ABI invalid: {ident[EI_OSABI]}; {_ADVICE}")
    if ident[EI_ABIVERSION] != 0:
        raise WrongTargetError(f"ELF file ABI version invalid: {ident[EI_ABIVERSION]}")
    if any(ident[EI_PAD:]):
        raise FormatError("nonzero padding in e_ident")
