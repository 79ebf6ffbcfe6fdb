"""Machine code for the host in place of some of the engine's helpers.

The engine calls a *helper* for whatever it does not translate. Here are better ones, for hosts with
the calling convention of Unix:

* Of the helper that finds the block behind a ``ret`` or an indirect call. The engine's own looks
  into a table in which only 64 addresses of each page have a place, which Go's dense code fills.
* Of arithmetic with doubles. The engine's own ask for the class of each operand by calls of the C
  library. These use the host's instructions where the result and the flags are certain to be the
  same: both units round to nearest and keep denormals, the guest's has seen an inexact result
  before (so its sticky flag is set already), and the result is normal. Else they leave it to the
  engine.
* Of what Go's maps do with vectors: a round of AES for their hashes, where the host has it too, and
  comparing eight control bytes at once. The engine's own do it byte by byte.
* Of reading the time-stamp counter. The engine has none that repeats, so the instruction is a fault
  for the kernel to answer. Where time is made of instructions, the counter is known here.
"""

from __future__ import annotations

import ctypes
from functools import cache

from .counting_code import CELL, END, MAX_PAIRS
from .engine_internals import Registers, helper
from .host_code import HostCodeError, placed
from .listing import Assembly, assemble

#: The names of the helpers, in the order of the pairs in the cells.
HELPERS = (
    "lookup_tb_ptr", "addsd", "subsd", "mulsd", "divsd", "sqrtsd", "ucomisd", "comisd",
    "cvtsi2sd", "cvtsq2sd", "cvttsd2si", "cvttsd2sq", "rdtsc",
    "pcmpeqb_xmm", "pmovmskb_xmm", "aesenc_xmm",
)  # fmt: skip
assert len(HELPERS) <= MAX_PAIRS
#: Their addresses, as far as the library tells them.
ORIGINALS = tuple(map(helper, HELPERS))

# lookup_tb_ptr(env): the code at env's RIP. The table has (RIP, description of the block) pairs;
# the flags must be those that the block was made for, and it must not be marked invalid. A block
# that had to be looked for goes into the table, if its description lies before its code as always
# (what is returned for none is at the start of the buffer, before all descriptions).
_LOOKUP = """
    488b87{eip}              | 00  mov rax, qword ptr [rdi + eip]
    4889c2                   | 07  mov rdx, rax
    48c1ea0e                 | 0a  shr rdx, 0xe
    31c2                     | 0e  xor edx, eax
    81e2ff3f0000             | 10  and edx, 0x3fff
    c1e204                   | 16  shl edx, 4
    480315{table}            | 19  add rdx, qword ptr [rip + table]
    483902                   | 20  cmp qword ptr [rdx], rax
    7529                     | 23  jne 0x4e
    488b4208                 | 25  mov rax, qword ptr [rdx + 8]
    8b8f{eflags}             | 29  mov ecx, dword ptr [rdi + eflags]
    81e100310700             | 2f  and ecx, 0x73100
    0b8f{hflags}             | 35  or ecx, dword ptr [rdi + hflags]
    3b4810                   | 3b  cmp ecx, dword ptr [rax + 0x10]
    750e                     | 3e  jne 0x4e
    f7401800000400           | 40  test dword ptr [rax + 0x18], 0x40000
    7505                     | 47  jne 0x4e
    488b4020                 | 49  mov rax, qword ptr [rax + 0x20]
    c3                       | 4d  ret
    57                       | 4e  push rdi
    ff15{original}           | 4f  call qword ptr [rip + original]
    5f                       | 55  pop rdi
    488d88{minus_code}       | 56  lea rcx, [rax + minus_code]
    483b0d{start}            | 5d  cmp rcx, qword ptr [rip + start]
    7239                     | 64  jb 0x9f
    488db0{minus_code}       | 66  lea rsi, [rax + minus_code]
    488b0e                   | 6d  mov rcx, qword ptr [rsi]
    483b8f{eip}              | 70  cmp rcx, qword ptr [rdi + eip]
    7526                     | 77  jne 0x9f
    48394620                 | 79  cmp qword ptr [rsi + 0x20], rax
    7520                     | 7d  jne 0x9f
    4889ca                   | 7f  mov rdx, rcx
    48c1ea0e                 | 82  shr rdx, 0xe
    31ca                     | 86  xor edx, ecx
    81e2ff3f0000             | 88  and edx, 0x3fff
    c1e204                   | 8e  shl edx, 4
    480315{table}            | 91  add rdx, qword ptr [rip + table]
    48890a                   | 98  mov qword ptr [rdx], rcx
    48897208                 | 9b  mov qword ptr [rdx + 8], rsi
    c3                       | 9f  ret
"""
# Whether the units are as said above: the guest's rounding mode, flags and modes of denormals, and
# the host's MXCSR, where all exceptions must be masked.
_UNITS = """
    0fae5c24f8               | 00  stmxcsr dword ptr [rsp - 8]
    488b87{sse}              | 05  mov rax, qword ptr [rdi + sse]
    48b900ff2000ffff0000     | 0c  movabs rcx, 0xffff0020ff00
    4821c8                   | 16  and rax, rcx
    8b4c24f8                 | 19  mov ecx, dword ptr [rsp - 8]
    81e1c0ff0000             | 1d  and ecx, 0xffc0
    81f1801f0000             | 23  xor ecx, 0x1f80
    483500002000             | 29  xor rax, 0x200000
    4809c8                   | 2f  or rax, rcx
"""
# The same without the flag.
_MODES = """
    0fae5c24f8               | 00  stmxcsr dword ptr [rsp - 8]
    488b87{sse}              | 05  mov rax, qword ptr [rdi + sse]
    48b900ff0000ffff0000     | 0c  movabs rcx, 0xffff0000ff00
    4821c8                   | 16  and rax, rcx
    8b4c24f8                 | 19  mov ecx, dword ptr [rsp - 8]
    81e1c0ff0000             | 1d  and ecx, 0xffc0
    81f1801f0000             | 23  xor ecx, 0x1f80
    4809c8                   | 29  or rax, rcx
"""
# What follows on _UNITS or _MODES. Arithmetic (env, destination, source), where the operation is
# the third byte of its instruction: the result must be normal, and not the smallest of these.
_ARITHMETIC = """
    7527                     | 00  jne 0x29
    f20f1006                 | 02  movsd xmm0, qword ptr [rsi]
    f20f{operation}02        | 06  addsd xmm0, qword ptr [rdx]
    66480f7ec1               | 0a  movq rcx, xmm0
    48c1e934                 | 0f  shr rcx, 0x34
    81e1ff070000             | 13  and ecx, 0x7ff
    83e902                   | 19  sub ecx, 2
    81f9fc070000             | 1c  cmp ecx, 0x7fc
    7705                     | 22  ja 0x29
    f20f1106                 | 24  movsd qword ptr [rsi], xmm0
    c3                       | 28  ret
    ff25{original}           | 29  jmp qword ptr [rip + original]
"""
_OPERATIONS = {"addsd": 0x58, "subsd": 0x5C, "mulsd": 0x59, "divsd": 0x5E, "sqrtsd": 0x51}
# Comparison (env, a, b): CF and ZF, which the engine finds in CC_SRC. NaNs are left to the engine.
_COMPARISON = """
    7525                     | 00  jne 0x27
    f20f1006                 | 02  movsd xmm0, qword ptr [rsi]
    660f2e02                 | 06  ucomisd xmm0, qword ptr [rdx]
    7a1b                     | 0a  jp 0x27
    b900000000               | 0c  mov ecx, 0
    0f92c1                   | 11  setb cl
    0f94c0                   | 14  sete al
    c1e006                   | 17  shl eax, 6
    0fb6c0                   | 1a  movzx eax, al
    09c1                     | 1d  or ecx, eax
    48898f{cc_src}           | 1f  mov qword ptr [rdi + cc_src], rcx
    c3                       | 26  ret
    ff25{original}           | 27  jmp qword ptr [rip + original]
"""
# Conversions (env, destination, integer).
_FROM_32 = """
    7509                     | 00  jne 0xb
    f20f2ac2                 | 02  cvtsi2sd xmm0, edx
    f20f1106                 | 06  movsd qword ptr [rsi], xmm0
    c3                       | 0a  ret
    ff25{original}           | 0b  jmp qword ptr [rip + original]
"""
_FROM_64 = """
    750a                     | 00  jne 0xc
    f2480f2ac2               | 02  cvtsi2sd xmm0, rdx
    f20f1106                 | 07  movsd qword ptr [rsi], xmm0
    c3                       | 0b  ret
    ff25{original}           | 0c  jmp qword ptr [rip + original]
"""
# Conversions (env, source) with an integer as the result; what does not fit is left to the engine.
_TO_32 = """
    750c                     | 00  jne 0xe
    f20f2c06                 | 02  cvttsd2si eax, qword ptr [rsi]
    3d00000080               | 06  cmp eax, 0x80000000
    7401                     | 0b  je 0xe
    c3                       | 0d  ret
    ff25{original}           | 0e  jmp qword ptr [rip + original]
"""
_TO_64 = """
    7515                     | 00  jne 0x17
    48b90000000000000080     | 02  movabs rcx, 0x8000000000000000
    f2480f2c06               | 0c  cvttsd2si rax, qword ptr [rsi]
    4839c8                   | 11  cmp rax, rcx
    7401                     | 14  je 0x17
    c3                       | 16  ret
    ff25{original}           | 17  jmp qword ptr [rip + original]
"""
# rdtsc(env): the counter goes to EAX and EDX. It shows what has passed, and instructions.
_RDTSC = """
    488b0d{tick}             | 00  mov rcx, qword ptr [rip + tick]
    4885c9                   | 07  test rcx, rcx
    7438                     | 0a  je 0x44
    48030d{passed}           | 0c  add rcx, qword ptr [rip + passed]
    48890d{passed}           | 13  mov qword ptr [rip + passed], rcx
    48030d{until}            | 1a  add rcx, qword ptr [rip + until]
    482b0d{remaining}        | 21  sub rcx, qword ptr [rip + remaining]
    482b0d{reserve}          | 28  sub rcx, qword ptr [rip + reserve]
    89c8                     | 2f  mov eax, ecx
    488987{rax}              | 31  mov qword ptr [rdi + rax], rax
    48c1e920                 | 38  shr rcx, 0x20
    48898f{rdx}              | 3c  mov qword ptr [rdi + rdx], rcx
    c3                       | 43  ret
    ff25{original}           | 44  jmp qword ptr [rip + original]
"""
# Vectors (env, destination, source), and the signs of one (env, source) as an integer.
_COMPARE_BYTES = """
    f30f6f06                 | 00  movdqu xmm0, xmmword ptr [rsi]
    f30f6f0a                 | 04  movdqu xmm1, xmmword ptr [rdx]
    660f74c1                 | 08  pcmpeqb xmm0, xmm1
    f30f7f06                 | 0c  movdqu xmmword ptr [rsi], xmm0
    c3                       | 10  ret
"""
_SIGNS = """
    f30f6f06                 | 00  movdqu xmm0, xmmword ptr [rsi]
    660fd7c0                 | 04  pmovmskb eax, xmm0
    c3                       | 08  ret
"""
_AES_ROUND = """
    f30f6f06                 | 00  movdqu xmm0, xmmword ptr [rsi]
    f30f6f0a                 | 04  movdqu xmm1, xmmword ptr [rdx]
    660f38dcc1               | 08  aesenc xmm0, xmm1
    f30f7f06                 | 0d  movdqu xmmword ptr [rsi], xmm0
    c3                       | 11  ret
"""
_ORIGINAL = """
    ff25{original}           | 00  jmp qword ptr [rip + original]
"""
# What the host's processor says of itself in ECX for leaf 1 of CPUID; its bit for AES.
_FEATURES = """
    53                       | 00  push rbx
    b801000000               | 01  mov eax, 1
    0fa2                     | 06  cpuid
    89c8                     | 08  mov eax, ecx
    5b                       | 0a  pop rbx
    c3                       | 0b  ret
"""
_AES = 1 << 25
_WITHOUT_AES = "without AES"
_LISTINGS = {
    "lookup_tb_ptr": (_LOOKUP,),
    **dict.fromkeys(_OPERATIONS, (_UNITS, _ARITHMETIC)),
    "ucomisd": (_MODES, _COMPARISON),
    "comisd": (_MODES, _COMPARISON),
    "cvtsi2sd": (_UNITS, _FROM_32),
    "cvtsq2sd": (_UNITS, _FROM_64),
    "cvttsd2si": (_UNITS, _TO_32),
    "cvttsd2sq": (_UNITS, _TO_64),
    "rdtsc": (_RDTSC,),
    "pcmpeqb_xmm": (_COMPARE_BYTES,),
    "pmovmskb_xmm": (_SIGNS,),
    "aesenc_xmm": (_AES_ROUND,),
}


def _helpers() -> tuple[Assembly, dict[str, int]]:
    """The code, and the offsets from the cells by name. What needs AES of the host comes last: the
    replacement of where there is none comes before it."""
    code, entries = Assembly(END, (*Registers._fields, "minus_code")), {}
    for index, name in enumerate(HELPERS):
        cells = CELL | {"original": CELL["pairs"] + 16 * index}
        values = {"operation": bytes([_OPERATIONS.get(name, 0)])}
        if name == "aesenc_xmm":
            entries[_WITHOUT_AES] = code.align(64)
            code.append(_ORIGINAL, values, cells)
        entries[name] = code.align(64)
        for listing in _LISTINGS[name]:
            code.append(listing, values, cells)
    code.align(16)
    return code, entries


_CODE, _ENTRIES = _helpers()
#: The offset from the cells of what is behind the code.
HELPERS_END = _CODE.at


def _has_aes() -> bool:
    """Whether the host's processor has instructions for AES."""
    try:
        code = placed(assemble(_FEATURES, 0, {}, {}))
    except HostCodeError:
        return False  # no code of ours runs there
    features: int = ctypes.CFUNCTYPE(ctypes.c_uint32)(code.code)()
    code.close()
    return bool(features & _AES)


# Asked when this is imported: in a virtual machine the host's host has to answer.
_HAS_AES = _has_aes()


class HelperCode:
    """The code as ``content``, to be placed behind that which counts, and in ``entries`` the
    offsets from the cells of the replacements of :data:`HELPERS`."""

    def __init__(self, description: int, registers: Registers) -> None:
        self.content = _CODE.filled({**registers._asdict(), "minus_code": -description})
        entries = _ENTRIES if _HAS_AES else {**_ENTRIES, "aesenc_xmm": _ENTRIES[_WITHOUT_AES]}
        self.entries = [entries[name] for name in HELPERS]


@cache
def helper_code(description: int, registers: Registers) -> HelperCode:
    """The code for this engine, whose blocks' code begins ``description`` bytes behind their
    description; made once."""
    return HelperCode(description, registers)
