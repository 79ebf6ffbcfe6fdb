"""Machine code for the host that counts the guest's instructions as they run.

Unicorn begins each block of translated code with a call to a helper that looks whether somebody
wants the run to stop. Here is a better helper: one *stub* for each length that a block can have.
A stub takes the length off a counter and returns; it leaves the run, in front of the block, when a
stop is requested or the counter would become negative. The *patcher* is called by Unicorn for each
block that it has translated, and redirects the call at the block's start to the right stub.

Every line of the listings is the code, ``|``, and what it says in Intel syntax; the test of this
module disassembles them. The code reaches its data, :class:`Cells`, by RIP-relative addresses,
so it is the same for every engine.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from functools import cache

from .engine_internals import Translations

#: A block has at most so many instructions (TCG_MAX_INSNS).
MAX_INSTRUCTIONS = 512
#: Bytes before the code, for :class:`Cells`: a page, so that the code can be made read-only.
CODE_AT = 4096
_STUB_SIZE = 64
_WINDOWS = sys.platform == "win32"


class Cells(ctypes.Structure):
    """What the code works on. ``requested`` is set by whoever wants the run to stop; ``expired``
    by a stub that would have made ``remaining`` negative."""

    _fields_ = (
        ("requested", ctypes.c_uint64),
        ("expired", ctypes.c_uint64),
        ("remaining", ctypes.c_int64),
        ("emu_stop", ctypes.c_uint64),  # uc_emu_stop
        ("helper", ctypes.c_uint64),  # what blocks call by themselves
        ("cursor", ctypes.c_uint64),  # no block was translated at or behind this one yet
        ("start", ctypes.c_uint64),  # of the buffer of translations
        ("window", ctypes.c_uint64),  # bytes searched for a new block
        ("end", ctypes.c_uint64),  # of the buffer
        ("stubs", ctypes.c_uint64),
        ("missed", ctypes.c_uint64),  # blocks that could not be redirected
        ("left", ctypes.c_uint64),  # whether a stub has ended the run
    )


_CELL = {name: getattr(Cells, name).offset for name, *_ in Cells._fields_}
_EXPIRED_SIZE = 7  # of the instruction at "expired"

# The engine's conventions are the host's: the first argument (the engine) is in RDI or RCX.
_EXIT_UNIX = """
    c605{expired}01      | expired: mov byte ptr [rip + expired], 1
    c605{left}01         | exit: mov byte ptr [rip + left], 1
    57                   | push rdi
    ff15{emu_stop}       | call qword ptr [rip + emu_stop]
    5f                   | pop rdi
    31f6                 | xor esi, esi
    ff25{helper}         | jmp qword ptr [rip + helper]
"""
_EXIT_WINDOWS = """
    c605{expired}01      | expired: mov byte ptr [rip + expired], 1
    c605{left}01         | exit: mov byte ptr [rip + left], 1
    51                   | push rcx
    4883ec20             | sub rsp, 0x20
    ff15{emu_stop}       | call qword ptr [rip + emu_stop]
    4883c420             | add rsp, 0x20
    59                   | pop rcx
    31d2                 | xor edx, edx
    ff25{helper}         | jmp qword ptr [rip + helper]
"""
# A stub, with its displacements and its length n:
#   cmp byte ptr [rip + requested], 0
#   jne exit
#   sub qword ptr [rip + remaining], n
#   js undo
#   ret
#   undo: add qword ptr [rip + remaining], n
#   jmp expired
_STUB = struct.Struct("<2si1s 2si 3siI 3s 3siI 1si")

# The hook for new blocks: (engine, struct uc_tb { u64 pc; u16 icount, size; } *, previous, cells).
_ENTER_UNIX = """
    4989ca               | 00  mov r10, rcx
    4c8b06               | 03  mov r8, qword ptr [rsi]
    440fb74e08           | 06  movzx r9d, word ptr [rsi + 8]
"""
_ENTER_WINDOWS = """
    4d89ca               | 00  mov r10, r9
    4c8b02               | 03  mov r8, qword ptr [rdx]
    440fb74a08           | 06  movzx r9d, word ptr [rdx + 8]
"""
# It looks for the block with this address and length (its description lies in front of its code),
# then for the call of the helper near the start of the code, and makes it call a stub instead.
# Bit 31 of R9 remembers that the search has begun again at the start of the buffer.
_PATCHER = """
    4181f900020000       | 0b  cmp r9d, 0x200
    0f87bb000000         | 12  ja 0xd3
    498b4228             | 18  mov rax, qword ptr [r10 + 0x28]
    4889c1               | 1c  mov rcx, rax
    49034a38             | 1f  add rcx, qword ptr [r10 + 0x38]
    493b4a40             | 23  cmp rcx, qword ptr [r10 + 0x40]
    7604                 | 27  jbe 0x2d
    498b4a40             | 29  mov rcx, qword ptr [r10 + 0x40]
    4839c8               | 2d  cmp rax, rcx
    731f                 | 30  jae 0x51
    4c3900               | 32  cmp qword ptr [rax], r8
    7514                 | 35  jne 0x4b
    6644394816           | 37  cmp word ptr [rax + 0x16], r9w
    750d                 | 3c  jne 0x4b
    488d90{code}         | 3e  lea rdx, [rax + code]
    48395020             | 45  cmp qword ptr [rax + 0x20], rdx
    741e                 | 49  je 0x69
    4883c040             | 4b  add rax, 0x40
    ebdc                 | 4f  jmp 0x2d
    498b4230             | 51  mov rax, qword ptr [r10 + 0x30]
    4889c1               | 55  mov rcx, rax
    49034a38             | 58  add rcx, qword ptr [r10 + 0x38]
    49894228             | 5c  mov qword ptr [r10 + 0x28], rax
    410fbaf91f           | 60  btc r9d, 0x1f
    726c                 | 65  jb 0xd3
    ebc4                 | 67  jmp 0x2d
    488d4840             | 69  lea rcx, [rax + 0x40]
    49894a28             | 6d  mov qword ptr [r10 + 0x28], rcx
    410fbaf11f           | 71  btr r9d, 0x1f
    49c1e106             | 76  shl r9, 6
    4d034a48             | 7a  add r9, qword ptr [r10 + 0x48]
    4d8b4220             | 7e  mov r8, qword ptr [r10 + 0x20]
    b905000000           | 82  mov ecx, 5
    66813c0a{zero}       | 87  cmp word ptr [rdx + rcx], zero
    753d                 | 8d  jne 0xcc
    807c0a02e8           | 8f  cmp byte ptr [rdx + rcx + 2], 0xe8
    741d                 | 94  je 0xb3
    66817c0a02ff15       | 96  cmp word ptr [rdx + rcx + 2], 0x15ff
    752d                 | 9d  jne 0xcc
    488d440a08           | 9f  lea rax, [rdx + rcx + 8]
    4c6358fc             | a4  movsxd r11, dword ptr [rax - 4]
    4e390418             | a8  cmp qword ptr [rax + r11], r8
    751e                 | ac  jne 0xcc
    4e890c18             | ae  mov qword ptr [rax + r11], r9
    c3                   | b2  ret
    488d440a07           | b3  lea rax, [rdx + rcx + 7]
    4c6358fc             | b8  movsxd r11, dword ptr [rax - 4]
    4901c3               | bc  add r11, rax
    4d39c3               | bf  cmp r11, r8
    7508                 | c2  jne 0xcc
    4929c1               | c4  sub r9, rax
    448948fc             | c7  mov dword ptr [rax - 4], r9d
    c3                   | cb  ret
    ffc1                 | cc  inc ecx
    83f90d               | ce  cmp ecx, 0xd
    72b4                 | d1  jb 0x87
    49ff4250             | d3  inc qword ptr [r10 + 0x50]
    c3                   | d7  ret
"""
#: The second argument of the helper is 0: ``xor esi, esi`` or ``xor edx, edx``.
ZERO_ARGUMENT = bytes.fromhex("33d2" if _WINDOWS else "33f6")


class CountingCode:
    """The code as ``content``, to be placed :data:`CODE_AT` bytes behind its cells, and the
    offsets from the cells to the ``patcher`` and the ``stubs``."""

    def __init__(self, translations: Translations) -> None:
        content = bytearray()

        def append(listing: str, **values: bytes) -> None:
            for line in listing.strip().splitlines():
                content.extend(_assemble(line, CODE_AT + len(content), values))

        def align(to: int) -> int:
            content.extend(b"\xcc" * (-len(content) % to))
            return CODE_AT + len(content)

        append(_EXIT_WINDOWS if _WINDOWS else _EXIT_UNIX)
        self.patcher = align(_STUB_SIZE)
        append(_ENTER_WINDOWS if _WINDOWS else _ENTER_UNIX)
        append(_PATCHER, code=struct.pack("<I", translations.code), zero=ZERO_ARGUMENT)
        self.stubs = align(_STUB_SIZE)
        content += b"".join(
            _stub(count, self.stubs + count * _STUB_SIZE).ljust(_STUB_SIZE, b"\xcc")
            for count in range(MAX_INSTRUCTIONS + 1)
        )
        self.content = bytes(content)


def _assemble(line: str, at: int, values: dict[str, bytes]) -> bytes:
    """One line of a listing, to be placed at the offset ``at`` from the cells."""
    code = line.split("|")[0].strip()
    for name, value in values.items():
        code = code.replace(f"{{{name}}}", value.hex())
    for name in _CELL:
        if f"{{{name}}}" in code:
            end = at + len(code.replace(f"{{{name}}}", "0" * 8)) // 2
            code = code.replace(f"{{{name}}}", struct.pack("<i", _CELL[name] - end).hex())
    return bytes.fromhex(code)


def _stub(count: int, at: int) -> bytes:
    expired, leave = CODE_AT, CODE_AT + _EXPIRED_SIZE
    requested, remaining = _CELL["requested"], _CELL["remaining"]
    return _STUB.pack(
        b"\x80\x3d", requested - (at + 7), b"\0",
        b"\x0f\x85", leave - (at + 13),
        b"\x48\x81\x2d", remaining - (at + 24), count,
        b"\x78\x01\xc3",
        b"\x48\x81\x05", remaining - (at + 38), count,
        b"\xe9", expired - (at + 43),
    )  # fmt: skip


@cache
def counting_code(translations: Translations) -> CountingCode:
    """The code for this host and engine; made once."""
    return CountingCode(translations)
