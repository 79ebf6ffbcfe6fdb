"""Loops of the guest that the host runs itself, on the guest's memory.

A loop is one block that jumps to itself, whose registers hold pointers that advance by as much in
each iteration, a counter, and numbers. When the block is entered, as many iterations as lie in one
page of each pointer, and as may run before a stop, run on the host: by the same instructions, with
the host's addresses in place of the guest's. The engine runs at least the last one, and so leaves
all flags and temporary registers as they are to be.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ..listing import Names
from ..paging import ACCESSED, DIRTY, NO_EXECUTE, PRESENT, USER, WRITABLE

#: Of general registers, in the order of their numbers in instructions and in the engine.
NAMES = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
#: What the entry of a page must say so that it can be read or written without the engine's having
#: anything to do: it sets bits on the first access, and looks for translations of code.
READABLE = PRESENT | USER | ACCESSED
WRITEABLE = READABLE | WRITABLE | DIRTY | NO_EXECUTE

_BEGIN = """
    4c8b1c24                 | 00  mov r11, qword ptr [rsp]
    450fb79b{icount}         | 04  movzx r11d, word ptr [r11 + icount]
    4c8b85{counter}          | 0c  mov r8, qword ptr [rbp + counter]
    49c1e8{step}             | 13  shr r8, step
    49ffc8                   | 17  dec r8
    4983f8{least}            | 1a  cmp r8, least
    0f8c{count}              | 1e  jl count
"""
# Repeated instructions go where DF says, which the engine keeps as 1 or -1.
_DIRECTION = """
    83bd{df}{direction}      | 00  cmp dword ptr [rbp + df], direction
    0f85{otherwise}          | 07  jne otherwise
"""
_POINTER = """
    488bbd{pointer}          | 00  mov rdi, qword ptr [rbp + pointer]
    48be{bits}               | 07  movabs rsi, bits
    41b9{shift}              | 11  mov r9d, shift
    e8{extent}               | 17  call extent
    0f84{count}              | 1c  je count
    488905{host}             | 22  mov qword ptr [rip + host], rax
"""
_ENTER = """
    4489d9                   | 00  mov ecx, r11d
    e8{budget}               | 03  call budget
    0f84{count}              | 08  je count
    4c8905{iterations}       | 0e  mov qword ptr [rip + iterations], r8
    48892d{guest}            | 15  mov qword ptr [rip + guest], rbp
    53                       | 1c  push rbx
    55                       | 1d  push rbp
    4154                     | 1e  push r12
    4155                     | 20  push r13
    4156                     | 22  push r14
    4157                     | 24  push r15
"""
_LEAVE = """
    488b2d{guest}            | 00  mov rbp, qword ptr [rip + guest]
"""
_RESTORE = """
    415f                     | 00  pop r15
    415e                     | 02  pop r14
    415d                     | 04  pop r13
    415c                     | 06  pop r12
    5d                       | 08  pop rbp
    5b                       | 09  pop rbx
"""
_ADVANCE = """
    488b05{iterations}       | 00  mov rax, qword ptr [rip + iterations]
    48c1e0{step}             | 07  shl rax, step
    480185{pointer}          | 0b  add qword ptr [rbp + pointer], rax
"""
_COUNT_DOWN = """
    488b05{iterations}       | 00  mov rax, qword ptr [rip + iterations]
    48c1e0{step}             | 07  shl rax, step
    482985{counter}          | 0b  sub qword ptr [rbp + counter], rax
"""
_DOWN = """
    fd                       | 00  std
"""
_UP = """
    fc                       | 00  cld
"""
_DONE = """
    e9{count}                | 00  jmp count
"""
_LOAD, _STORE = 0x8B, 0x89


class Pointer(NamedTuple):
    """A register that grows by ``1 << shift`` bytes in each iteration, which are read, or written
    if it ``writes``."""

    register: str
    shift: int
    writes: bool = False


class Loop(NamedTuple):
    """``counter`` shrinks by ``1 << step`` in each iteration, of which the last begins with less
    than twice that. ``inputs`` do not change, ``carried`` is what each iteration hands to the next.
    Fewer iterations than ``least`` are left to the engine. ``repeats``: it is an instruction with
    REP, whose pointers go down if DF is set.

    None of them may be RSP or RBP, and nothing else may change but what each iteration sets before
    it reads it.
    """

    listing: str
    counter: str
    step: int
    pointers: tuple[Pointer, ...]
    inputs: tuple[str, ...] = ()
    carried: str = ""
    least: int = 1
    repeats: bool = False

    @property
    def directions(self) -> tuple[bool, ...]:
        """For which values of ``down`` there are :func:`listings`, in the order they are placed."""
        return (True, False) if self.repeats else (False,)


def listings(loop: Loop, *, down: bool = False) -> Iterator[tuple[str, Names]]:
    """The code of an accelerator, as listings, each with what its names stand for: the names of
    registers for their places. For instructions
    that repeat there is one that goes ``down``, and then the other, which knows it as ``down``."""
    counter: Names = {
        "counter": loop.counter,
        "step": bytes([loop.step]),
        "least": bytes([loop.least]),
    }
    yield _BEGIN, counter
    if loop.repeats:
        direction = b"\xff" if down else b"\1"
        yield _DIRECTION, {"direction": direction, "otherwise": "count" if down else "down"}
    for number, pointer in enumerate(loop.pointers):
        bits = struct.pack("<Q", WRITEABLE if pointer.writes else READABLE)
        shift = struct.pack("<I", pointer.shift)
        host = f"host{number}"
        pages: Names = {"bits": bits, "shift": shift, "extent": "extent_down" if down else "extent"}
        yield _POINTER, {"pointer": pointer.register, "host": host, **pages}
    yield _ENTER, {}
    carried = (loop.carried,) if loop.carried else ()
    for register in (*loop.inputs, *carried):
        yield _registers(_LOAD, register), {"place": register}
    for number, pointer in enumerate(loop.pointers):
        yield _cells(_LOAD, pointer.register), {"cell": f"host{number}"}
    yield _cells(_LOAD, loop.counter), {"cell": "iterations"}
    yield _shift(loop.counter, loop.step), {}
    if down:
        yield _DOWN, {}
    yield loop.listing, {}
    if down:
        yield _UP, {}
    yield _LEAVE, {}
    for register in carried:
        yield _registers(_STORE, register), {"place": register}
    yield _RESTORE, {}
    yield _COUNT_DOWN, counter
    for pointer in loop.pointers:
        listing, name = (_COUNT_DOWN, "counter") if down else (_ADVANCE, "pointer")
        yield listing, {name: pointer.register, "step": bytes([pointer.shift])}
    yield _DONE, {}


def _registers(opcode: int, register: str) -> str:
    """``mov register, qword ptr [rbp + place]``, or the other way."""
    number = NAMES.index(register)
    rex, modrm = 0x48 | number >> 3 << 2, 0x85 | (number & 7) << 3
    return f"{rex:02x}{opcode:02x}{modrm:02x}{{place}} |"


def _cells(opcode: int, register: str) -> str:
    """``mov register, qword ptr [rip + cell]``."""
    number = NAMES.index(register)
    rex, modrm = 0x48 | number >> 3 << 2, 0x05 | (number & 7) << 3
    return f"{rex:02x}{opcode:02x}{modrm:02x}{{cell}} |"


def _shift(register: str, by: int) -> str:
    """``shl register, by``."""
    number = NAMES.index(register)
    return f"{0x48 | number >> 3:02x}c1{0xE0 | number & 7:02x}{by:02x} |"
