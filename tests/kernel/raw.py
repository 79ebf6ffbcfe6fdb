"""An emulated process without Go: system calls from a few bytes of machine code."""

from __future__ import annotations

from typing import Any

from emuplugin import Limits, Sandbox
from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import PROT_EXEC, PROT_READ, PROT_WRITE
from emuplugin.runtime_shims.process import Process

CODE, DATA, SECRET = 0x40_0000, 0x60_0000, 0x80_0000
SIZE = 0x10000
# Where a pointer leads nowhere: not mapped, above user space, not canonical.
BAD = (0, 8, 0x1234_5000, DATA + SIZE, (1 << 47), 1 << 63, (1 << 64) - 1)
_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_SYSCALL, _NOP, _HLT = b"\x0f\x05", b"\x90", b"\xf4"


class Raw:
    """One process. DATA can be written, SECRET only be read by the guest."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("limits", Limits(memory=64 << 20))
        self.process = Process(Sandbox(**settings))
        self.kernel, self.memory = self.process.kernel, self.process.memory
        space = self.process.space
        space.map(CODE, SIZE, PROT_READ | PROT_EXEC)
        space.map(DATA, SIZE, PROT_READ | PROT_WRITE)
        space.map(SECRET, SIZE, PROT_READ)
        self.stack = self.process.stack[1] - 256

    def run(self, code: bytes, **registers: int) -> int:
        """Run machine code up to the trap behind it; RAX."""
        # A call that waits ends the run behind it: that must not be the trap already.
        code += _NOP
        self.memory.write(CODE, code + _HLT)
        self.process.space.flush_code()
        engine = self.process.engine
        engine.traps.clear()
        self.kernel.traps.clear()
        self.process.trap(CODE + len(code), lambda: True)
        for name, value in {"rsp": self.stack, **registers}.items():
            engine.write_register(vars(reg)[name.upper()], value & 0xFFFFFFFFFFFFFFFF)
        self.kernel.run(CODE)
        return engine.read_register(reg.RAX)

    def syscall(self, number: int, *arguments: int) -> int:
        """One system call; its result, negative for errors."""
        named = dict(zip(_ARGUMENTS, arguments, strict=False))
        for name in _ARGUMENTS[len(arguments) :]:
            named[name] = 0
        result = self.run(_SYSCALL, rax=number, **named)
        return result - (1 << 64) if result >> 63 else result

    def put(self, data: bytes, at: int = DATA) -> int:
        """Write bytes into guest memory; where they are."""
        self.memory.write(at, data)
        return at

    def close(self) -> None:
        self.process.close()
