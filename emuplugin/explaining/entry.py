"""The moment at which the called function was entered: registers, stack, goroutine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from emuplugin.cpu import registers as reg
from emuplugin.cpu.memory import GuestMemoryError
from emuplugin.runtime_shims.program import Program

_STACK_BYTES: Final = 512
#: In the order in which they are shown.
NAMES: Final = {
    "RAX": reg.RAX, "RBX": reg.RBX, "RCX": reg.RCX, "RDX": reg.RDX, "RSI": reg.RSI,
    "RDI": reg.RDI, "RBP": reg.RBP, "RSP": reg.RSP, "R8": reg.R8, "R9": reg.R9, "R10": reg.R10,
    "R11": reg.R11, "R12": reg.R12, "R13": reg.R13, "R14": reg.R14, "R15": reg.R15,
    "RIP": reg.RIP, "RFLAGS": reg.RFLAGS,
}  # fmt: skip
_FLOATS: Final = {f"X{number}": register for number, register in enumerate(reg.XMM)}


@dataclass(frozen=True, slots=True)
class Entry:
    """``registers``: all general ones, and those of X0 to X14 that are not zero, with their low
    halves. ``stack``: bytes from RSP upwards. ``g`` is the goroutine's record, ``goroutine`` its
    number, ``thread`` Linux's number of the thread."""

    registers: tuple[tuple[str, int], ...]
    pc: int
    rsp: int
    stack: bytes
    g: int
    goroutine: int
    thread: int
    stack_low: int
    stack_high: int
    stackguard: int


def capture(program: Program, pc: int) -> Entry:
    """The moment, while the guest stands at the function's first instruction, ``pc``."""
    engine, runtime, kernel = program.process.engine, program.runtime, program.process.kernel
    values = {name: engine.read_register(number) for name, number in NAMES.items()}
    values["RIP"] = pc
    for name, number in _FLOATS.items():
        low = engine.read_register(number) & 0xFFFF_FFFF_FFFF_FFFF
        if low:
            values[name] = low
    g, rsp = runtime.g, values["RSP"]
    high = runtime.get_at(g, "runtime.g", "stack.hi")
    try:
        stack = runtime.memory.read(rsp, max(0, min(_STACK_BYTES, high - rsp)))
    except GuestMemoryError:
        stack = b""
    return Entry(
        registers=tuple(values.items()),
        pc=pc,
        rsp=rsp,
        stack=stack,
        g=g,
        goroutine=runtime.get_at(g, "runtime.g", "goid"),
        thread=kernel.threads.current.tid,
        stack_low=runtime.get_at(g, "runtime.g", "stack.lo"),
        stack_high=high,
        stackguard=runtime.get_at(g, "runtime.g", "stackguard0"),
    )
