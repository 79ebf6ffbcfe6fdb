"""Finding out what lies inside Unicorn, by observation of small engines.

Nothing is assumed: each place is the only one that behaves as expected, or there is none, and the
engine is used as it comes or refused. It takes some milliseconds, once in a process, unless
somebody who has asked the same library before says what came of it: :func:`assume`.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Iterable
from typing import Any

import unicorn
from unicorn import x86_const

from .engine_internals import (
    FLAG_IN_WORD,
    FLAGS_AT_FIRST,
    Internals,
    Registers,
    Translations,
    has_flag,
    helper,
    last_block,
    translations_far_away,
)
from .host_code import HostCode, HostCodeError, is_supported

# The word of the flags is one before the jmp_bufs, and a first run changes it to this.
_AFTER = b"\0\1\0\1"
# It lies at 2 KiB into a structure of more than 15 KiB.
_FLAGS_WITHIN, _STRUCTURE = 4096, 15360
# Two blocks of code for the probe, each ending in a jump to a ``hlt``: address and instructions.
_BLOCKS = ((0x1010, 4, b"\x90\x90\x90\xeb\x03"), (0x1100, 3, b"\x90\x90\xeb\x04"))
_HLT = b"\xf4"
# struct TranslationBlock (exec/exec-all.h): pc, ..., u16 size, u16 icount, ..., tc.ptr, tc.size.
_SIZES, _CODE = struct.Struct("<HH"), struct.Struct("<QQ")
_SIZES_AT, _CODE_AT = 0x14, 0x20
#: Descriptions of blocks, and the code behind them, begin at multiples of this.
_ALIGNMENT = 64
_NEAR = 1 << 16
_FLAGS_AT = 0x10
# Bytes for the translations of the other probe.
_BUFFER = 1 << 24
# Code for the other probe: a jump, and where it goes.
_JUMP, _TARGETS = 0x1010, (0x1100, 0x1200)
# Bytes of the engine's state in which RIP and the flags lie, and a flag that users may change.
_STATE, _AC = 512, 0x40000
_SENTINEL = 0x5EED_1234_5678_5EED
# float_status (fpu/softfloat-types.h), flags of its exceptions and a mode; ZF as helpers set it.
_ROUNDING_IN_STATUS, _FLAGS_IN_STATUS = 1, 2
_INEXACT, _UPWARD, _ZF = b"\x20", b"\x02", b"\x40"

_known: list[Internals] = []


def is_known() -> bool:
    """Whether somebody has looked, or told us."""
    return bool(_known)


def internals() -> Internals:
    """What is known of the engine."""
    if not _known:
        _known.append(find_out())
    return _known[0]


def internals_of(uc: unicorn.Uc) -> Internals:
    """The same, for an engine that was just made; see :func:`has_flag`."""
    if not has_flag(uc, internals()):
        _known[:] = [find_out()]  # what we were told is not so
    return _known[0]


def find_out() -> Internals:
    """Look."""
    probe = _Probe()
    places = _translations(probe.snapshots)
    return Internals(_flag_offset(probe.snapshots), places, _registers(places))


def assume(known: Any) -> None:
    """``known`` (an :class:`Internals`, or lists with the same in it) is what came of it elsewhere,
    with the same library. Raises ValueError or TypeError if it makes no sense."""
    if not _known:
        flag, places, found = known
        _known.append(
            Internals(
                _offset(flag),
                None if places is None else Translations(*map(_offset, places)),
                None if found is None else Registers(*map(_offset, found)),
            )
        )


def _offset(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 20:
        raise ValueError("not an offset")
    return value


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


def _flag_offset(snapshots: list[bytes]) -> int:
    """Offset of ``no_exit_request`` in the engine's structure."""
    before, after, _ = snapshots
    places = [
        at
        for at in range(0, _FLAGS_WITHIN, 4)
        if before[at : at + 4] == FLAGS_AT_FIRST and after[at : at + 4] == _AFTER
    ]
    if len(places) != 1:
        raise RuntimeError(
            f"this build of Unicorn ({unicorn.__version__}) is laid out in a way that emuplugin "
            "does not know; install unicorn 2.1.4"
        )
    return places[0] + FLAG_IN_WORD


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


def _registers(places: Translations | None) -> Registers | None:
    """Where registers are; None if that is not clear, or helpers are called another way than on
    Unix."""
    if places is None or not is_supported() or sys.platform == "win32":
        return None
    if not all(map(helper, ("lookup_tb_ptr", "addsd", "ucomisd", "rdtsc"))):
        return None
    try:
        state = _Watched(places)
        rax, rdx = map(state.general, (x86_const.UC_X86_REG_RAX, x86_const.UC_X86_REG_RDX))
        return Registers(rax, rdx, state.eip(), state.eflags(), state.hflags(), *_float_state())
    except (ValueError, HostCodeError):
        return None


def _float_state() -> tuple[int, int]:
    """Offsets of the state of SSE's arithmetic and of the result of a comparison: what helpers
    change that are called with an empty state. Raises ValueError if that is not clear."""
    state, a, b = (ctypes.create_string_buffer(size) for size in (1 << 16, 64, 64))
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)

    def changed(name: str, left: float, right: float) -> int:
        struct.pack_into("<d", a, 0, left)
        struct.pack_into("<d", b, 0, right)
        function(helper(name))(state, a, b)
        image = state.raw
        (_,) = image.strip(b"\0")  # one byte has changed
        return len(image.rstrip(b"\0")) - 1

    flags = changed("addsd", 1.0, 2.0**-60)
    sse = flags - _FLAGS_IN_STATUS
    state[sse + _ROUNDING_IN_STATUS] = _UPWARD
    struct.pack_into("<d", a, 0, 1.0)
    function(helper("addsd"))(state, a, b)
    if state[flags] != _INEXACT or struct.unpack_from("<d", a)[0] <= 1.0:
        raise ValueError("the state of arithmetic is not as expected")
    ctypes.memset(state, 0, len(state))
    cc_src = changed("ucomisd", 1.0, 1.0)
    if state[cc_src] != _ZF:
        raise ValueError("comparisons are not as expected")
    return sse, cc_src


class _Watched:
    """A small engine of which is known where it keeps its registers."""

    def __init__(self, places: Translations) -> None:
        with translations_far_away(_BUFFER):
            self._uc = uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
            uc.ctl_set_tcg_buffer_size(_BUFFER)
            uc.mem_map(0x1000, 4096)
        uc.mem_write(_JUMP, b"\xff\xe0")  # jmp rax
        for address in _TARGETS:
            uc.mem_write(address, _HLT)
        self._run(_TARGETS[0])
        self._block = self._block_of(last_block(uc, places), places)
        start, size = _CODE.unpack_from(ctypes.string_at(self._block, 64), _CODE_AT)
        lookup = helper("lookup_tb_ptr").to_bytes(8, "little")
        slot = start + ctypes.string_at(start, size).index(lookup)
        # Three cells, and code: mov [rip + first], rdi; mov [rip + third], rbp; jmp [rip + second].
        recorder = HostCode(8192, 4096, None)
        code = b"\x48\x89\x3d" + struct.pack("<i", -4096 - 7)
        code += b"\x48\x89\x2d" + struct.pack("<i", 16 - 4096 - 14)
        code += b"\xff\x25" + struct.pack("<i", 8 - 4096 - 20)
        ctypes.memmove(recorder.address + 8, lookup, 8)
        ctypes.memmove(recorder.address + 4096, code, len(code))
        recorder.seal()
        ctypes.memmove(slot, (recorder.address + 4096).to_bytes(8, "little"), 8)
        self._run(_TARGETS[0])
        self._state, _, kept = struct.unpack("<3Q", ctypes.string_at(recorder.address, 24))
        ctypes.memmove(slot, lookup, 8)
        recorder.close()
        if not self._state:
            raise ValueError("the helper was not called")
        if kept != self._state:
            raise ValueError("blocks do not keep the state's address in RBP")

    def _run(self, target: int) -> None:
        self._uc.reg_write(x86_const.UC_X86_REG_RAX, target)
        self._uc.emu_start(_JUMP, 0)

    @staticmethod
    def _block_of(near: int, places: Translations) -> int:
        start = near & -4096
        for block in range(start, start + _NEAR, _ALIGNMENT):
            image = ctypes.string_at(block, 64)
            if (
                int.from_bytes(image[:8], "little") == _JUMP
                and _CODE.unpack_from(image, _CODE_AT)[0] == block + places.code
            ):
                return block
        raise ValueError("a block was not found")

    def _words(self, form: str) -> list[int]:
        """The state as words of the size ``form`` (of struct)."""
        count = _STATE // struct.calcsize(form)
        return list(struct.unpack(f"<{count}{form}", ctypes.string_at(self._state, _STATE)))

    def general(self, register: int) -> int:
        """Offset of a general register."""
        self._uc.reg_write(register, _SENTINEL)
        found = 8 * _only(at for at, word in enumerate(self._words("Q")) if word == _SENTINEL)
        self._uc.reg_write(register, 0)
        return found

    def eip(self) -> int:
        """Offset of RIP."""
        seen = []
        for target in _TARGETS:
            self._run(target)
            rip = self._uc.reg_read(x86_const.UC_X86_REG_RIP)
            seen.append({at for at, word in enumerate(self._words("Q")) if word == rip})
        return 8 * _only(set.intersection(*seen))

    def eflags(self) -> int:
        """Offset of RFLAGS, of which AC can be changed at will."""
        self._uc.reg_write(x86_const.UC_X86_REG_EFLAGS, 0x202)
        before = self._words("I")
        self._uc.reg_write(x86_const.UC_X86_REG_EFLAGS, 0x202 | _AC)
        after = self._words("I")
        self._uc.reg_write(x86_const.UC_X86_REG_EFLAGS, 0x202)
        pairs = enumerate(zip(before, after, strict=True))
        return 4 * _only(at for at, (old, new) in pairs if old ^ new == _AC)

    def hflags(self) -> int:
        """Offset of the flags of the processor's mode, which a block has a copy of."""
        flags = int.from_bytes(ctypes.string_at(self._block + _FLAGS_AT, 4), "little")
        return 4 * _only(at for at, word in enumerate(self._words("I")) if flags and word == flags)


def _only(found: Iterable[int]) -> int:
    """The only one of ``found``. Raises ValueError if there are more, or none."""
    (one,) = found
    return one
