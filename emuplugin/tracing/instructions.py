"""Every instruction of chosen functions, with the registers that it changes and the memory that it
reads and writes.

What an instruction did is known when the next one begins: its event comes then, with the moment at
which it began. An instruction that leaves the chosen functions has changed nothing but the stack
pointer. Where memory operands lie is worked out from the registers: hooks for memory accesses would
slow down all of the guest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from emuplugin.cpu import registers as reg
from emuplugin.cpu.hooks import Hooks
from emuplugin.cpu.memory import GuestMemoryError
from emuplugin.errors import FormatError

from .events import Access, Instruction, RegisterChange
from .guest import TracedGuest
from .observer import Moment, Observer
from .what import Pattern, matcher

if TYPE_CHECKING:
    from capstone import Cs

    from .recorder import Recorder

_NAMES: Final = (
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rflags",
)  # fmt: skip
_NUMBERS: Final = (
    reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.RBP, reg.RSP,
    reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13, reg.R14, reg.R15, reg.RFLAGS,
)  # fmt: skip
_RSP, _RIP, _FS_BASE, _X0 = 7, 17, 18, 19
_AT: Final = {name: index for index, name in enumerate(_NAMES)}
# Registers that are parts of others, as far as addresses are made of them.
_AT.update({f"e{name[1:]}": index for name, index in _AT.items() if name[0] == "r" and index < 8})
_AT.update({f"r{number}d": number for number in range(8, 16)})
_FLAGS_SHOWN: Final = 0xCD5  # CF, PF, AF, ZF, SF, DF, OF
_MAX_STRING: Final = 64


@dataclass(frozen=True, slots=True)
class _Operand:
    """A memory operand: an address is the sum of ``displacement`` and registers, by their places in
    the batch (-1: none)."""

    base: int
    index: int
    scale: int
    displacement: int
    fs: bool
    size: int
    reads: bool
    writes: bool


@dataclass(frozen=True, slots=True)
class _Code:
    """A decoded instruction. ``stack``: what it does to RSP, for those that may lead elsewhere."""

    address: int
    size: int
    text: str
    function: str
    operands: tuple[_Operand, ...]
    stack: int
    leaves: bool


@dataclass(slots=True)
class _Running:
    """An instruction that has begun: the registers before it, and its memory operands."""

    code: _Code
    moment: Moment
    before: list[int]
    accesses: list[tuple[Literal["read", "write"], int, int, int]] = field(default_factory=list)


class Instructions(Observer):
    """See the module."""

    def __init__(self, recorder: Recorder, guest: TracedGuest, pattern: Pattern) -> None:
        super().__init__(recorder, guest)
        self._fits = matcher(pattern, recorder.is_own)
        self._all = guest.engine.batch(*_NUMBERS, reg.RIP, reg.FS_BASE, wide=reg.XMM)
        self._codes: dict[int, _Code] = {}
        self._running: dict[int, _Running] = {}
        self._counted = -1
        self._next = 0

    def install(self, hooks: Hooks) -> None:
        self._hooks = hooks
        guest = self.guest
        chosen = [f for f in guest.functions if self._fits(guest.functions.name(f))]
        ranges = [(function.entry, function.end) for function in chosen]
        hooks.code(ranges, self._step)

    def finish(self) -> None:
        for g in list(self._running):
            self._complete(g, None)

    def _step(self) -> None:
        values = list(self._all.load())
        rip, executed = values[_RIP], self._executed(values[_RIP])
        g = self.g(values[_FS_BASE])
        running = self._running.get(g)
        if running is not None:
            if running.code.address == rip and running.before == values:
                return  # it ran into a page that was not there yet, and begins once more
            self._complete(g, values)
        code = self._codes.get(rip) or self._decode(rip)
        goroutine = self.guest.goroutine(g)
        running = _Running(code, self.moment(executed, goroutine), values)
        for operand in code.operands:
            self._begin(running, operand)
        self._running[g] = running
        if code.leaves:
            self._complete(g, None)

    def _executed(self, rip: int) -> int:
        """Instructions before this one. All of a block's count as soon as it is entered."""
        counted = self._stops.executed
        if counted != self._counted:
            self._counted = counted
            self._next = self._hooks.executed_before(rip)
        else:
            self._next += 1
        return self._next

    def _begin(self, running: _Running, operand: _Operand) -> None:
        """Where a memory operand lies, and what is there now."""
        values = running.before
        address = operand.displacement
        if operand.base >= 0:
            address += values[operand.base]
        if operand.index >= 0:
            address += values[operand.index] * operand.scale
        if operand.fs:
            address += values[_FS_BASE]
        address &= (1 << 64) - 1
        if operand.reads:
            running.accesses.append(("read", address, operand.size, self._value(address, operand)))
        if operand.writes:
            running.accesses.append(("write", address, operand.size, 0))

    def _value(self, address: int, operand: _Operand) -> int:
        try:
            return int.from_bytes(self.guest.memory.read(address, operand.size), "little")
        except GuestMemoryError:
            return 0

    def _complete(self, g: int, after: list[int] | None) -> None:
        """The event of an instruction that is over; ``after`` are the registers, None where nobody
        looked."""
        running = self._running.pop(g)
        code, before = running.code, running.before
        if after is None:
            after = list(before)
            after[_RSP] += code.stack
        changes = [
            RegisterChange(name, before[at], after[at])
            for at, name in enumerate(_NAMES[:-1])
            if before[at] != after[at]
        ]
        if (before[16] ^ after[16]) & _FLAGS_SHOWN:
            changes.append(RegisterChange("rflags", before[16], after[16]))
        for number in range(16):
            low, high = _X0 + 2 * number, _X0 + 2 * number + 1
            if before[low] != after[low] or before[high] != after[high]:
                old, new = before[low] | before[high] << 64, after[low] | after[high] << 64
                changes.append(RegisterChange(f"xmm{number}", old, new))
        accesses = []
        for kind, address, size, value in running.accesses:
            if kind == "write":
                value = self._written(code, address, size)
            accesses.append(Access(kind, address, size, value))
        self.emit(
            Instruction(
                *running.moment,
                code.address,
                code.text,
                code.function,
                tuple(changes),
                tuple(accesses),
            )
        )

    def _written(self, code: _Code, address: int, size: int) -> int:
        if code.stack == -8 and code.leaves:  # a call has not happened yet when it is told of
            return code.address + code.size
        try:
            return int.from_bytes(self.guest.memory.read(address, size), "little")
        except GuestMemoryError:
            return 0

    def _decode(self, pc: int) -> _Code:
        functions = self.guest.functions
        function = functions.function(pc)
        name = "" if function is None else functions.name(function)
        try:
            data = self.guest.memory.read(pc, 16)
        except GuestMemoryError:
            data = self.guest.memory.read(pc, 1)
        decoded = next(iter(_decoder().disasm(data, pc, 1)), None)
        if decoded is None:
            code = _Code(pc, 1, "(bad)", name, (), 0, True)
        else:
            code = self._code(decoded, name)
        self._codes[pc] = code
        return code

    def _code(self, decoded: Any, name: str) -> _Code:
        mnemonic = decoded.mnemonic
        text = f"{mnemonic} {decoded.op_str}".rstrip()
        operands = list(_operands(decoded))
        stack = 0
        if mnemonic == "call":
            stack = -8
            operands.append(_Operand(_RSP, -1, 1, -8, False, 8, False, True))
            text += self._named(decoded.op_str)
        elif mnemonic == "push":
            operands.append(_Operand(_RSP, -1, 1, -8, False, 8, False, True))
        elif mnemonic in ("ret", "pop"):
            stack = 8
            operands.append(_Operand(_RSP, -1, 1, 0, False, 8, True, False))
        leaves = mnemonic in ("call", "ret", "syscall", "hlt", "ud2")
        size = decoded.size
        return _Code(decoded.address, size, text, name, tuple(operands), stack, leaves)

    def _named(self, operand: str) -> str:
        """The function that is called, as a comment."""
        if not operand.startswith("0x"):
            return ""
        target = int(operand, 16)
        try:
            function = self.guest.functions.function(target)
        except FormatError:
            return ""
        return "" if function is None else f"  # {self.guest.functions.name(function)}"


def _operands(decoded: Any) -> list[_Operand]:
    """The memory operands that are written in an instruction."""
    from capstone import CS_AC_READ, CS_AC_WRITE
    from capstone.x86 import X86_OP_MEM, X86_REG_FS, X86_REG_INVALID, X86_REG_RIP

    found = []
    if decoded.mnemonic.startswith(("lea", "nop", "prefetch")):
        return []
    for position, operand in enumerate(decoded.operands):
        if operand.type != X86_OP_MEM:
            continue
        place = operand.mem
        displacement = place.disp
        base = -1
        if place.base == X86_REG_RIP:
            displacement += decoded.address + decoded.size
        elif place.base != X86_REG_INVALID:
            base = _AT.get(decoded.reg_name(place.base), -1)
        index = -1
        if place.index != X86_REG_INVALID:
            index = _AT.get(decoded.reg_name(place.index), -1)
        reads = bool(operand.access & CS_AC_READ) or not operand.access
        writes = bool(operand.access & CS_AC_WRITE)
        if decoded.mnemonic.startswith(("cmp", "test", "ucomis", "comis", "bt ")):
            reads, writes = True, False
        elif decoded.mnemonic.startswith("mov"):  # capstone takes stores of MOVUPS for loads
            reads, writes = bool(position), not position
        fs = place.segment == X86_REG_FS
        size = min(operand.size, _MAX_STRING)
        found.append(_Operand(base, index, place.scale, displacement, fs, size, reads, writes))
    return found


@cache
def _decoder() -> Cs:
    import capstone

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    return decoder
