"""What accelerators have in common: the guest's page tables, counting, and being found."""

from __future__ import annotations

# The host's address, in RAX, of the guest's byte at RDI; 0 (and ZF) where its page has not all the
# bits of RSI. RCX is the page's entry then. RDX is lost.
WALK = """
    4889f8                   | 00  mov rax, rdi
    48c1e82f                 | 03  shr rax, 0x2f
    755d                     | 07  jne 0x66
    488b05{root}             | 09  mov rax, qword ptr [rip + root]
    b927000000               | 10  mov ecx, 0x27
    480305{physical}         | 15  add rax, qword ptr [rip + physical]
    4889fa                   | 1c  mov rdx, rdi
    48d3ea                   | 1f  shr rdx, cl
    81e2ff010000             | 22  and edx, 0x1ff
    488b14d0                 | 28  mov rdx, qword ptr [rax + rdx*8]
    4889d0                   | 2c  mov rax, rdx
    48c1e00c                 | 2f  shl rax, 0xc
    48c1e818                 | 33  shr rax, 0x18
    48c1e00c                 | 37  shl rax, 0xc
    f6c201                   | 3b  test dl, 1
    7426                     | 3e  je 0x66
    83e909                   | 40  sub ecx, 9
    83f90c                   | 43  cmp ecx, 0xc
    7dcd                     | 46  jge 0x15
    4889d1                   | 48  mov rcx, rdx
    4821f2                   | 4b  and rdx, rsi
    4839f2                   | 4e  cmp rdx, rsi
    7513                     | 51  jne 0x66
    89fa                     | 53  mov edx, edi
    81e2ff0f0000             | 55  and edx, 0xfff
    480305{physical}         | 5b  add rax, qword ptr [rip + physical]
    4801d0                   | 62  add rax, rdx
    c3                       | 65  ret
    31c0                     | 66  xor eax, eax
    c3                       | 68  ret
"""
# Of R8 iterations, those of 1 << R9 bytes each from RDI on that lie in one page with the bits of
# RSI, but for one: that is the engine's, and cannot fault either. RAX is the host's address. ZF if
# none is left.
EXTENT = """
    e8{walk}                 | 00  call walk
    4885c0                   | 05  test rax, rax
    7421                     | 08  je 0x2b
    89fa                     | 0a  mov edx, edi
    81ca00f0ffff             | 0c  or edx, 0xfffff000
    f7da                     | 12  neg edx
    4489c9                   | 14  mov ecx, r9d
    d3ea                     | 17  shr edx, cl
    83ea01                   | 19  sub edx, 1
    760b                     | 1c  jbe 0x29
    4939d0                   | 1e  cmp r8, rdx
    4c0f47c2                 | 21  cmova r8, rdx
    4d85c0                   | 25  test r8, r8
    c3                       | 28  ret
    31c0                     | 29  xor eax, eax
    c3                       | 2b  ret
"""
# The same downwards.
EXTENT_DOWN = """
    e8{walk}                 | 00  call walk
    4885c0                   | 05  test rax, rax
    742a                     | 08  je 0x34
    89fa                     | 0a  mov edx, edi
    81ca00f0ffff             | 0c  or edx, 0xfffff000
    f7da                     | 12  neg edx
    4489c9                   | 14  mov ecx, r9d
    d3ea                     | 17  shr edx, cl
    7417                     | 19  je 0x32
    89fa                     | 1b  mov edx, edi
    81e2ff0f0000             | 1d  and edx, 0xfff
    d3ea                     | 23  shr edx, cl
    740b                     | 25  je 0x32
    4939d0                   | 27  cmp r8, rdx
    4c0f47c2                 | 2a  cmova r8, rdx
    4d85c0                   | 2e  test r8, r8
    c3                       | 31  ret
    31c0                     | 32  xor eax, eax
    c3                       | 34  ret
"""
# Of R8 iterations of RCX instructions, those that may run before the run is to be left or has to be
# asked about, and R11 more instructions with them. They count as executed. ZF if there is none.
BUDGET = """
    803d{requested}00        | 00  cmp byte ptr [rip + requested], 0
    756e                     | 07  jne 0x77
    488b15{remaining}        | 09  mov rdx, qword ptr [rip + remaining]
    480315{reserve}          | 10  add rdx, qword ptr [rip + reserve]
    b800001000               | 17  mov eax, 0x100000
    4839d0                   | 1c  cmp rax, rdx
    480f4fc2                 | 1f  cmovg rax, rdx
    4c29d8                   | 23  sub rax, r11
    784f                     | 26  js 0x77
    4c89c2                   | 28  mov rdx, r8
    480fafd1                 | 2b  imul rdx, rcx
    4839c2                   | 2f  cmp rdx, rax
    760f                     | 32  jbe 0x43
    31d2                     | 34  xor edx, edx
    48f7f1                   | 36  div rcx
    4989c0                   | 39  mov r8, rax
    4889c2                   | 3c  mov rdx, rax
    480fafd1                 | 3f  imul rdx, rcx
    488b05{remaining}        | 43  mov rax, qword ptr [rip + remaining]
    480305{reserve}          | 4a  add rax, qword ptr [rip + reserve]
    4829d0                   | 51  sub rax, rdx
    488b0d{quantum}          | 54  mov rcx, qword ptr [rip + quantum]
    4839c1                   | 5b  cmp rcx, rax
    480f4fc8                 | 5e  cmovg rcx, rax
    48890d{remaining}        | 62  mov qword ptr [rip + remaining], rcx
    4829c8                   | 69  sub rax, rcx
    488905{reserve}          | 6c  mov qword ptr [rip + reserve], rax
    4d85c0                   | 73  test r8, r8
    c3                       | 76  ret
    4531c0                   | 77  xor r8d, r8d
    c3                       | 7a  ret
"""
# The block itself: it counts, and returns to its own code; or the run is left.
COUNT = """
    488b0424                 | 00  mov rax, qword ptr [rsp]
    0fb780{icount}           | 04  movzx eax, word ptr [rax + icount]
    482905{remaining}        | 0b  sub qword ptr [rip + remaining], rax
    0f88{exit}               | 12  js exit
    c3                       | 18  ret
"""
# The accelerator for the block whose code begins at RDX, in RAX; ZF if there is none. It looks for
# the guest's code in the table that AcceleratorCode has made. Code that can be written to is not
# looked at: protection changes only together with all translations.
MATCH = """
    51                       | 00  push rcx
    52                       | 01  push rdx
    53                       | 02  push rbx
    55                       | 03  push rbp
    4151                     | 04  push r9
    4152                     | 06  push r10
    4153                     | 08  push r11
    4154                     | 0a  push r12
    4155                     | 0c  push r13
    4156                     | 0e  push r14
    488b9a{minus_code}       | 10  mov rbx, qword ptr [rdx + minus_code]
    4889df                   | 17  mov rdi, rbx
    be25000000               | 1a  mov esi, 0x25
    e8{walk}                 | 1f  call walk
    4885c0                   | 24  test rax, rax
    0f849e000000             | 27  je 0xcb
    89da                     | 2d  mov edx, ebx
    81e2ff0f0000             | 2f  and edx, 0xfff
    81faf80f0000             | 35  cmp edx, 0xff8
    0f878a000000             | 3b  ja 0xcb
    4c8b00                   | 41  mov r8, qword ptr [rax]
    4c8b25{known}            | 44  mov r12, qword ptr [rip + known]
    49833c2400               | 4b  cmp qword ptr [r12], 0
    7479                     | 50  je 0xcb
    4c89c1                   | 52  mov rcx, r8
    49234c2408               | 55  and rcx, qword ptr [r12 + 8]
    493b4c2410               | 5a  cmp rcx, qword ptr [r12 + 0x10]
    7564                     | 5f  jne 0xc5
    498d6c2420               | 61  lea rbp, [r12 + 0x20]
    48637d00                 | 66  movsxd rdi, dword ptr [rbp]
    448b7504                 | 6a  mov r14d, dword ptr [rbp + 4]
    4883c508                 | 6e  add rbp, 8
    4585f6                   | 72  test r14d, r14d
    7458                     | 75  je 0xcf
    4801df                   | 77  add rdi, rbx
    be25000000               | 7a  mov esi, 0x25
    e8{walk}                 | 7f  call walk
    4885c0                   | 84  test rax, rax
    743c                     | 87  je 0xc5
    f6c102                   | 89  test cl, 2
    7537                     | 8c  jne 0xc5
    89f9                     | 8e  mov ecx, edi
    81c900f0ffff             | 90  or ecx, 0xfffff000
    f7d9                     | 96  neg ecx
    4439f1                   | 98  cmp ecx, r14d
    410f47ce                 | 9b  cmova ecx, r14d
    4129ce                   | 9f  sub r14d, ecx
    4c8d2c0f                 | a2  lea r13, [rdi + rcx]
    4889c7                   | a6  mov rdi, rax
    4889ee                   | a9  mov rsi, rbp
    f3a6                     | ac  repe cmpsb byte ptr [rsi], byte ptr [rdi]
    4c89ef                   | ae  mov rdi, r13
    4889f5                   | b1  mov rbp, rsi
    750f                     | b4  jne 0xc5
    4585f6                   | b6  test r14d, r14d
    75bf                     | b9  jne 0x7a
    4883c507                 | bb  add rbp, 7
    4883e5f8                 | bf  and rbp, 0xfffffffffffffff8
    eba1                     | c3  jmp 0x66
    4d032424                 | c5  add r12, qword ptr [r12]
    eb80                     | c9  jmp 0x4b
    31c0                     | cb  xor eax, eax
    eb0f                     | cd  jmp 0xde
    498b442418               | cf  mov rax, qword ptr [r12 + 0x18]
    488d0d{remaining}        | d4  lea rcx, [rip + remaining]
    4801c8                   | db  add rax, rcx
    415e                     | de  pop r14
    415d                     | e0  pop r13
    415c                     | e2  pop r12
    415b                     | e4  pop r11
    415a                     | e6  pop r10
    4159                     | e8  pop r9
    5d                       | ea  pop rbp
    5b                       | eb  pop rbx
    5a                       | ec  pop rdx
    59                       | ed  pop rcx
    4885c0                   | ee  test rax, rax
    c3                       | f1  ret
"""
