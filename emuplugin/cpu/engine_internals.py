"""What lies inside Unicorn and is not in its interface, and what we make of it.

* The engine emits, behind every guest memory access, a call that looks whether somebody asked it
  to stop, and if so leaves with RIP at the instruction whose access has just happened. A stop from
  another thread can therefore run ``inc [mem]`` or ``push`` twice (unicorn issue 1355), and every
  access pays for the question. A flag of the engine (``no_exit_request`` in ``struct uc_struct``;
  it needs it for ARM's IT blocks) leaves these calls out. The question at the start of each block
  remains, so a stop is exact, and memory accesses are about twice as fast.
* That question is itself a call of a helper. Where translated blocks lie, and how the call looks
  in them, is what :mod:`stops` needs to put something better in its place.
* Of other helpers, those that the library exports by name, better ones can be made
  (:mod:`helper_code`), when it is known where the engine keeps the guest's registers.

Where all this is, :mod:`engine_probe` finds out.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import NamedTuple

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from emuplugin.private_memory import private_memory

#: The four flags hook_insert, first_tb, no_exit_request, init_done lie side by side, in a word of
#: their own, and are so when nothing was translated yet.
FLAGS_AT_FIRST = b"\0\0\0\1"
#: Which of them is no_exit_request.
FLAG_IN_WORD = 2
_ON = b"\1"
# Farther than a direct call reaches, and so many nearer places are taken at most.
_FAR, _PLACES = 1 << 32, 64


class Translations(NamedTuple):
    """Where an engine keeps its translated blocks: ``last`` is the offset, in its structure, of the
    pointer to the description of a block that ran; ``code`` is how far behind a description its
    code begins."""

    last: int
    code: int


class Registers(NamedTuple):
    """Where the engine keeps what helpers need, as offsets in what they get as their first
    argument: RAX, RDX, RIP, RFLAGS, the flags of the processor's mode, the state of SSE's
    arithmetic, and the result of the last comparison."""

    rax: int
    rdx: int
    eip: int
    eflags: int
    hflags: int
    sse: int
    cc_src: int


class Internals(NamedTuple):
    """What is known of a build of the engine: where in its structure the flag is that is said
    above, where translated blocks are, and where registers; None if they are not as expected."""

    flag: int
    translations: Translations | None
    registers: Registers | None


def has_flag(uc: unicorn.Uc, internals: Internals) -> bool:
    """Whether the flag of ``uc`` can be where it is said to be. Only when memory is mapped (that
    initialises the engine) and before any code is translated."""
    word = ctypes.string_at(uc._uch.value + internals.flag - FLAG_IN_WORD, len(FLAGS_AT_FIRST))
    return word == FLAGS_AT_FIRST


def stop_only_between_instructions(uc: unicorn.Uc, internals: Internals) -> None:
    """Make ``uc_emu_stop`` from any thread exact for ``uc``; see :func:`has_flag` for when."""
    ctypes.memmove(uc._uch.value + internals.flag, _ON, 1)


def last_block(uc: unicorn.Uc, places: Translations) -> int:
    """The description of a block that ``uc`` has run."""
    return int.from_bytes(ctypes.string_at(uc._uch.value + places.last, 8), "little")


def helper_called(block: int, places: Translations, zero_argument: bytes) -> int:
    """The address of the helper that a block calls at its start; 0 if it does not.

    The call follows on the loading of its two arguments: the engine, and 0.
    """
    start = block + places.code
    code = ctypes.string_at(start, 32)
    for at in range(5, 13):
        if code[at : at + 2] != zero_argument:
            continue
        behind = start + at + 2
        if code[at + 2] == 0xE8:  # call rel32
            return behind + 5 + struct.unpack_from("<i", code, at + 3)[0]  # type: ignore[no-any-return]
        if code[at + 2 : at + 4] == b"\xff\x15":  # call [rip + rel32]
            slot = behind + 6 + struct.unpack_from("<i", code, at + 4)[0]
            return int.from_bytes(ctypes.string_at(slot, 8), "little")
    return 0


@contextmanager
def translations_far_away(size: int) -> Iterator[None]:
    """Within this, an engine that is initialised (by mapping memory) gets its buffer of ``size``
    bytes for blocks far from the library, so that blocks call helpers through pointers, which can
    be replaced.

    Nearer addresses are taken for that long; where the host has none to spare the buffer is near.
    """
    with ExitStack() as held:
        for length in (_FAR, *[size] * _PLACES) if sys.platform != "win32" else ():
            try:
                place = private_memory(length)
            except OSError:
                break
            held.enter_context(place)
            address = ctypes.addressof(ctypes.c_char.from_buffer(place))
            if length == size and abs(address - helper("lookup_tb_ptr")) > _FAR:
                place.close()  # the engine gets this one, or one that is as far away
                break
        yield


@cache
def helper(name: str) -> int:
    """The address of one of the engine's helpers; 0 if the library does not tell."""
    try:
        function = getattr(uclib, f"helper_{name}_x86_64")
    except AttributeError:
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0
