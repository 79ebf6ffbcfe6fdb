"""The processor's way into 64-bit ring 3, as a kernel starts a process."""

from __future__ import annotations

import ctypes
import struct

import unicorn
from unicorn import x86_const

from . import registers as reg
from .address_space import PROT_READ, AddressSpace
from .paging import WRITABLE
from .registers import ENTER, WRITE

# Flat segments for 64-bit code and data in ring 0 and ring 3 (Intel SDM vol. 3A, 3.4.5).
_GDT = (
    0,
    0,
    0x00AFFB000000FFFF,  # 0x10 | 3: user code
    0x00CFF3000000FFFF,  # 0x18 | 3: user data
    0x00AF9B000000FFFF,
    0x00CF93000000FFFF,
)
_USER_CS, _USER_SS = 0x13, 0x1B
_IRETQ = b"\x48\xcf"
_HLT = b"\xf4"
_MSR_EFER = 0xC0000080
_EFER_SCE_LME_LMA_NXE = 0xD01
_CR0_PE_MP_ET_NE_WP_PG = 0x80010033
# TSD: RDTSC would read the host's counter, so it is left to the kernel, as a fault.
_CR4_TSD_PAE_OSFXSR_OSXMMEXCPT = 0x624
_RFLAGS_IF = 0x202
# Written together, in this order, for the bindings take ten times as long; the values are as the
# engine has them: struct uc_x86_mmr, two words, struct uc_x86_msr, two words.
_REGISTERS = (reg.GDTR, reg.CR3, reg.CR4, reg.MSR, reg.CR0, reg.RSP)
_VALUES = struct.Struct("<H6xQII QQ I4xQ QQ")
_OFFSETS = (0, 24, 32, 40, 56, 64)
_NUMBERS = (ctypes.c_int * len(_REGISTERS))(*_REGISTERS)
_Pointers = ctypes.c_void_p * len(_REGISTERS)


def enter_user_mode(uc: unicorn.Uc, space: AddressSpace, system_page: int) -> int:
    """Switch paging on and drop to ring 3 with one ``iretq``. ``system_page`` is the virtual
    address of a page that is taken for that; it remains the supervisor's. Returns the address in
    it where the processor then stands, at a page fault."""
    area = space.map(system_page, 4096, PROT_READ, "[system]")
    assert area.physical is not None
    physical, words, content = area.physical, space.physical.words, space.physical.bytes
    # Until the iretq is done this page is the supervisor's, executable.
    space.tables.map(system_page, physical, 1, WRITABLE)
    content[physical : physical + 2] = _IRETQ
    gdt = physical + 0x100
    for index, descriptor in enumerate(_GDT):
        words[(gdt >> 3) + index] = descriptor
    landing = system_page + 0x200
    content[physical + 0x200 : physical + 0x201] = _HLT
    frame = physical + 0x800
    user = (landing, _USER_CS, _RFLAGS_IF, system_page + 0xF00, _USER_SS)
    for index, value in enumerate(user):
        words[(frame >> 3) + index] = value
    _write_registers(
        uc,
        *(0, system_page + 0x100, 8 * len(_GDT) - 1, 0),
        space.tables.root,
        _CR4_TSD_PAE_OSFXSR_OSXMMEXCPT,
        *(_MSR_EFER, _EFER_SCE_LME_LMA_NXE),
        _CR0_PE_MP_ET_NE_WP_PG,
        system_page + 0x800,
    )
    zero, no_count = ctypes.c_uint64(0), ctypes.c_size_t(0)
    # The landing page is not the user's: the first user instruction faults there, and that proves
    # the switch. Further faults bring the engine's exception state to where it stays.
    for start in (system_page, landing, landing):
        ENTER(uc._uch, ctypes.c_uint64(start), zero, zero, no_count)
    at = (uc.reg_read(x86_const.UC_X86_REG_CS), uc.reg_read(reg.RIP))
    if at != (_USER_CS, landing):
        raise RuntimeError("the Unicorn engine did not reach ring 3; is this version supported?")
    return landing


def _write_registers(uc: unicorn.Uc, *numbers: int) -> None:
    content = _VALUES.pack(*numbers)
    values = ctypes.create_string_buffer(content, len(content))
    start = ctypes.addressof(values)
    pointers = _Pointers(*(start + offset for offset in _OFFSETS))
    WRITE(uc._uch, _NUMBERS, pointers, ctypes.c_int(len(_REGISTERS)))
