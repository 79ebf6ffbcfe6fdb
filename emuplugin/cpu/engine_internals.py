"""What lies inside Unicorn and is not in its interface, found by observation of a probe.

Two things are made use of:

* The engine emits, behind every guest memory access, a call that looks whether somebody asked it
  to stop, and if so leaves with RIP at the instruction whose access has just happened. A stop from
  another thread can therefore run ``inc [mem]`` or ``push`` twice (unicorn issue 1355), and every
  access pays for the question. A flag of the engine (``no_exit_request`` in ``struct uc_struct``;
  it needs it for ARM's IT blocks) leaves these calls out. The question at the start of each block
  remains, so a stop is exact, and memory accesses are about twice as fast.
* That question is itself a call of a helper. Where translated blocks lie, and how the call looks
  in them, is what :mod:`stops` needs to put a better helper in its place.

Nothing of this is assumed: each place is the only one that behaves as expected in a probe, or
there is none, and the engine is used as it comes or refused.
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from typing import NamedTuple

import unicorn

# The four flags hook_insert, first_tb, no_exit_request, init_done lie side by side, in a word of
# their own before the jmp_bufs, and a first run changes them from 0,0,0,1 to 0,1,0,1.
_BEFORE, _AFTER = b"\0\0\0\1", b"\0\1\0\1"
_FLAG_IN_WORD = 2
# The flags lie at 2 KiB into a structure of more than 15 KiB.
_FLAGS_WITHIN, _STRUCTURE = 4096, 15360
_ON = b"\1"
# Two blocks of code for the probe, each ending in a jump to a ``hlt``: address and instructions.
_BLOCKS = ((0x1010, 4, b"\x90\x90\x90\xeb\x03"), (0x1100, 3, b"\x90\x90\xeb\x04"))
_HLT = b"\xf4"
# struct TranslationBlock (exec/exec-all.h): pc, ..., u16 size, u16 icount, ..., tc.ptr, tc.size.
_SIZES, _CODE = struct.Struct("<HH"), struct.Struct("<QQ")
_SIZES_AT, _CODE_AT = 0x14, 0x20
#: Descriptions of blocks, and the code behind them, begin at multiples of this.
_ALIGNMENT = 64
_NEAR = 1 << 16


class Translations(NamedTuple):
    """Where an engine keeps its translated blocks: ``last`` is the offset, in its structure, of the
    pointer to the description of a block that ran; ``code`` is how far behind a description its
    code begins."""

    last: int
    code: int


class _Probe:
    """A small engine, watched while it runs two blocks."""

    def __init__(self) -> None:
        self._uc = uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        uc.mem_map(0x1000, 4096)
        self.address = uc._uch.value
        self.snapshots = [self._snapshot()]
        for address, _, code in _BLOCKS:
            uc.mem_write(address, code)
            uc.mem_write(address + len(code) + code[-1], _HLT)
            uc.emu_start(address, 0)
            self.snapshots.append(self._snapshot())

    def _snapshot(self) -> bytes:
        return ctypes.string_at(self.address, _STRUCTURE)


class _Findings(NamedTuple):
    flag: int
    translations: Translations | None


@cache
def _findings() -> _Findings:
    probe = _Probe()
    return _Findings(_flag_offset(probe.snapshots), _translations(probe.snapshots))


def _flag_offset(snapshots: list[bytes]) -> int:
    """Offset of ``no_exit_request`` in the engine's structure."""
    before, after, _ = snapshots
    places = [
        at
        for at in range(0, _FLAGS_WITHIN, 4)
        if before[at : at + 4] == _BEFORE and after[at : at + 4] == _AFTER
    ]
    if len(places) != 1:
        raise RuntimeError(
            f"this build of Unicorn ({unicorn.__version__}) is laid out in a way that emuplugin "
            "does not know; install unicorn 2.1.4"
        )
    return places[0] + _FLAG_IN_WORD


def stop_only_between_instructions(uc: unicorn.Uc) -> None:
    """Make ``uc_emu_stop`` from any thread exact for ``uc``.

    Call it when memory is mapped (that initialises the engine) and before any code is translated.
    """
    ctypes.memmove(uc._uch.value + _findings().flag, _ON, 1)


def translations() -> Translations | None:
    """Where translated blocks are; None if they are not as expected."""
    return _findings().translations


def _translations(snapshots: list[bytes]) -> Translations | None:
    """The pointer to the last block is null in a new engine, then points to the first block of the
    probe, then to the second, which was translated soon after it.
    """
    words = [struct.unpack(f"<{_STRUCTURE // 8}Q", image) for image in snapshots]
    found = [
        Translations(8 * index, _code_offset(first, second))
        for index, (new, first, second) in enumerate(zip(*words, strict=True))
        if not new
        and first
        and not (first | second) % _ALIGNMENT
        and 0 < second - first < _NEAR
        and _code_offset(first, second)
    ]
    return found[0] if len(found) == 1 else None


def _code_offset(*blocks: int) -> int:
    """How far behind the descriptions at ``blocks`` code begins; 0 if they are none of the
    probe's."""
    offsets = set()
    for block, (address, count, code) in zip(blocks, _BLOCKS, strict=True):
        image = ctypes.string_at(block, _CODE_AT + _CODE.size)
        start, size = _CODE.unpack_from(image, _CODE_AT)
        if (
            int.from_bytes(image[:8], "little") != address
            or _SIZES.unpack_from(image, _SIZES_AT) != (len(code), count)
            or not 0 < size < _NEAR
        ):
            return 0
        offsets.add(start - block)
    offset: int = offsets.pop()
    return 0 if offsets or not 0 < offset < 4096 or offset % _ALIGNMENT else offset


def last_block(uc: unicorn.Uc, places: Translations) -> int:
    """The description of a block that ``uc`` has run."""
    return int.from_bytes(ctypes.string_at(uc._uch.value + places.last, 8), "little")


def helper_called(block: int, places: Translations, zero_argument: bytes) -> int:
    """The address of the helper that a block calls at its start; 0 if it does not.

    The call follows on the loading of its two arguments: the engine, and 0.
    """
    start = block + places.code
    code = ctypes.string_at(start, 32)
    for at in range(5, 13):
        if code[at : at + 2] != zero_argument:
            continue
        behind = start + at + 2
        if code[at + 2] == 0xE8:  # call rel32
            return behind + 5 + struct.unpack_from("<i", code, at + 3)[0]  # type: ignore[no-any-return]
        if code[at + 2 : at + 4] == b"\xff\x15":  # call [rip + rel32]
            slot = behind + 6 + struct.unpack_from("<i", code, at + 4)[0]
            return int.from_bytes(ctypes.string_at(slot, 8), "little")
    return 0
