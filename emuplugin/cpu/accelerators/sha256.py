"""SHA-256 of all blocks but the last, where Go's compiler has made the function.

``crypto/internal/fips140/sha256/sha256block.go: blockGeneric`` is a loop over blocks of 64 bytes,
whose instructions are always as many. The accelerator runs in front of the block of code that each
iteration begins with. The last iteration is the engine's: it leaves the frame, the flags and all
other registers as they are to be.
"""

from __future__ import annotations

from typing import NamedTuple

# The constants are read from the guest's memory: where their address is, an instruction of the
# function says. With their host's address in R10 and the message in RDI, R8 blocks are hashed,
# with W[64] on the stack. The state stays in the guest's registers.
LISTING = """
    4c8b1c24                 | 00  mov r11, qword ptr [rsp]
    4d8b93{pc}               | 04  mov r10, qword ptr [r11 + pc]
    41bb{cost}               | 0b  mov r11d, cost
    4c8b85{len}              | 11  mov r8, qword ptr [rbp + len]
    4c3985{cap}              | 18  cmp qword ptr [rbp + cap], r8
    0f8c{count}              | 1f  jl count
    49c1e806                 | 25  shr r8, 6
    49ffc8                   | 29  dec r8
    0f8e{count}              | 2c  jle count
    498dba{constants}        | 32  lea rdi, [r10 + constants]
    be25000000               | 39  mov esi, 0x25
    e8{walk}                 | 3e  call walk
    4885c0                   | 43  test rax, rax
    0f84{count}              | 46  je count
    89fa                     | 4c  mov edx, edi
    81e2ff0f0000             | 4e  and edx, 0xfff
    81fafc0f0000             | 54  cmp edx, 0xffc
    0f87{count}              | 5a  ja count
    486300                   | 60  movsxd rax, dword ptr [rax]
    488d7c0704               | 63  lea rdi, [rdi + rax + 4]
    40f6c707                 | 68  test dil, 7
    0f85{count}              | 6c  jne count
    e8{walk}                 | 72  call walk
    4885c0                   | 77  test rax, rax
    0f84{count}              | 7a  je count
    488b38                   | 80  mov rdi, qword ptr [rax]
    e8{walk}                 | 83  call walk
    4885c0                   | 88  test rax, rax
    0f84{count}              | 8b  je count
    4989c2                   | 91  mov r10, rax
    4881c7ff000000           | 94  add rdi, 0xff
    e8{walk}                 | 9b  call walk
    482dff000000             | a0  sub rax, 0xff
    4c39d0                   | a6  cmp rax, r10
    0f85{count}              | a9  jne count
    488bbd{ptr}              | af  mov rdi, qword ptr [rbp + ptr]
    41b906000000             | b6  mov r9d, 6
    e8{extent}               | bc  call extent
    0f84{count}              | c1  je count
    4889c7                   | c7  mov rdi, rax
    b9{cost}                 | ca  mov ecx, cost
    e8{budget}               | cf  call budget
    0f84{count}              | d4  je count
    4c8905{iterations}       | da  mov qword ptr [rip + iterations], r8
    53                       | e1  push rbx
    55                       | e2  push rbp
    4154                     | e3  push r12
    4155                     | e5  push r13
    4156                     | e7  push r14
    4157                     | e9  push r15
    4150                     | eb  push r8
    55                       | ed  push rbp
    4152                     | ee  push r10
    57                       | f0  push rdi
    4881ec00010000           | f1  sub rsp, 0x100
    488bb42400010000         | f8  mov rsi, qword ptr [rsp + 0x100]
    4531ff                   | 100  xor r15d, r15d
    468b24be                 | 103  mov r12d, dword ptr [rsi + r15*4]
    410fcc                   | 107  bswap r12d
    468924bc                 | 10a  mov dword ptr [rsp + r15*4], r12d
    41ffc7                   | 10e  inc r15d
    4183ff10                 | 111  cmp r15d, 0x10
    75ec                     | 115  jne 0x103
    468b64bcc4               | 117  mov r12d, dword ptr [rsp + r15*4 - 0x3c]
    4589e5                   | 11c  mov r13d, r12d
    4589e6                   | 11f  mov r14d, r12d
    41c1cc07                 | 122  ror r12d, 7
    41c1cd12                 | 126  ror r13d, 0x12
    41c1ee03                 | 12a  shr r14d, 3
    4531ec                   | 12e  xor r12d, r13d
    4531f4                   | 131  xor r12d, r14d
    468b6cbcf8               | 134  mov r13d, dword ptr [rsp + r15*4 - 8]
    4589ee                   | 139  mov r14d, r13d
    4489ea                   | 13c  mov edx, r13d
    41c1cd11                 | 13f  ror r13d, 0x11
    41c1ce13                 | 143  ror r14d, 0x13
    c1ea0a                   | 147  shr edx, 0xa
    4531f5                   | 14a  xor r13d, r14d
    4131d5                   | 14d  xor r13d, edx
    4501ec                   | 150  add r12d, r13d
    460364bcc0               | 153  add r12d, dword ptr [rsp + r15*4 - 0x40]
    460364bce4               | 158  add r12d, dword ptr [rsp + r15*4 - 0x1c]
    468924bc                 | 15d  mov dword ptr [rsp + r15*4], r12d
    41ffc7                   | 161  inc r15d
    4183ff40                 | 164  cmp r15d, 0x40
    75ad                     | 168  jne 0x117
    4883c640                 | 16a  add rsi, 0x40
    4889b42400010000         | 16e  mov qword ptr [rsp + 0x100], rsi
    488bb42408010000         | 176  mov rsi, qword ptr [rsp + 0x108]
    488bac2410010000         | 17e  mov rbp, qword ptr [rsp + 0x110]
    8b85{h0}                 | 186  mov eax, dword ptr [rbp + h0]
    8b9d{h1}                 | 18c  mov ebx, dword ptr [rbp + h1]
    8b8d{h2}                 | 192  mov ecx, dword ptr [rbp + h2]
    8b95{h3}                 | 198  mov edx, dword ptr [rbp + h3]
    448b85{h4}               | 19e  mov r8d, dword ptr [rbp + h4]
    448b8d{h5}               | 1a5  mov r9d, dword ptr [rbp + h5]
    448b95{h6}               | 1ac  mov r10d, dword ptr [rbp + h6]
    448b9d{h7}               | 1b3  mov r11d, dword ptr [rbp + h7]
    4531ff                   | 1ba  xor r15d, r15d
    46031cbe                 | 1bd  add r11d, dword ptr [rsi + r15*4]
    46031cbc                 | 1c1  add r11d, dword ptr [rsp + r15*4]
    4589c4                   | 1c5  mov r12d, r8d
    41c1cc0e                 | 1c8  ror r12d, 0xe
    4531c4                   | 1cc  xor r12d, r8d
    41c1cc05                 | 1cf  ror r12d, 5
    4531c4                   | 1d3  xor r12d, r8d
    41c1cc06                 | 1d6  ror r12d, 6
    4501e3                   | 1da  add r11d, r12d
    4589cc                   | 1dd  mov r12d, r9d
    4531d4                   | 1e0  xor r12d, r10d
    4521c4                   | 1e3  and r12d, r8d
    4531d4                   | 1e6  xor r12d, r10d
    4501e3                   | 1e9  add r11d, r12d
    4401da                   | 1ec  add edx, r11d
    4189c4                   | 1ef  mov r12d, eax
    41c1cc09                 | 1f2  ror r12d, 9
    4131c4                   | 1f6  xor r12d, eax
    41c1cc0b                 | 1f9  ror r12d, 0xb
    4131c4                   | 1fd  xor r12d, eax
    41c1cc02                 | 200  ror r12d, 2
    4501dc                   | 204  add r12d, r11d
    4189c5                   | 207  mov r13d, eax
    4189c6                   | 20a  mov r14d, eax
    4121dd                   | 20d  and r13d, ebx
    4131de                   | 210  xor r14d, ebx
    4121ce                   | 213  and r14d, ecx
    4531f5                   | 216  xor r13d, r14d
    4501ec                   | 219  add r12d, r13d
    4589d3                   | 21c  mov r11d, r10d
    4589ca                   | 21f  mov r10d, r9d
    4589c1                   | 222  mov r9d, r8d
    4189d0                   | 225  mov r8d, edx
    89ca                     | 228  mov edx, ecx
    89d9                     | 22a  mov ecx, ebx
    89c3                     | 22c  mov ebx, eax
    4489e0                   | 22e  mov eax, r12d
    41ffc7                   | 231  inc r15d
    4183ff40                 | 234  cmp r15d, 0x40
    7583                     | 238  jne 0x1bd
    0385{h0}                 | 23a  add eax, dword ptr [rbp + h0]
    488985{h0}               | 240  mov qword ptr [rbp + h0], rax
    039d{h1}                 | 247  add ebx, dword ptr [rbp + h1]
    48899d{h1}               | 24d  mov qword ptr [rbp + h1], rbx
    038d{h2}                 | 254  add ecx, dword ptr [rbp + h2]
    48898d{h2}               | 25a  mov qword ptr [rbp + h2], rcx
    0395{h3}                 | 261  add edx, dword ptr [rbp + h3]
    488995{h3}               | 267  mov qword ptr [rbp + h3], rdx
    440385{h4}               | 26e  add r8d, dword ptr [rbp + h4]
    4c8985{h4}               | 275  mov qword ptr [rbp + h4], r8
    44038d{h5}               | 27c  add r9d, dword ptr [rbp + h5]
    4c898d{h5}               | 283  mov qword ptr [rbp + h5], r9
    440395{h6}               | 28a  add r10d, dword ptr [rbp + h6]
    4c8995{h6}               | 291  mov qword ptr [rbp + h6], r10
    44039d{h7}               | 298  add r11d, dword ptr [rbp + h7]
    4c899d{h7}               | 29f  mov qword ptr [rbp + h7], r11
    48ff8c2418010000         | 2a6  dec qword ptr [rsp + 0x118]
    0f8544feffff             | 2ae  jne 0xf8
    4881c420010000           | 2b4  add rsp, 0x120
    415f                     | 2bb  pop r15
    415e                     | 2bd  pop r14
    415d                     | 2bf  pop r13
    415c                     | 2c1  pop r12
    5d                       | 2c3  pop rbp
    5b                       | 2c4  pop rbx
    4c8b05{iterations}       | 2c5  mov r8, qword ptr [rip + iterations]
    49c1e006                 | 2cc  shl r8, 6
    4c0185{ptr}              | 2d0  add qword ptr [rbp + ptr], r8
    4c2985{len}              | 2d7  sub qword ptr [rbp + len], r8
    4c2985{cap}              | 2de  sub qword ptr [rbp + cap], r8
    e9{count}                | 2e5  jmp count
"""


class Function(NamedTuple):
    """What Go's compiler has made: the registers with the state h0 to h7, the pointer, the length
    and the capacity of the message; the instructions of an iteration; how many bytes of the loop
    lie before the block, and where behind its start the displacement to the address of the
    constants is. ``code`` is what lies before that, and behind it."""

    state: str
    pointer: str
    length: str
    capacity: str
    instructions: int
    before: int
    constants: int
    code: tuple[bytes, bytes]

    @property
    def pieces(self) -> tuple[tuple[int, bytes], ...]:
        """Bytes to be found, with their offsets from the block; its own are the first."""
        first, second = self.code
        return (
            (0, first[self.before :]),
            (-self.before, first[: self.before]),
            (self.constants + 4, second),
        )


FUNCTIONS = (
    Function(  # Go 1.25
        "rsi r8 r9 r10 r11 r12 r13 rdi", "rbx", "rcx", "rdx", 5003, 121, 428,
        (
            bytes.fromhex(
                "4883c2c04889d148f7d948c1f93f83e14001c68b8424200100004101c08b84241c0100004101c18b"
                "8424180100004101c28b8424140100004101c38b8424100100004101c48b84240c0100004101c58b"
                "84240801000001c74801cb488b8c24500100004883c1c0488b8424700100004883f9400f8c8a0000"
                "0048898c2450010000488984244001000031c04889842438010000e9ac0000004889942448010000"
                "48899c2458010000b810000000e91901000089bc24080100004489ac240c0100004489a424100100"
                "0044899c2414010000448994241801000044898c241c010000448984242001000089b42424010000"
                "89f031c0488984243001000089f0e9b4010000893044894004448948084489500c44895810448960"
                "144489681889781c4881c4600100005dc38b0c830fc9890c8448ffc0488b8c245001000048898424"
                "38010000488b8424380100004883f8107cd7e941ffffff8b4c84f8898c2404010000c1c10f8b9c24"
                "04010000c1c30d31cb8b8c2404010000c1e90a31d98b5c84c4899c2400010000c1c3198b94240001"
                "0000c1c20e31da8b9c2400010000c1eb0331d3034c84e401d9034c84c0890c8448ffc0488b8c2450"
                "010000488b942448010000488b9c24580100004883f8407c86e9dcfeffff89b4242c01000044899c"
                "242801000041c1c31a8b9c2428010000c1c3154431db448b9c242801000041c1c3074131db418d1c"
                "3b8bbc24280100004189fb4421e741f7d34521eb4131fb4401db488b3d"
            ),
            bytes.fromhex(
                "031c8f031c8c4189f3c1c61e41c1c3134131f38bb4242c010000c1c60a4431de448b9c242c010000"
                "4521c38b84242c0100004421c84431d84589c34521c84131c0428d0406428d341301d848ffc1488b"
                "9c245801000048898c2430010000448b84242c0100004589ca4489ef488b8c24500100004589d941"
                "89f34589e589c6448ba424280100008b842424010000488b8c24300100004883f9400f8c0dffffff"
                "e932fdffff"
            ),
        ),
    ),
    Function(  # Go 1.26
        "rdx rsi r8 r9 r10 r11 r12 r13", "rbx", "rcx", "rdi", 5280, 136, 186,
        (
            bytes.fromhex(
                "4883c7c04889bc24480100004889f848f7d848c1f83f83e0408bbc242801000001fa8bbc24240100"
                "0001fe8bbc24200100004101f88bbc241c0100004101f98bbc24180100004101fa8bbc2414010000"
                "4101fb8bbc24100100004101fc8bbc240c0100004101fd4801c34883c1c0488b842470010000488b"
                "bc24480100004883f9400f8cf401000048899c24580100004889bc244801000048898c2440010000"
                "4489ac240c0100004489a4241001000044899c2414010000448994241801000044898c241c010000"
                "448984242001000089b4242401000089942428010000488984245001000031c04889842438010000"
                "e9e800000089942430010000448994242c0100004489d141c1c21ac1c1154431d14989c28b84242c"
                "010000c1c00731c84401e889c18b84242c0100004189c54421d841f7d54521e54131c5428d042948"
                "8b0d"
            ),
            bytes.fromhex(
                "4203049142034494044189d5c1c21e41c1c5134131d589c28b842430010000c1c00a4431e84189c5"
                "8b84243001000021f0898424340100008b8424300100004421c08bbc243401000031f889f74421c6"
                "31c6418d443500428d340a01c2498d4201488b8c244001000048898424380100004189f28bb42430"
                "0100004589c14589e54189f84589dc448b9c242c010000488bbc2448010000488b84243801000066"
                "0f1f840000000000904883f8400f8d07feffff4883f8107d0e8b0c830fc9894c8404e9e8feffff8b"
                "4c84fc898c2408010000c1c10f8bbc2408010000c1c70d31cf8b8c2408010000c1e90a31f98b7c84"
                "c889bc2404010000c1c7198b9c2404010000c1c30e31fb8bbc2404010000c1ef0331df034c84e801"
                "f9034c84c4894c8404488b9c2458010000488bbc2448010000e979feffff"
            ),
        ),
    ),
    Function(  # Go 1.27
        "rdx rsi r8 r9 r10 r11 r12 r13", "rbx", "rcx", "rdi", 4699, 136, 169,
        (
            bytes.fromhex(
                "4883c7c04889bc24380100004889f848f7d848c1f83f83e0408bbc242401000001fa8bbc24200100"
                "0001fe8bbc241c0100004101f88bbc24180100004101f98bbc24140100004101fa8bbc2410010000"
                "4101fb8bbc240c0100004101fc8bbc24080100004101fd4801c34883c1c0488b842458010000488b"
                "bc24380100004883f9400f8cad01000048899c24400100004889bc243801000048898c2430010000"
                "4489ac24080100004489a4240c01000044899c2410010000448994241401000044898c2418010000"
                "448984241c01000089b424200100008994242401000031c0e9cb0000008994242c01000044899424"
                "280100004489d141c1c21ac1c1154431d1448b94242801000041c1c2074131ca438d0c2a448b9424"
                "280100004589d54521da41f7d54521e54531d54401e94c8b15"
            ),
            bytes.fromhex(
                "41030c82030c844189d5c1c21e41c1c5134131d58b94242c010000c1c20a4431ea448bac242c0100"
                "004121f58bbc242c0100004421c74431ef4189f54421c631fe01f2428d340901ca48ffc0488b8c24"
                "30010000488bbc24380100004189f28bb4242c0100004589c14589e84589e54589dc448b9c242801"
                "0000904883f8400f8d46feffff4883f8107d0d8b0c830fc9890c84e918ffffff8b4c84f8898c2404"
                "010000c1c10f8bbc2404010000c1c70d31cf8b8c2404010000c1e90a31f98b7c84c489bc24000100"
                "00c1c7198b9c2400010000c1c30e31fb8bbc2400010000c1ef0331df034c84e401f9034c84c0890c"
                "84488b9c24400100006690e9b0feffff"
            ),
        ),
    ),
)  # fmt: skip
