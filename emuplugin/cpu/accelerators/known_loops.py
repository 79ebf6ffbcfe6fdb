"""Loops of Go's assembly that move memory or calculate with long integers.

Each is one block that jumps to itself: the listing is at once what is looked for in the guest's
code and what the host runs.
"""

from __future__ import annotations

from .loops import Loop, Pointer

# Repeated instructions are blocks of their own from the second word or byte on. Go moves and clears
# with them from 2 KB on, and all that overlaps (runtime/memmove_amd64.s, memclr_amd64.s).
_MOVSQ = """
    f348a5                   | 00  rep movsq qword ptr [rdi], qword ptr [rsi]
"""
_MOVSB = """
    f3a4                     | 00  rep movsb byte ptr [rdi], byte ptr [rsi]
"""
_STOSQ = """
    f348ab                   | 00  rep stosq qword ptr [rdi], rax
"""
# runtime/memmove_amd64.s: move_256through2048
_MOVE_256 = """
    4881eb00010000           | 00  sub rbx, 0x100
    f30f6f06                 | 07  movdqu xmm0, xmmword ptr [rsi]
    f30f6f4e10               | 0b  movdqu xmm1, xmmword ptr [rsi + 0x10]
    f30f6f5620               | 10  movdqu xmm2, xmmword ptr [rsi + 0x20]
    f30f6f5e30               | 15  movdqu xmm3, xmmword ptr [rsi + 0x30]
    f30f6f6640               | 1a  movdqu xmm4, xmmword ptr [rsi + 0x40]
    f30f6f6e50               | 1f  movdqu xmm5, xmmword ptr [rsi + 0x50]
    f30f6f7660               | 24  movdqu xmm6, xmmword ptr [rsi + 0x60]
    f30f6f7e70               | 29  movdqu xmm7, xmmword ptr [rsi + 0x70]
    f3440f6f8680000000       | 2e  movdqu xmm8, xmmword ptr [rsi + 0x80]
    f3440f6f8e90000000       | 37  movdqu xmm9, xmmword ptr [rsi + 0x90]
    f3440f6f96a0000000       | 40  movdqu xmm10, xmmword ptr [rsi + 0xa0]
    f3440f6f9eb0000000       | 49  movdqu xmm11, xmmword ptr [rsi + 0xb0]
    f3440f6fa6c0000000       | 52  movdqu xmm12, xmmword ptr [rsi + 0xc0]
    f3440f6faed0000000       | 5b  movdqu xmm13, xmmword ptr [rsi + 0xd0]
    f3440f6fb6e0000000       | 64  movdqu xmm14, xmmword ptr [rsi + 0xe0]
    f3440f6fbef0000000       | 6d  movdqu xmm15, xmmword ptr [rsi + 0xf0]
    f30f7f07                 | 76  movdqu xmmword ptr [rdi], xmm0
    f30f7f4f10               | 7a  movdqu xmmword ptr [rdi + 0x10], xmm1
    f30f7f5720               | 7f  movdqu xmmword ptr [rdi + 0x20], xmm2
    f30f7f5f30               | 84  movdqu xmmword ptr [rdi + 0x30], xmm3
    f30f7f6740               | 89  movdqu xmmword ptr [rdi + 0x40], xmm4
    f30f7f6f50               | 8e  movdqu xmmword ptr [rdi + 0x50], xmm5
    f30f7f7760               | 93  movdqu xmmword ptr [rdi + 0x60], xmm6
    f30f7f7f70               | 98  movdqu xmmword ptr [rdi + 0x70], xmm7
    f3440f7f8780000000       | 9d  movdqu xmmword ptr [rdi + 0x80], xmm8
    f3440f7f8f90000000       | a6  movdqu xmmword ptr [rdi + 0x90], xmm9
    f3440f7f97a0000000       | af  movdqu xmmword ptr [rdi + 0xa0], xmm10
    f3440f7f9fb0000000       | b8  movdqu xmmword ptr [rdi + 0xb0], xmm11
    f3440f7fa7c0000000       | c1  movdqu xmmword ptr [rdi + 0xc0], xmm12
    f3440f7fafd0000000       | ca  movdqu xmmword ptr [rdi + 0xd0], xmm13
    f3440f7fb7e0000000       | d3  movdqu xmmword ptr [rdi + 0xe0], xmm14
    f3440f7fbff0000000       | dc  movdqu xmmword ptr [rdi + 0xf0], xmm15
    4881fb00010000           | e5  cmp rbx, 0x100
    488db600010000           | ec  lea rsi, [rsi + 0x100]
    488dbf00010000           | f3  lea rdi, [rdi + 0x100]
    0f8d00ffffff             | fa  jge 0
"""
# math/big/arith_amd64.s: mulAddVWW, addMulVVWW, addVV, subVV, Go 1.26
_MUL_ADD = """
    498b00                   | 00  mov rax, qword ptr [r8]
    48f7e3                   | 03  mul rbx
    4801f0                   | 06  add rax, rsi
    4889d6                   | 09  mov rsi, rdx
    4883d600                 | 0c  adc rsi, 0
    498901                   | 10  mov qword ptr [r9], rax
    498b4008                 | 13  mov rax, qword ptr [r8 + 8]
    48f7e3                   | 17  mul rbx
    4801f0                   | 1a  add rax, rsi
    4889d6                   | 1d  mov rsi, rdx
    4883d600                 | 20  adc rsi, 0
    49894108                 | 24  mov qword ptr [r9 + 8], rax
    498b4010                 | 28  mov rax, qword ptr [r8 + 0x10]
    48f7e3                   | 2c  mul rbx
    4801f0                   | 2f  add rax, rsi
    4889d6                   | 32  mov rsi, rdx
    4883d600                 | 35  adc rsi, 0
    49894110                 | 39  mov qword ptr [r9 + 0x10], rax
    498b4018                 | 3d  mov rax, qword ptr [r8 + 0x18]
    48f7e3                   | 41  mul rbx
    4801f0                   | 44  add rax, rsi
    4889d6                   | 47  mov rsi, rdx
    4883d600                 | 4a  adc rsi, 0
    49894118                 | 4e  mov qword ptr [r9 + 0x18], rax
    4d8d4020                 | 52  lea r8, [r8 + 0x20]
    4d8d4920                 | 56  lea r9, [r9 + 0x20]
    4883ef01                 | 5a  sub rdi, 1
    75a0                     | 5e  jne 0
"""
_ADD_MUL = """
    498b01                   | 00  mov rax, qword ptr [r9]
    48f7e3                   | 03  mul rbx
    4801f0                   | 06  add rax, rsi
    4889d6                   | 09  mov rsi, rdx
    4883d600                 | 0c  adc rsi, 0
    490300                   | 10  add rax, qword ptr [r8]
    4883d600                 | 13  adc rsi, 0
    498902                   | 17  mov qword ptr [r10], rax
    498b4108                 | 1a  mov rax, qword ptr [r9 + 8]
    48f7e3                   | 1e  mul rbx
    4801f0                   | 21  add rax, rsi
    4889d6                   | 24  mov rsi, rdx
    4883d600                 | 27  adc rsi, 0
    49034008                 | 2b  add rax, qword ptr [r8 + 8]
    4883d600                 | 2f  adc rsi, 0
    49894208                 | 33  mov qword ptr [r10 + 8], rax
    498b4110                 | 37  mov rax, qword ptr [r9 + 0x10]
    48f7e3                   | 3b  mul rbx
    4801f0                   | 3e  add rax, rsi
    4889d6                   | 41  mov rsi, rdx
    4883d600                 | 44  adc rsi, 0
    49034010                 | 48  add rax, qword ptr [r8 + 0x10]
    4883d600                 | 4c  adc rsi, 0
    49894210                 | 50  mov qword ptr [r10 + 0x10], rax
    498b4118                 | 54  mov rax, qword ptr [r9 + 0x18]
    48f7e3                   | 58  mul rbx
    4801f0                   | 5b  add rax, rsi
    4889d6                   | 5e  mov rsi, rdx
    4883d600                 | 61  adc rsi, 0
    49034018                 | 65  add rax, qword ptr [r8 + 0x18]
    4883d600                 | 69  adc rsi, 0
    49894218                 | 6d  mov qword ptr [r10 + 0x18], rax
    4d8d4020                 | 71  lea r8, [r8 + 0x20]
    4d8d4920                 | 75  lea r9, [r9 + 0x20]
    4d8d5220                 | 79  lea r10, [r10 + 0x20]
    4883ef01                 | 7d  sub rdi, 1
    0f8579ffffff             | 81  jne 0
"""
_ADD = """
    4d01d2                   | 00  add r10, r10
    4c8b0e                   | 03  mov r9, qword ptr [rsi]
    4c8b5608                 | 06  mov r10, qword ptr [rsi + 8]
    4c8b5e10                 | 0a  mov r11, qword ptr [rsi + 0x10]
    4c8b6618                 | 0e  mov r12, qword ptr [rsi + 0x18]
    4c130f                   | 12  adc r9, qword ptr [rdi]
    4c135708                 | 15  adc r10, qword ptr [rdi + 8]
    4c135f10                 | 19  adc r11, qword ptr [rdi + 0x10]
    4c136718                 | 1d  adc r12, qword ptr [rdi + 0x18]
    4d8908                   | 21  mov qword ptr [r8], r9
    4d895008                 | 24  mov qword ptr [r8 + 8], r10
    4d895810                 | 28  mov qword ptr [r8 + 0x10], r11
    4d896018                 | 2c  mov qword ptr [r8 + 0x18], r12
    4d19d2                   | 30  sbb r10, r10
    488d7620                 | 33  lea rsi, [rsi + 0x20]
    488d7f20                 | 37  lea rdi, [rdi + 0x20]
    4d8d4020                 | 3b  lea r8, [r8 + 0x20]
    4883eb01                 | 3f  sub rbx, 1
    75bb                     | 43  jne 0
"""
_SUB = """
    4d01d2                   | 00  add r10, r10
    4c8b0e                   | 03  mov r9, qword ptr [rsi]
    4c8b5608                 | 06  mov r10, qword ptr [rsi + 8]
    4c8b5e10                 | 0a  mov r11, qword ptr [rsi + 0x10]
    4c8b6618                 | 0e  mov r12, qword ptr [rsi + 0x18]
    4c1b0f                   | 12  sbb r9, qword ptr [rdi]
    4c1b5708                 | 15  sbb r10, qword ptr [rdi + 8]
    4c1b5f10                 | 19  sbb r11, qword ptr [rdi + 0x10]
    4c1b6718                 | 1d  sbb r12, qword ptr [rdi + 0x18]
    4d8908                   | 21  mov qword ptr [r8], r9
    4d895008                 | 24  mov qword ptr [r8 + 8], r10
    4d895810                 | 28  mov qword ptr [r8 + 0x10], r11
    4d896018                 | 2c  mov qword ptr [r8 + 0x18], r12
    4d19d2                   | 30  sbb r10, r10
    488d7620                 | 33  lea rsi, [rsi + 0x20]
    488d7f20                 | 37  lea rdi, [rdi + 0x20]
    4d8d4020                 | 3b  lea r8, [r8 + 0x20]
    4883eb01                 | 3f  sub rbx, 1
    75bb                     | 43  jne 0
"""

LOOPS = (
    Loop(_MOVSQ, "rcx", 0, (Pointer("rsi", 3), Pointer("rdi", 3, True)), repeats=True),
    Loop(_MOVSB, "rcx", 0, (Pointer("rsi", 0), Pointer("rdi", 0, True)), repeats=True),
    Loop(_STOSQ, "rcx", 0, (Pointer("rdi", 3, True),), ("rax",), repeats=True),
    Loop(_MOVE_256, "rbx", 8, (Pointer("rsi", 8), Pointer("rdi", 8, True))),
    Loop(_MUL_ADD, "rdi", 0, (Pointer("r8", 5), Pointer("r9", 5, True)), ("rbx",), "rsi"),
    Loop(
        _ADD_MUL, "rdi", 0, (Pointer("r8", 5), Pointer("r9", 5), Pointer("r10", 5, True)),
        ("rbx",), "rsi",
    ),
    Loop(_ADD, "rbx", 0, (Pointer("rsi", 5), Pointer("rdi", 5), Pointer("r8", 5, True)), (), "r10"),
    Loop(_SUB, "rbx", 0, (Pointer("rsi", 5), Pointer("rdi", 5), Pointer("r8", 5, True)), (), "r10"),
)  # fmt: skip
