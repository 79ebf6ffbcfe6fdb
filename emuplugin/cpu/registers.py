"""Register numbers of the engine under their own names, and batches of them.

A batch transfer through the C interface costs about as much as one register through the bindings,
so everything that runs often names its registers once, at import, and moves them together.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

from unicorn import x86_const
from unicorn.unicorn_py3.unicorn import uclib

RAX, RBX, RCX, RDX = (
    x86_const.UC_X86_REG_RAX,
    x86_const.UC_X86_REG_RBX,
    x86_const.UC_X86_REG_RCX,
    x86_const.UC_X86_REG_RDX,
)
RSI, RDI, RBP, RSP = (
    x86_const.UC_X86_REG_RSI,
    x86_const.UC_X86_REG_RDI,
    x86_const.UC_X86_REG_RBP,
    x86_const.UC_X86_REG_RSP,
)
R8, R9, R10, R11, R12, R13, R14, R15 = range(x86_const.UC_X86_REG_R8, x86_const.UC_X86_REG_R15 + 1)
RIP, RFLAGS = x86_const.UC_X86_REG_RIP, x86_const.UC_X86_REG_RFLAGS
CR0, CR2, CR3, CR4 = (
    x86_const.UC_X86_REG_CR0,
    x86_const.UC_X86_REG_CR2,
    x86_const.UC_X86_REG_CR3,
    x86_const.UC_X86_REG_CR4,
)
GDTR, MSR, FS_BASE, GS_BASE = (
    x86_const.UC_X86_REG_GDTR,
    x86_const.UC_X86_REG_MSR,
    x86_const.UC_X86_REG_FS_BASE,
    x86_const.UC_X86_REG_GS_BASE,
)
XMM = tuple(range(x86_const.UC_X86_REG_XMM0, x86_const.UC_X86_REG_XMM0 + 16))
MXCSR = x86_const.UC_X86_REG_MXCSR
FPCW, FPTAG = x86_const.UC_X86_REG_FPCW, x86_const.UC_X86_REG_FPTAG

#: In the order of ``struct sigcontext`` up to ``eflags`` (arch/x86/include/uapi/asm/sigcontext.h).
GENERAL = (
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    RDI,
    RSI,
    RBP,
    RBX,
    RDX,
    RAX,
    RCX,
    RSP,
    RIP,
    RFLAGS,
)

# Functions of the engine, without the bindings' checks of each argument, which cost more than the
# functions: what is passed are ctypes objects of the right types.
READ, WRITE = uclib["uc_reg_read_batch"], uclib["uc_reg_write_batch"]
ENTER = uclib["uc_emu_start"]


@cache
def _arrays(
    narrow: int, wide: int
) -> tuple[
    type[ctypes.Array[ctypes.c_uint64]],
    type[ctypes.Array[ctypes.c_int]],
    type[ctypes.Array[ctypes.c_void_p]],
]:
    """The types of a batch's values, numbers and pointers. To make types takes long."""
    count = narrow + wide
    return ctypes.c_uint64 * (narrow + 2 * wide), ctypes.c_int * count, ctypes.c_void_p * count


for _narrow, _wide in ((1, 0), (len(GENERAL) + 3, len(XMM))):  # what each opening needs
    _arrays(_narrow, _wide)


class Batch:
    """Some 64-bit registers of one engine, read or written together.

    ``values`` is the ctypes array that :meth:`load` fills and :meth:`store` writes out. XMM
    registers are 16 bytes and take two slots (low, high): name them in ``wide``.

    A machine has some thirty, and hardly any call needs more than three of them: the arrays are
    made when they are first used.
    """

    __slots__ = ("_arguments", "_handle", "_load", "_registers", "_store", "values")

    def __init__(self, handle: ctypes.c_void_p, registers: Sequence[int], wide: Sequence[int] = ()):
        self._handle = handle
        self._registers = registers, wide
        self._load, self._store = READ, WRITE

    def __getattr__(self, name: str) -> Any:
        if name not in ("values", "_arguments"):
            raise AttributeError(name)
        registers, wide = self._registers
        count, narrow = len(registers) + len(wide), 8 * len(registers)
        values_of, numbers_of, pointers_of = _arrays(len(registers), len(wide))
        self.values = values_of()
        base = ctypes.addressof(self.values)
        numbers = numbers_of(*registers, *wide)
        pointers = pointers_of(
            *range(base, base + narrow, 8),
            *range(base + narrow, base + narrow + 16 * len(wide), 16),
        )
        self._arguments = (self._handle, numbers, pointers, ctypes.c_int(count))
        return getattr(self, name)

    def of(self, handle: ctypes.c_void_p) -> Batch:
        """The same registers of another engine."""
        return Batch(handle, *self._registers)

    def load(self) -> ctypes.Array[ctypes.c_uint64]:
        """Read the registers into ``values`` and return it."""
        self._load(*self._arguments)
        return self.values

    def store(self) -> None:
        """Write ``values`` to the registers."""
        self._store(*self._arguments)
