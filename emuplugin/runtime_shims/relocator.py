"""Plain relocations, applied in the guest: a loop of machine code, as a dynamic loader's.

There are ten to fifty thousand of them, and the emulated processor applies ten in the time that
Python takes for one. The loop runs in ring 3 over the tables of the mapped file; it checks what it
reads there, and can write to nothing but the image. What it leaves is Python's.
"""

from __future__ import annotations

from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import (
    PAGE_SIZE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from emuplugin.cpu.engine import Engine, Stopped
from emuplugin.cpu.listing import assemble
from emuplugin.elf.constants import STT_GNU_IFUNC, STT_TLS
from emuplugin.elf.relocation_kinds import WORDS
from emuplugin.elf.relocations import Bulk

_ENTRY, _WORD = 24, 8
# The engine makes its TLB larger if it finds it full, and then takes longer for each new page of
# code. So it is emptied in between.
_AT_ONCE = 3000
# RSI is where the next relocation lies and RDI the end of the table, RBX the base; R8 and R9D are
# the symbols and their number, R10 is the lowest target and R11 how far behind it the highest is.
# R14D and R15D have a bit for each kind of relocation and type of symbol that is plain. R12 is
# where to note relocations that are not; the loop pauses at the end of that page.
LISTING = """
    4839fe           | 00  cmp rsi, rdi
    737b             | 03  jae 0x80
    488b06           | 05  mov rax, qword ptr [rsi]
    8b4e08           | 08  mov ecx, dword ptr [rsi + 8]
    8b560c           | 0b  mov edx, dword ptr [rsi + 0xc]
    488b6e10         | 0e  mov rbp, qword ptr [rsi + 0x10]
    83f91f           | 12  cmp ecx, 0x1f
    7754             | 15  ja 0x6b
    410fa3ce         | 17  bt r14d, ecx
    734e             | 1b  jae 0x6b
    4c29d0           | 1d  sub rax, r10
    4c39d8           | 20  cmp rax, r11
    7746             | 23  ja 0x6b
    85d2             | 25  test edx, edx
    7432             | 27  je 0x5b
    4439ca           | 29  cmp edx, r9d
    733d             | 2c  jae 0x6b
    488d1452         | 2e  lea rdx, [rdx + rdx*2]
    498d14d0         | 32  lea rdx, [r8 + rdx*8]
    488b0a           | 36  mov rcx, qword ptr [rdx]
    48c1e920         | 39  shr rcx, 0x20
    4189cd           | 3d  mov r13d, ecx
    4183e50f         | 40  and r13d, 0xf
    450fa3ef         | 44  bt r15d, r13d
    7321             | 48  jae 0x6b
    c1e910           | 4a  shr ecx, 0x10
    ffc9             | 4d  dec ecx
    81f9fefe0000     | 4f  cmp ecx, 0xfefe
    7714             | 55  ja 0x6b
    48036a08         | 57  add rbp, qword ptr [rdx + 8]
    4801dd           | 5b  add rbp, rbx
    4c01d0           | 5e  add rax, r10
    48892c03         | 61  mov qword ptr [rbx + rax], rbp
    4883c618         | 65  add rsi, 0x18
    eb95             | 69  jmp 0
    49893424         | 6b  mov qword ptr [r12], rsi
    4883c618         | 6f  add rsi, 0x18
    4983c408         | 73  add r12, 8
    41f7c4ff0f0000   | 77  test r12d, 0xfff
    7580             | 7e  jne 0
    f4               | 80  hlt
"""
_CODE = assemble(LISTING, 0, {}, {})
_HLT = len(_CODE) - 1
_KINDS = sum(1 << number for number in WORDS)
_TYPES = 0xFFFF & ~(1 << STT_TLS | 1 << STT_GNU_IFUNC)
_REGISTERS = (
    reg.RSI, reg.RDI, reg.R12, reg.RBX, reg.R8, reg.R9, reg.R10, reg.R11, reg.R14, reg.R15,
)  # fmt: skip


class Relocator:
    """Applies the plain relocations of a file that is mapped at ``base``: writable, and present as
    far as the file fills it. While it is at work it has two pages at ``place``: its code, and what
    it notes."""

    def __init__(self, engine: Engine, base: int, place: int) -> None:
        self._engine, self._space = engine, engine.space
        self._base, self._place, self._notes = base, place, place + PAGE_SIZE

    def __call__(self, bulk: Bulk) -> list[int]:
        """Raises NoMemoryError."""
        space, engine, place = self._space, self._engine, self._place
        code = space.map(place, PAGE_SIZE, PROT_READ | PROT_EXEC, populate=True)
        notes = space.map(self._notes, PAGE_SIZE, PROT_READ | PROT_WRITE, populate=True)
        assert code.physical is not None
        assert notes.physical is not None
        space.physical.bytes[code.physical : code.physical + len(_CODE)] = _CODE
        try:
            with engine.aside():
                engine.traps.add(place + _HLT)
                return self._apply(bulk, notes.physical >> 3)
        finally:
            space.unmap(place, 2 * PAGE_SIZE)

    def _apply(self, bulk: Bulk, notes: int) -> list[int]:
        base, words = self._base, self._space.physical.words
        registers = self._engine.batch(*_REGISTERS)
        fixed = (
            self._notes, base, base + bulk.symbols, bulk.symbol_count,
            bulk.low, bulk.end - _WORD - bulk.low, _KINDS, _TYPES,
        )  # fmt: skip
        left: list[int] = []
        before = 0
        for address, count in bulk.tables:
            start = at = base + address
            end = start + count * _ENTRY
            while at < end:
                registers.values[:] = [at, min(end, at + _AT_ONCE * _ENTRY), *fixed]
                registers.store()
                self._run()
                self._engine.adapt()
                at, _, noted, *_ = registers.load()
                found = words[notes : notes + ((noted - self._notes) >> 3)]
                left += [before + (entry - start) // _ENTRY for entry in found]
            before += count
        return left

    def _run(self) -> None:
        engine, at = self._engine, self._place
        while (end := engine.run(at)) is Stopped.REQUEST:
            at = engine.rip
        if end is not Stopped.TRAP:
            raise RuntimeError(f"the loop that relocates has run into {end}")
