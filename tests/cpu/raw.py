"""A bare processor: machine code, data and a stack, no kernel and no Go."""

from __future__ import annotations

from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import (
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    AddressSpace,
)
from emuplugin.cpu.engine import Engine, Stopped
from emuplugin.cpu.faults import Fault, FaultKind
from emuplugin.cpu.memory import Memory
from emuplugin.cpu.physical import PhysicalMemory

CODE, DATA, STACK, READ_ONLY, SYSTEM = 0x400000, 0x600000, 0x800000, 0xA00000, 0xC00000
SIZE = 0x4000
HLT = b"\xf4"


class Processor:
    """``run(code)`` runs from the start of CODE; page faults in areas are answered by presence."""

    def __init__(self, *, accelerators: bool = True) -> None:
        self.physical = PhysicalMemory(1 << 28)
        self.space = AddressSpace(self.physical, 1 << 12)
        self.memory = Memory(self.space)
        self.engine = Engine(self.space, SYSTEM, accelerators=accelerators)
        self.space.map(CODE, SIZE, PROT_READ | PROT_EXEC)
        self.space.map(DATA, SIZE, PROT_READ | PROT_WRITE)
        self.space.map(STACK, SIZE, PROT_READ | PROT_WRITE)
        self.space.map(READ_ONLY, SIZE, PROT_READ)

    def run(self, code: bytes = b"", **registers: int) -> Stopped | Fault:
        """Run ``code`` (what was there before, if none is given) up to a trap behind it, a fault
        that presence does not answer, or a request."""
        if code:
            self.memory.write(CODE, code + HLT)
            self.space.flush_code()
            self.engine.traps = {CODE + len(code)}
            self.engine.write_register(reg.RSP, STACK + SIZE - 64)
        for name, value in registers.items():
            self.engine.write_register(vars(reg)[name.upper()], value)
        rip = CODE if code else self.engine.rip
        while True:
            end = self.engine.run(rip)
            if (
                not isinstance(end, Fault)
                or end.kind is not FaultKind.PAGE
                or not self.space.touch(end.address)
            ):
                return end
            rip = self.engine.rip

    def __getitem__(self, register: str) -> int:
        return self.engine.read_register(vars(reg)[register.upper()])

    def close(self) -> None:
        self.engine.close()
        self.physical.close()
