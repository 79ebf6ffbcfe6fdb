"""What the processor would have raised, found from how the engine stopped.

After its first fault the engine answers every further one alike (it never finishes delivering the
exception), so page faults are told by CR2 and the rest by the instruction at RIP.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import unicorn


class FaultKind(Enum):
    """The exceptions that user code can cause."""

    PAGE = "page fault"
    DIVIDE = "divide error"
    INVALID = "invalid opcode"
    BREAKPOINT = "breakpoint"
    PROTECTION = "general protection fault"


class Fault(NamedTuple):
    """A fault at ``rip``; ``address`` is CR2 for page faults, else 0."""

    kind: FaultKind
    rip: int
    address: int


# Legacy prefixes and REX.
_PREFIXES = frozenset(
    (0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3, *range(0x40, 0x50))
)
_INT3 = b"\xcc"
# Mnemonics that capstone puts in no group of its own, beside the undefined ones.
_MISSING = ("ud", "rdrand", "rdseed", "movbe", "adcx", "adox")
_LONGEST_INSTRUCTION = 15


def classify(error: int, rip: int, code_at: Callable[[int, int], bytes]) -> FaultKind:
    """The kind of a fault that is not a page fault.

    ``error`` is the engine's, ``code_at`` gives up to so many bytes of guest memory.
    """
    if error == unicorn.UC_ERR_INSN_INVALID:
        return FaultKind.INVALID
    if error == unicorn.UC_ERR_EXCEPTION:
        # A software interrupt leaves RIP behind the instruction, as the processor does.
        return FaultKind.BREAKPOINT if code_at(rip - 1, 1) == _INT3 else FaultKind.PROTECTION
    code = code_at(rip, _LONGEST_INSTRUCTION)
    if _is_division(code):
        return FaultKind.DIVIDE
    return FaultKind.INVALID if _is_invalid(code) else FaultKind.PROTECTION


def _is_division(code: bytes) -> bool:
    """Whether ``code`` starts with DIV or IDIV (F6/F7 with /6 or /7), behind any prefixes."""
    index = 0
    while index < len(code) and code[index] in _PREFIXES:
        index += 1
    return index + 1 < len(code) and code[index] in (0xF6, 0xF7) and (code[index + 1] >> 3) & 7 >= 6


def _is_invalid(code: bytes) -> bool:
    """Whether ``code`` starts with an instruction that the machine's processor does not have."""
    # Rare, and the import takes longer than opening a plugin.
    from capstone import CS_ARCH_X86, CS_MODE_64, Cs, x86_const

    decoder = Cs(CS_ARCH_X86, CS_MODE_64)
    decoder.detail = True
    instruction = next(decoder.disasm(code, 0, 1), None)
    if instruction is None or instruction.mnemonic.startswith(_MISSING):
        return True
    missing = {
        getattr(x86_const, f"X86_GRP_{name}")
        for name in (
            "AVX",
            "AVX2",
            "AVX512",
            "FMA",
            "FMA4",
            "SHA",
            "XOP",
            "TBM",
            "RTM",
            "BMI",
            "BMI2",
        )
    }
    return not missing.isdisjoint(instruction.groups)
