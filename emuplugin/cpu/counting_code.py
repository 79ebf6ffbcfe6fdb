"""Machine code for the host that counts the guest's instructions as they run.

Unicorn begins each block of translated code with a call to a helper that looks whether somebody
wants the run to stop. The *patcher*, which Unicorn calls for each block that it has translated,
puts something better there: the block's length is taken off a counter, and when that becomes
negative it is looked further. Where there is room for it these are two instructions in the block
itself, followed by a call that is not taken; else the helper's call is redirected to a *stub* that
does the same, one for each length.

The counter holds no more than :data:`QUANTUM` instructions; the others are in reserve. When it
becomes negative, the run is left in front of the block if somebody has requested that, or if
nothing is in reserve. Blocks ask no more than that, because each question costs: that the counter
alone could be made negative from another thread was tried, and is lost in short loops, whose own
change of the counter is under way nearly all the time.

The patcher also replaces other helpers that the block calls by better ones, where there are such;
see :mod:`helper_code`.

Blocks that begin an iteration of a known loop call an accelerator instead, which counts as well;
see :mod:`accelerators`.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from functools import cache
from itertools import repeat

from .engine_internals import Translations
from .listing import Assembly

#: A block has at most so many instructions (TCG_MAX_INSNS).
MAX_INSTRUCTIONS = 512
#: The longest block whose counting fits into it: the length is a signed byte there.
MAX_INLINE = 127
#: Bytes before the code, for :class:`Cells`: a page, so that the code can be made read-only.
CODE_AT = 4096
#: After so many instructions at most it is noticed that somebody has requested a stop.
QUANTUM = 1 << 16
#: Helpers that can be replaced.
MAX_PAIRS = 16
#: Entries of the table of blocks; see helper_code.py.
TABLE_ENTRIES = 1 << 14
_STUB_SIZE = 64
_UNDO = 14  # in a stub
_WINDOWS = sys.platform == "win32"


class Cells(ctypes.Structure):
    """What the code works on."""

    _fields_ = (
        ("remaining", ctypes.c_int64),
        ("left", ctypes.c_uint64),  # whether the run was left
        ("emu_stop", ctypes.c_uint64),  # uc_emu_stop
        ("engine", ctypes.c_uint64),  # its argument
        ("helper", ctypes.c_uint64),  # what blocks call by themselves
        ("cursor", ctypes.c_uint64),  # no block was translated at or behind this one yet
        ("start", ctypes.c_uint64),  # of the buffer of translations
        ("window", ctypes.c_uint64),  # bytes searched for a new block
        ("end", ctypes.c_uint64),  # of the buffer
        ("stubs", ctypes.c_uint64),
        ("missed", ctypes.c_uint64),  # blocks that could not be redirected
        ("inline", ctypes.c_uint64),  # MAX_INLINE, or 0 where the blocks are far away
        ("table", ctypes.c_uint64),  # of blocks, by address
        ("table_end", ctypes.c_uint64),
        ("low", ctypes.c_uint64),  # the first helper that is replaced
        ("span", ctypes.c_uint64),  # from the first to the last
        ("spare", ctypes.c_uint64),
        ("reserve", ctypes.c_int64),  # instructions that are not in ``remaining`` yet
        ("pairs", ctypes.c_uint64 * 2 * (MAX_PAIRS + 1)),  # helper, replacement; 0
        ("requested", ctypes.c_uint64),  # set by whoever wants the run to stop
        ("quantum", ctypes.c_int64),  # QUANTUM
        ("until", ctypes.c_int64),  # what will have run when nothing remains
        ("passed", ctypes.c_int64),  # what the time-stamp counter shows beyond instructions
        ("tick", ctypes.c_int64),  # what it moves by when it is read; 0 if it is not kept here
        # Of accelerators: the table of what they are for (0: there are none) and how a block is
        # looked for in it; the guest's memory and the address of its page tables in it; what a loop
        # works on.
        ("known", ctypes.c_uint64),
        ("match", ctypes.c_uint64),
        ("physical", ctypes.c_uint64),
        ("root", ctypes.c_uint64),
        ("guest", ctypes.c_uint64),
        ("iterations", ctypes.c_uint64),
        ("host0", ctypes.c_uint64),
        ("host1", ctypes.c_uint64),
        ("host2", ctypes.c_uint64),
    )


CELL = {name: getattr(Cells, name).offset for name, *_ in Cells._fields_}

# Where a stub jumps to with the length in RAX: if nobody has requested a stop, the counter gets
# more from the reserve, and the block runs if that is enough for it. Else the run is left; the
# engine's conventions are the host's, so its first argument (the engine) is in RDI or RCX.
_EXIT = """
    480105{remaining}        | 00  add qword ptr [rip + remaining], rax
    803d{requested}00        | 07  cmp byte ptr [rip + requested], 0
    7534                     | 0e  jne 0x44
    488b0d{reserve}          | 10  mov rcx, qword ptr [rip + reserve]
    488b15{quantum}          | 17  mov rdx, qword ptr [rip + quantum]
    4839ca                   | 1e  cmp rdx, rcx
    480f4fd1                 | 21  cmovg rdx, rcx
    482915{reserve}          | 25  sub qword ptr [rip + reserve], rdx
    480115{remaining}        | 2c  add qword ptr [rip + remaining], rdx
    482905{remaining}        | 33  sub qword ptr [rip + remaining], rax
    7801                     | 3a  js 0x3d
    c3                       | 3c  ret
    480105{remaining}        | 3d  add qword ptr [rip + remaining], rax
    c605{left}01             | 44  mov byte ptr [rip + left], 1
"""
_LEAVE_UNIX = """
    4883ec08                 | 4b  sub rsp, 8
    488b3d{engine}           | 4f  mov rdi, qword ptr [rip + engine]
    ff15{emu_stop}           | 56  call qword ptr [rip + emu_stop]
    4883c408                 | 5c  add rsp, 8
    488b3d{engine}           | 60  mov rdi, qword ptr [rip + engine]
    31f6                     | 67  xor esi, esi
    ff25{helper}             | 69  jmp qword ptr [rip + helper]
"""
_LEAVE_WINDOWS = """
    4883ec28                 | 4b  sub rsp, 0x28
    488b0d{engine}           | 4f  mov rcx, qword ptr [rip + engine]
    ff15{emu_stop}           | 56  call qword ptr [rip + emu_stop]
    4883c428                 | 5c  add rsp, 0x28
    488b0d{engine}           | 60  mov rcx, qword ptr [rip + engine]
    31d2                     | 67  xor edx, edx
    ff25{helper}             | 69  jmp qword ptr [rip + helper]
"""
# A stub, with its displacements and its length n:
#   sub qword ptr [rip + remaining], n
#   js undo
#   ret
#   undo: mov eax, n
#   jmp exit
_STUB = struct.Struct("<3siI 3s 1sI 1si 40s")

# The hook for new blocks: (engine, struct uc_tb { u64 pc; u16 icount, size; } *, previous, cells).
_ENTER_UNIX = """
    4989ca                   | 00  mov r10, rcx
    4c8b06                   | 03  mov r8, qword ptr [rsi]
    440fb74e08               | 06  movzx r9d, word ptr [rsi + 8]
"""
_ENTER_WINDOWS = """
    4d89ca                   | 00  mov r10, r9
    4c8b02                   | 03  mov r8, qword ptr [rdx]
    440fb74a08               | 06  movzx r9d, word ptr [rdx + 8]
"""
# It looks for the block with this address and length; its description lies in front of its code.
# Bit 31 of R9 remembers that the search has begun again at the start of the buffer: then the engine
# has thrown all blocks away, and what the table says of them is wrong. Pointers to helpers are the
# last words of a block; those in the list of pairs are replaced. Then it looks for the call of the
# helper that is asked for stops near the start of the code, and changes it as said above, or,
# where there is an accelerator for the block, makes it a call of that and a jump behind it.
_PATCHER = """
    4181f900020000           | 0b  cmp r9d, 0x200
    0f8745010000             | 12  ja 0x15d
    498b4228                 | 18  mov rax, qword ptr [r10 + 0x28]
    4889c1                   | 1c  mov rcx, rax
    49034a38                 | 1f  add rcx, qword ptr [r10 + 0x38]
    493b4a40                 | 23  cmp rcx, qword ptr [r10 + 0x40]
    7604                     | 27  jbe 0x2d
    498b4a40                 | 29  mov rcx, qword ptr [r10 + 0x40]
    4839c8                   | 2d  cmp rax, rcx
    731f                     | 30  jae 0x51
    4c3900                   | 32  cmp qword ptr [rax], r8
    7514                     | 35  jne 0x4b
    6644394816               | 37  cmp word ptr [rax + 0x16], r9w
    750d                     | 3c  jne 0x4b
    488d90{code}             | 3e  lea rdx, [rax + code]
    48395020                 | 45  cmp qword ptr [rax + 0x20], rdx
    7440                     | 49  je 0x8b
    4883c040                 | 4b  add rax, 0x40
    ebdc                     | 4f  jmp 0x2d
    410fbaf91f               | 51  btc r9d, 0x1f
    0f8201010000             | 56  jb 0x15d
    498b4260                 | 5c  mov rax, qword ptr [r10 + 0x60]
    498b4a68                 | 60  mov rcx, qword ptr [r10 + 0x68]
    4839c8                   | 64  cmp rax, rcx
    730d                     | 67  jae 0x76
    48c70000000000           | 69  mov qword ptr [rax], 0
    4883c010                 | 70  add rax, 0x10
    ebee                     | 74  jmp 0x64
    498b4260                 | 76  mov rax, qword ptr [r10 + 0x60]
    48c70001000000           | 7a  mov qword ptr [rax], 1
    498b4230                 | 81  mov rax, qword ptr [r10 + 0x30]
    49894228                 | 85  mov qword ptr [r10 + 0x28], rax
    eb91                     | 89  jmp 0x1c
    488d4840                 | 8b  lea rcx, [rax + 0x40]
    49894a28                 | 8f  mov qword ptr [r10 + 0x28], rcx
    410fbaf11f               | 93  btr r9d, 0x1f
    488b4828                 | 98  mov rcx, qword ptr [rax + 0x28]
    4801d1                   | 9c  add rcx, rdx
    4883e1f8                 | 9f  and rcx, 0xfffffffffffffff8
    4c8d9900ffffff           | a3  lea r11, [rcx - 0x100]
    4883e908                 | aa  sub rcx, 8
    4839d1                   | ae  cmp rcx, rdx
    7236                     | b1  jb 0xe9
    4c39d9                   | b3  cmp rcx, r11
    7231                     | b6  jb 0xe9
    4c8b01                   | b8  mov r8, qword ptr [rcx]
    4d2b4270                 | bb  sub r8, qword ptr [r10 + 0x70]
    4d3b4278                 | bf  cmp r8, qword ptr [r10 + 0x78]
    77e5                     | c3  ja 0xaa
    4c8b01                   | c5  mov r8, qword ptr [rcx]
    498d8290000000           | c8  lea rax, [r10 + 0x90]
    48833800                 | cf  cmp qword ptr [rax], 0
    74d5                     | d3  je 0xaa
    4c3900                   | d5  cmp qword ptr [rax], r8
    7406                     | d8  je 0xe0
    4883c010                 | da  add rax, 0x10
    ebef                     | de  jmp 0xcf
    4c8b4008                 | e0  mov r8, qword ptr [rax + 8]
    4c8901                   | e4  mov qword ptr [rcx], r8
    ebc1                     | e7  jmp 0xaa
    4589cb                   | e9  mov r11d, r9d
    49c1e306                 | ec  shl r11, 6
    4d035a48                 | f0  add r11, qword ptr [r10 + 0x48]
    4d8b4220                 | f4  mov r8, qword ptr [r10 + 0x20]
    b905000000               | f8  mov ecx, 5
    66813c0a{zero}           | fd  cmp word ptr [rdx + rcx], zero
    7551                     | 103  jne 0x156
    807c0a02e8               | 105  cmp byte ptr [rdx + rcx + 2], 0xe8
    742b                     | 10a  je 0x137
    66817c0a02ff15           | 10c  cmp word ptr [rdx + rcx + 2], 0x15ff
    7541                     | 113  jne 0x156
    4863440a04               | 115  movsxd rax, dword ptr [rdx + rcx + 4]
    4801d0                   | 11a  add rax, rdx
    4c39440808               | 11d  cmp qword ptr [rax + rcx + 8], r8
    7532                     | 122  jne 0x156
    83f908                   | 124  cmp ecx, 8
    7208                     | 127  jb 0x131
    453b4a58                 | 129  cmp r9d, dword ptr [r10 + 0x58]
    7702                     | 12d  ja 0x131
    eb31                     | 12f  jmp 0x162
    4c895c0808               | 131  mov qword ptr [rax + rcx + 8], r11
    c3                       | 136  ret
    4863440a03               | 137  movsxd rax, dword ptr [rdx + rcx + 3]
    4801d0                   | 13c  add rax, rdx
    488d440807               | 13f  lea rax, [rax + rcx + 7]
    4c39c0                   | 144  cmp rax, r8
    750d                     | 147  jne 0x156
    488d440a07               | 149  lea rax, [rdx + rcx + 7]
    4929c3                   | 14e  sub r11, rax
    448958fc                 | 151  mov dword ptr [rax - 4], r11d
    c3                       | 155  ret
    ffc1                     | 156  inc ecx
    83f90d                   | 158  cmp ecx, 0xd
    72a0                     | 15b  jb 0xfd
    49ff4250                 | 15d  inc qword ptr [r10 + 0x50]
    c3                       | 161  ret
    48833d{known}00          | 162  cmp qword ptr [rip + known], 0
    741d                     | 16a  je 0x189
    ff15{match}              | 16c  call qword ptr [rip + match]
    7415                     | 172  je 0x189
    c602e8                   | 174  mov byte ptr [rdx], 0xe8
    29d0                     | 177  sub eax, edx
    83e805                   | 179  sub eax, 5
    894201                   | 17c  mov dword ptr [rdx + 1], eax
    ffc1                     | 17f  inc ecx
    c64205eb                 | 181  mov byte ptr [rdx + 5], 0xeb
    884a06                   | 185  mov byte ptr [rdx + 6], cl
    c3                       | 188  ret
    48b89090909090909090     | 189  movabs rax, 0x9090909090909090
    4889040a                 | 193  mov qword ptr [rdx + rcx], rax
    498d42f8                 | 197  lea rax, [r10 - 8]
    4829d0                   | 19b  sub rax, rdx
    c70248832d00             | 19e  mov dword ptr [rdx], 0x2d8348
    894203                   | 1a4  mov dword ptr [rdx + 3], eax
    44884a07                 | 1a7  mov byte ptr [rdx + 7], r9b
    c6420879                 | 1ab  mov byte ptr [rdx + 8], 0x79
    83e902                   | 1af  sub ecx, 2
    884a09                   | 1b2  mov byte ptr [rdx + 9], cl
    c6420ae8                 | 1b5  mov byte ptr [rdx + 0xa], 0xe8
    498d43ff                 | 1b9  lea rax, [r11 - 1]
    4829d0                   | 1bd  sub rax, rdx
    89420b                   | 1c0  mov dword ptr [rdx + 0xb], eax
    c3                       | 1c3  ret
"""
#: The second argument of the helper is 0: ``xor esi, esi`` or ``xor edx, edx``.
ZERO_ARGUMENT = bytes.fromhex("33d2" if _WINDOWS else "33f6")


def _stubs(at: int) -> bytes:
    """The stubs for all lengths, the first at the offset ``at`` from the cells."""
    remaining, leave = CELL["remaining"] - (at + 11), CODE_AT - (at + _UNDO + 10)
    lengths = range(MAX_INSTRUCTIONS + 1)
    end = MAX_INSTRUCTIONS * _STUB_SIZE + 1
    return b"".join(
        map(
            _STUB.pack,
            repeat(b"\x48\x81\x2d"), range(remaining, remaining - end, -_STUB_SIZE), lengths,
            repeat(b"\x78\x01\xc3"),
            repeat(b"\xb8"), lengths,
            repeat(b"\xe9"), range(leave, leave - end, -_STUB_SIZE),
            repeat(b"\xcc" * (_STUB_SIZE - _UNDO - 10)),
        )
    )  # fmt: skip


_CODE = Assembly(CODE_AT, ("code",))
for _listing in (_EXIT, _LEAVE_WINDOWS if _WINDOWS else _LEAVE_UNIX):
    _CODE.append(_listing, {}, CELL)
#: Offsets from the cells to the patcher, the stubs, and what is behind them.
PATCHER = _CODE.align(_STUB_SIZE)
for _listing in (_ENTER_WINDOWS if _WINDOWS else _ENTER_UNIX, _PATCHER):
    _CODE.append(_listing, {"zero": ZERO_ARGUMENT}, CELL)
STUBS = _CODE.align(_STUB_SIZE)
_CODE.content += _stubs(STUBS)
END = _CODE.at


@cache
def counting_code(translations: Translations) -> bytes:
    """The code for this host and engine, to be placed :data:`CODE_AT` bytes behind its cells; made
    once."""
    return bytes(_CODE.filled({"code": translations.code}))
