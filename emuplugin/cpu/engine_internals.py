"""One switch inside Unicorn that its interface does not offer, found by observation.

Unicorn emits, behind every guest memory access, a call that looks whether somebody asked it to
stop, and if so leaves with RIP at the instruction whose access has just happened. A stop from
another thread can therefore run ``inc [mem]`` or ``push`` twice (unicorn issue 1355), and every
access pays for the question. The engine has a flag that leaves these calls out (it needs it for
ARM's IT blocks): ``no_exit_request`` in ``struct uc_struct``. The question at the start of each
block remains, so a stop is exact, and memory accesses are about twice as fast.

The flag's place is found, not assumed: the four flags ``hook_insert, first_tb, no_exit_request,
init_done`` lie side by side, in a word of their own before the ``jmp_bufs``, and a first run
changes them from 0,0,0,1 to 0,1,0,1. Exactly one word of the structure does that.
"""

from __future__ import annotations

import ctypes
from functools import cache

import unicorn

_BEFORE, _AFTER = b"\0\0\0\1", b"\0\1\0\1"
_FLAG_IN_WORD = 2
# The flags lie at 2 KiB into a structure of more than 10 KiB.
_SEARCHED = 4096
_ON = b"\1"


@cache
def _flag_offset() -> int:
    """Offset of ``no_exit_request`` in the engine's structure, from the behaviour of a probe."""
    probe = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    probe.mem_map(0, 4096)
    probe.mem_write(0, b"\xf4")  # hlt
    address = probe._uch.value
    before = ctypes.string_at(address, _SEARCHED)
    probe.emu_start(0, 0)
    after = ctypes.string_at(address, _SEARCHED)
    places = [
        at
        for at in range(0, _SEARCHED, 4)
        if before[at : at + 4] == _BEFORE and after[at : at + 4] == _AFTER
    ]
    if len(places) != 1:
        raise RuntimeError(
            f"this build of Unicorn ({unicorn.__version__}) is laid out in a way that emuplugin "
            "does not know; install unicorn 2.1.4"
        )
    return places[0] + _FLAG_IN_WORD


def stop_only_between_instructions(uc: unicorn.Uc) -> None:
    """Make ``uc_emu_stop`` from any thread exact for ``uc``.

    Call it when memory is mapped (that initialises the engine) and before any code is translated.
    """
    ctypes.memmove(uc._uch.value + _flag_offset(), _ON, 1)
