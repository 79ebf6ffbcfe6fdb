"""Every relocation of the x86-64 ABI: what it computes, or that it is not supported.

`KINDS` is the coverage document. Kinds that a static linker consumes never reach a shared
object; they and the few that need more than the file stay in the table as comments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from emuplugin.errors import UnknownRelocationError


class Operands(NamedTuple):
    """What a relocation computes with; the letters of the psABI stand behind the names."""

    symbol: int  # S: the symbol's address; for symbol 0 the base
    addend: int  # A
    place: int  # P: the address of the relocated bytes
    base: int  # B
    size: int  # Z: the symbol's size
    thread_offset: int  # S as an offset from the thread pointer (FS base), for TLS symbols
    block_offset: int  # S as an offset into its module's TLS block
    tls_module: int  # the number by which __tls_get_addr knows the module


class RelocationKind(NamedTuple):
    """``name`` in the ABI, bytes written (little-endian), and the value.

    ``signed`` says how a value of four bytes is checked: None for eight bytes, which wrap."""

    name: str
    width: int
    value: Callable[[Operands], int]
    signed: bool | None = None


R_X86_64_NONE: Final = 0
R_X86_64_64: Final = 1
R_X86_64_GLOB_DAT: Final = 6
R_X86_64_JUMP_SLOT: Final = 7
R_X86_64_RELATIVE: Final = 8

WORDS: Final = frozenset({R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT, R_X86_64_RELATIVE})
"""The kinds that write the eight bytes S + A, with the base as S where there is no symbol. All but
a handful of a plugin's relocations are of these four."""


def _symbol(o: Operands) -> int:
    return o.symbol + o.addend


def _relative(o: Operands) -> int:
    return o.base + o.addend


def _pc_relative(o: Operands) -> int:
    return o.symbol + o.addend - o.place


def _size(o: Operands) -> int:
    return o.size + o.addend


def _thread_offset(o: Operands) -> int:
    return o.thread_offset + o.addend


def _block_offset(o: Operands) -> int:
    return o.block_offset + o.addend


def _tls_module(o: Operands) -> int:
    return o.tls_module


KINDS: Final[Mapping[int, RelocationKind]] = MappingProxyType(
    {
        0: RelocationKind("R_X86_64_NONE", 0, lambda o: 0),
        1: RelocationKind("R_X86_64_64", 8, _symbol),
        2: RelocationKind("R_X86_64_PC32", 4, _pc_relative, signed=True),
        # 3: R_X86_64_GOT32, static linker only
        # 4: R_X86_64_PLT32, static linker only
        # 5: R_X86_64_COPY, executables only
        6: RelocationKind("R_X86_64_GLOB_DAT", 8, _symbol),
        7: RelocationKind("R_X86_64_JUMP_SLOT", 8, _symbol),
        8: RelocationKind("R_X86_64_RELATIVE", 8, _relative),
        # 9: R_X86_64_GOTPCREL, static linker only
        10: RelocationKind("R_X86_64_32", 4, _symbol, signed=False),
        11: RelocationKind("R_X86_64_32S", 4, _symbol, signed=True),
        # 12: R_X86_64_16, static linker only
        # 13: R_X86_64_PC16, static linker only
        # 14: R_X86_64_8, static linker only
        # 15: R_X86_64_PC8, static linker only
        16: RelocationKind("R_X86_64_DTPMOD64", 8, _tls_module),
        17: RelocationKind("R_X86_64_DTPOFF64", 8, _block_offset),
        18: RelocationKind("R_X86_64_TPOFF64", 8, _thread_offset),
        # 19: R_X86_64_TLSGD, static linker only
        # 20: R_X86_64_TLSLD, static linker only
        # 21: R_X86_64_DTPOFF32, static linker only
        # 22: R_X86_64_GOTTPOFF, static linker only
        # 23: R_X86_64_TPOFF32, static linker only
        24: RelocationKind("R_X86_64_PC64", 8, _pc_relative),
        # 25: R_X86_64_GOTOFF64, static linker only
        # 26: R_X86_64_GOTPC32, static linker only
        # 27: R_X86_64_GOT64, static linker only
        # 28: R_X86_64_GOTPCREL64, static linker only
        # 29: R_X86_64_GOTPC64, static linker only
        # 30: R_X86_64_GOTPLT64, static linker only
        # 31: R_X86_64_PLTOFF64, static linker only
        32: RelocationKind("R_X86_64_SIZE32", 4, _size, signed=False),
        33: RelocationKind("R_X86_64_SIZE64", 8, _size),
        # 34: R_X86_64_GOTPC32_TLSDESC, static linker only
        # 35: R_X86_64_TLSDESC_CALL, static linker only
        # 36: R_X86_64_TLSDESC, C built with -mtls-dialect=gnu2: needs a resolver in the guest
        # 37: R_X86_64_IRELATIVE, C with ifunc resolvers: needs guest code to run while loading
        38: RelocationKind("R_X86_64_RELATIVE64", 8, _relative),
        # 41: R_X86_64_GOTPCRELX, static linker only
        # 42: R_X86_64_REX_GOTPCRELX, static linker only
    }
)

UNSUPPORTED_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        3: "R_X86_64_GOT32",
        4: "R_X86_64_PLT32",
        5: "R_X86_64_COPY",
        9: "R_X86_64_GOTPCREL",
        12: "R_X86_64_16",
        13: "R_X86_64_PC16",
        14: "R_X86_64_8",
        15: "R_X86_64_PC8",
        19: "R_X86_64_TLSGD",
        20: "R_X86_64_TLSLD",
        21: "R_X86_64_DTPOFF32",
        22: "R_X86_64_GOTTPOFF",
        23: "R_X86_64_TPOFF32",
        25: "R_X86_64_GOTOFF64",
        26: "R_X86_64_GOTPC32",
        27: "R_X86_64_GOT64",
        28: "R_X86_64_GOTPCREL64",
        29: "R_X86_64_GOTPC64",
        30: "R_X86_64_GOTPLT64",
        31: "R_X86_64_PLTOFF64",
        34: "R_X86_64_GOTPC32_TLSDESC",
        35: "R_X86_64_TLSDESC_CALL",
        36: "R_X86_64_TLSDESC",
        37: "R_X86_64_IRELATIVE",
        41: "R_X86_64_GOTPCRELX",
        42: "R_X86_64_REX_GOTPCRELX",
    }
)
"""Names for error messages about kinds that `KINDS` only comments on."""


def unknown_relocation(number: int) -> UnknownRelocationError:
    """The error for a kind that `KINDS` does not have."""
    name = UNSUPPORTED_NAMES.get(number)
    return UnknownRelocationError(
        f"unexpected reloc type {number:#04x}: "
        + (f"{name} is not supported" if name else "x86-64 has no such relocation"),
        number=number,
    )
