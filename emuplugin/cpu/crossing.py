"""Short ways into the guest and back, for calls that are made often.

A call has three steps: registers are written, the guest runs, registers are read. Each is a call
of the engine's library, which from Python costs more than what it does. On hosts with an x86-64
processor a few instructions of ours (:data:`LISTING`) make the three calls, and compare where the
guest has arrived with where it is expected, so that Python calls once. Elsewhere Python makes the
three calls itself.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from . import registers as reg
from .host_code import HostCode, HostCodeError, placed
from .listing import assemble
from .registers import ENTER, READ, WRITE

if TYPE_CHECKING:
    from .engine import Engine

#: Where the results of a crossing begin in :attr:`Crossing.results`: behind RIP and R14.
RESULTS = 2
#: What :attr:`Crossing.run` returns has this bit if the guest is not where it was expected; the
#: bits below are what the engine says of the end.
ASTRAY = 1 << 8


class Landing(ctypes.Structure):
    """How the guest is entered, and where it is to arrive: RSP, R14 (the goroutine) and RBP at the
    start; ``back`` is RIP at the end, where R14 is to be the same. Crossings share it."""

    _fields_ = (
        ("rsp", ctypes.c_uint64),
        ("g", ctypes.c_uint64),
        ("rbp", ctypes.c_uint64),
        ("back", ctypes.c_uint64),
    )


class _Block(ctypes.Structure):
    """What the instructions of ours work on."""

    _fields_ = (
        ("engine", ctypes.c_void_p),
        ("in_registers", ctypes.c_void_p),
        ("in_places", ctypes.c_void_p),
        ("in_count", ctypes.c_uint64),
        ("entry", ctypes.c_uint64),
        ("out_registers", ctypes.c_void_p),
        ("out_places", ctypes.c_void_p),
        ("out_count", ctypes.c_uint64),
        ("results", ctypes.c_void_p),
        ("landing", ctypes.c_void_p),
        ("left", ctypes.c_void_p),
        ("write", ctypes.c_void_p),
        ("run", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
        ("error", ctypes.c_uint64),
    )


class _Names:
    """Registers, as the engine's functions want them, and which words their values take."""

    def __init__(self, registers: Sequence[int]) -> None:
        self.count = len(registers)
        self.numbers = (ctypes.c_int * self.count)(*registers)
        self.address = ctypes.addressof(self.numbers)
        sizes = [16 if register in reg.XMM else 8 for register in registers]
        #: Where each value begins, and how many words they are.
        self.offsets = (0, *accumulate(sizes))[:-1]
        self.words = sum(sizes) // 8
        self.places = ctypes.c_void_p * self.count


@cache
def _names(registers: tuple[int, ...]) -> _Names:
    return _Names(registers)


class _Transfer:
    """Registers and where their values lie: some with places of their own before those of
    ``words``."""

    def __init__(self, names: _Names, words: ctypes.Array[ctypes.c_uint64], *before: int) -> None:
        skipped = 8 * len(before)
        at = ctypes.addressof(words) - skipped
        self.names = names
        self.places = names.places(*before, *[at + n for n in names.offsets[len(before) :]])
        self.address = ctypes.addressof(self.places)

    def arguments(self, engine: Engine) -> tuple[object, ...]:
        """Of ``uc_reg_write_batch`` and its sister."""
        return engine.handle, self.names.numbers, self.places, ctypes.c_int(self.names.count)


_LAID_OUT = ("arguments", "results", "run", "_block", "_in", "_out", "_read")


class Crossing:
    """One way in and out.

    ``arguments`` are the words that ``inputs`` get, ``results`` what RIP, R14 and then ``outputs``
    had at the end; XMM registers take two words, others one. ``run`` goes: it returns 0 if the
    guest has arrived at the landing and nothing else is due, else an error of the engine, perhaps
    with :data:`ASTRAY`; see :meth:`Engine.end_of`.

    A machine has some, and few of its calls need more than one of them: they are laid out when they
    are first used.
    """

    arguments: ctypes.Array[ctypes.c_uint64]
    results: ctypes.Array[ctypes.c_uint64]
    run: Callable[[], int]

    def __init__(
        self,
        engine: Engine,
        landing: Landing,
        entry: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        values: Sequence[int] = (),
    ) -> None:
        """``values`` are what the arguments are at first."""
        self._engine, self.landing = engine, landing
        self._ends = inputs, outputs
        self._first = entry, values

    def __getattr__(self, name: str) -> Any:
        if name not in _LAID_OUT:
            raise AttributeError(name)
        self._lay_out()
        return getattr(self, name)

    def _lay_out(self) -> None:
        engine, landing = self._engine, self.landing
        (entry, values), (inputs, outputs) = self._first, self._ends
        start = ctypes.addressof(landing)
        names = _names((reg.RSP, reg.R14, reg.RBP, *inputs))
        self.arguments = (ctypes.c_uint64 * (names.words - 3))(*values)
        self._in = _Transfer(names, self.arguments, start, start + 8, start + 16)
        names = _names((reg.RIP, reg.R14, *outputs))
        self.results = (ctypes.c_uint64 * names.words)()
        self._out = _Transfer(names, self.results)
        self._read = partial(READ, *self._out.arguments(engine))
        self._block = _Block(
            engine.handle,
            self._in.names.address,
            self._in.address,
            self._in.names.count,
            entry,
            self._out.names.address,
            self._out.address,
            self._out.names.count,
            ctypes.addressof(self.results),
            start,
            engine.stops.left_at,
            *_functions(),
        )
        code = _host_code()
        self.run = (
            self._run_in_steps
            if code is None
            else partial(_FUNCTION(code), ctypes.c_void_p(ctypes.addressof(self._block)))
        )

    def of(self, engine: Engine, landing: Landing) -> Crossing:
        """The same way for another engine, with the same arguments."""
        used = "_block" in vars(self)
        entry, values = (self._block.entry, list(self.arguments)) if used else self._first
        return Crossing(engine, landing, entry, *self._ends, values)

    def start_at(self, entry: int) -> None:
        """Run from another address from now on."""
        self._block.entry = entry

    def read(self) -> None:
        """Read the results again, because the guest has gone on since."""
        self._read()

    def _run_in_steps(self) -> int:
        engine, zero = self._engine, ctypes.c_uint64(0)
        WRITE(*self._in.arguments(engine))
        entry = ctypes.c_uint64(self._block.entry)
        error: int = ENTER(engine.handle, entry, zero, zero, ctypes.c_size_t(0))
        self._read()
        landing, left = self.landing, ctypes.c_uint64.from_address(self._block.left)
        arrived = self.results[0] == landing.back and self.results[1] == landing.g
        return error if arrived and not left.value else error | ASTRAY


@cache
def _functions() -> tuple[int, ...]:
    """The addresses of the engine's functions."""
    return tuple(ctypes.cast(f, ctypes.c_void_p).value or 0 for f in (WRITE, ENTER, READ))


# A function of machine code that takes a pointer, whose type is not looked at, and returns an int.
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int)


# The code, ``|``, and what it says in Intel syntax. Displacements are offsets in _Block, Landing
# and Crossing.results.
_ENTER_UNIX = """
    53                   | push rbx
    4889fb               | mov rbx, rdi
    488b3b               | mov rdi, qword ptr [rbx]
    488b7308             | mov rsi, qword ptr [rbx + 8]
    488b5310             | mov rdx, qword ptr [rbx + 0x10]
    8b4b18               | mov ecx, dword ptr [rbx + 0x18]
    ff5358               | call qword ptr [rbx + 0x58]
    488b3b               | mov rdi, qword ptr [rbx]
    488b7320             | mov rsi, qword ptr [rbx + 0x20]
    31d2                 | xor edx, edx
    31c9                 | xor ecx, ecx
    4531c0               | xor r8d, r8d
    ff5360               | call qword ptr [rbx + 0x60]
    48894370             | mov qword ptr [rbx + 0x70], rax
    488b3b               | mov rdi, qword ptr [rbx]
    488b7328             | mov rsi, qword ptr [rbx + 0x28]
    488b5330             | mov rdx, qword ptr [rbx + 0x30]
    8b4b38               | mov ecx, dword ptr [rbx + 0x38]
    ff5368               | call qword ptr [rbx + 0x68]
"""
_ENTER_WINDOWS = """
    53                   | push rbx
    4883ec30             | sub rsp, 0x30
    4889cb               | mov rbx, rcx
    488b0b               | mov rcx, qword ptr [rbx]
    488b5308             | mov rdx, qword ptr [rbx + 8]
    4c8b4310             | mov r8, qword ptr [rbx + 0x10]
    448b4b18             | mov r9d, dword ptr [rbx + 0x18]
    ff5358               | call qword ptr [rbx + 0x58]
    488b0b               | mov rcx, qword ptr [rbx]
    488b5320             | mov rdx, qword ptr [rbx + 0x20]
    4531c0               | xor r8d, r8d
    4531c9               | xor r9d, r9d
    4c89442420           | mov qword ptr [rsp + 0x20], r8
    ff5360               | call qword ptr [rbx + 0x60]
    48894370             | mov qword ptr [rbx + 0x70], rax
    488b0b               | mov rcx, qword ptr [rbx]
    488b5328             | mov rdx, qword ptr [rbx + 0x28]
    4c8b4330             | mov r8, qword ptr [rbx + 0x30]
    448b4b38             | mov r9d, dword ptr [rbx + 0x38]
    ff5368               | call qword ptr [rbx + 0x68]
"""
_COMPARE = """
    488b5340             | mov rdx, qword ptr [rbx + 0x40]
    488b4b48             | mov rcx, qword ptr [rbx + 0x48]
    4c8b02               | mov r8, qword ptr [rdx]
    4c334118             | xor r8, qword ptr [rcx + 0x18]
    4c8b4a08             | mov r9, qword ptr [rdx + 8]
    4c334908             | xor r9, qword ptr [rcx + 8]
    4d09c8               | or r8, r9
    488b4b50             | mov rcx, qword ptr [rbx + 0x50]
    4c0b01               | or r8, qword ptr [rcx]
    0f95c0               | setne al
    0fb6c0               | movzx eax, al
    c1e008               | shl eax, 8
    0b4370               | or eax, dword ptr [rbx + 0x70]
"""
_LEAVE_UNIX = """
    5b                   | pop rbx
    c3                   | ret
"""
_LEAVE_WINDOWS = "    4883c430 | add rsp, 0x30" + _LEAVE_UNIX
UNIX = _ENTER_UNIX + _COMPARE + _LEAVE_UNIX
WINDOWS = _ENTER_WINDOWS + _COMPARE + _LEAVE_WINDOWS
#: The code for this host.
LISTING = WINDOWS if sys.platform == "win32" else UNIX


@cache
def _host_code() -> int | None:
    """The address of the code, the same for all engines; None where there can be none."""
    try:
        memory = placed(assemble(LISTING, 0, {}, {}))
    except HostCodeError:  # which the counting of instructions says, where it matters
        return None
    _kept.append(memory)
    return memory.code


_kept: list[HostCode] = []
