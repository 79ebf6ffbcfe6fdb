"""Instructions that the engine would let pass, although user code may not execute them.

IN, OUT and their string forms fault on a processor unless the system grants ports (Intel SDM
vol. 1, 19.5), and SYSENTER leads into a kernel that expects 32-bit programs. The engine calls a
hook for them and knows no privilege there. So the hook asks for the run's end, and the run ends
with a fault at the instruction. What follows it in the same block of instructions has then been
executed; it cannot have ended in anything but another fault, a system call or a jump.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from unicorn import x86_const

from .registers import Batch

_FORBIDDEN = (
    (x86_const.UC_X86_INS_IN, ctypes.c_uint32),
    (x86_const.UC_X86_INS_OUT, None),
    (x86_const.UC_X86_INS_SYSENTER, None),
)


class ForbiddenInstruction(Exception):
    """Internal: the run ends with a general protection fault at ``rip``."""

    def __init__(self, rip: int) -> None:
        super().__init__(rip)
        self.rip = rip


def forbid(
    rip: Batch,
    hook: Callable[[int, Callable[[int], int], Any], None],
    end_with: Callable[[BaseException], None],
) -> None:
    """Make the instructions end a run with :class:`ForbiddenInstruction`.

    ``rip`` reads the engine's RIP, ``hook`` adds a hook of an instruction with its callback and
    the ctypes type of its result, ``end_with`` ends the run that is on with an exception.
    """

    def forbidden(_engine: int) -> int:
        end_with(ForbiddenInstruction(rip.load()[0]))
        return 0

    for instruction, result in _FORBIDDEN:
        hook(instruction, forbidden, result)
