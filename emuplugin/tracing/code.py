"""What observers want to know of code: where functions return, and where blocks end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from emuplugin.cpu.memory import GuestMemoryError
from emuplugin.elf.pclntab import Func

from .guest import TracedGuest

if TYPE_CHECKING:
    from capstone import Cs

_MAX_SIZE = 1 << 20
# Bytes of the longest instruction.
_LONGEST = 15
#: Instructions that a translated block ends with, beside jumps.
_ENDS = frozenset(("call", "ret", "syscall", "hlt", "int3", "ud2", "iretq", "popfq", "int"))


def returns(guest: TracedGuest, function: Func) -> list[int]:
    """The addresses of a function's ``ret`` instructions; none in code that cannot be read."""
    size = min(function.end - function.entry, _MAX_SIZE)
    try:
        code = guest.memory.read(function.entry, size)
    except GuestMemoryError:
        return []
    if b"\xc3" not in code:
        return []
    return [
        address
        for address, _, mnemonic, _ in _decoder().disasm_lite(code, function.entry)
        if mnemonic == "ret"
    ]


def decoded(guest: TracedGuest, places: Sequence[int]) -> Iterator[tuple[int, int, bool]]:
    """Instructions at ``places``, which are in order: (address, bytes, whether it ends a block)."""
    decoder, at = _decoder(), 0
    while at < len(places):
        start, last = places[at], at
        while last + 1 < len(places) and places[last + 1] - places[last] <= _LONGEST:
            last += 1
        code = guest.memory.read(start, places[last] - start)
        code += _tail(guest, places[last])
        here = at
        for address, size, mnemonic, _ in decoder.disasm_lite(code, start):
            if here > last or address != places[here]:
                if here > last or address > places[here]:
                    break
                continue
            yield address, size, mnemonic[0] == "j" or mnemonic in _ENDS
            here += 1
        at = max(here, at + 1)


def _tail(guest: TracedGuest, pc: int) -> bytes:
    try:
        return guest.memory.read(pc, _LONGEST)
    except GuestMemoryError:
        return guest.memory.read(pc, 1)


def until_end_of_block(guest: TracedGuest, pc: int) -> int:
    """How many instructions the translated block that holds ``pc`` has from there on: as far as the
    next jump."""
    try:
        code = guest.memory.read(pc, 512)
    except GuestMemoryError:
        return 1
    count = 0
    for _, _, mnemonic, _ in _decoder().disasm_lite(code, pc):
        count += 1
        if mnemonic[0] == "j" or mnemonic in _ENDS or mnemonic.startswith("rep"):
            break
    return max(count, 1)


@cache
def _decoder() -> Cs:
    import capstone  # a fifth of a second that only traces need

    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
