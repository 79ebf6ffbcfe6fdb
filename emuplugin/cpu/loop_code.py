"""Machine code for the guest that calls a function many times, with arguments from columns.

A column is memory that holds one value after the other, as Go's arrays do. The code is made for one
signature: it takes each argument from its column to the registers or the stack, calls, and puts
each result into a column of its own. It is a Go function, ``func(state *[...]uintptr)``. Its
:func:`head`, the same for all, makes the frame:

    RSP + 0            what the functions that are called may use: their stack arguments and results
    RSP + TEMPORARY    results with pointers, before ``typedmemmove`` stores them
    RSP + STATE        the address of the state, which does not move

The state is words: :class:`Word`, then two for each parameter (the address of the next value, and
by how much it grows: 0 for one value that all calls get), then two for each result (the address of
the next value, and the type that ``typedmemmove`` is to be told).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from .calling import WORD, CallLayout, Place, Step, align

#: The most bytes of stack arguments, results and spill space, and of results with pointers.
MOST_STACK, MOST_TEMPORARY = 512, 256
TEMPORARY = MOST_STACK
STATE = TEMPORARY + MOST_TEMPORARY
#: The bytes that the head makes room for, behind the saved frame pointer.
FRAME = STATE + WORD


class Word(IntEnum):
    """The first words of the state."""

    #: The code that is called, and its closure.
    ENTRY = 0
    CLOSURE = 1
    #: Calls that have not begun. It is -1 when all is done.
    LEFT = 2
    #: ``runtime.typedmemmove``.
    MOVE = 3


FIRST_COLUMN = len(Word)
#: Words of a column in the state.
COLUMN = 2


class Result(NamedTuple):
    """What is to be known of a result: its size, and whether it holds pointers. The code ends with
    the first call whose result has something in its first word if it ``ends``: that of a pointer to
    what kind of error it is."""

    size: int
    pointers: bool
    ends: bool


# Numbers of the registers in instructions, in the order of the calling convention.
_RAX, _RCX, _RDX, _RBX, _RSP, _R12, _R13 = 0, 1, 2, 3, 4, 12, 13
_INTS = (0, 3, 1, 7, 6, 8, 9, 10, 11)
_CALL_R12 = b"\x41\xff\xd4"
# Opcodes by size: loads extend with zeros, for what lies above a value may be anything.
_LOAD = {1: b"\x0f\xb6", 2: b"\x0f\xb7", 4: b"\x8b", 8: b"\x8b"}
_STORE = {1: b"\x88", 2: b"\x89", 4: b"\x89", 8: b"\x89"}
_FLOAT = {4: b"\xf3", 8: b"\xf2"}


# Offsets in the head. Stack space is made sure of first, as compiled code does.
_CHECK = b"\x4c\x8d\xa4\x24" + struct.pack("<i", -FRAME - 8) + b"\x4d\x3b\x66\x10"
_LEAVE_CODE = (
    b"\x48\x81\xc4" + struct.pack("<i", FRAME),  # add rsp, FRAME
    b"\x5d",  # pop rbp
    b"\xc3",  # ret
)
_START_CODE = (
    b"\x55",  # push rbp
    b"\x48\x89\xe5" + b"\x48\x81\xec" + struct.pack("<i", FRAME),  # mov rbp, rsp; sub rsp, FRAME
    b"\x48\x89\x84\x24" + struct.pack("<i", STATE),  # mov [rsp + STATE], rax
)
_GROW_SIZE = 5 + 10 + 3 + 5 + 2
# Where the frame is taken down, and where the body begins.
_LEAVE = len(_CHECK) + 2 + _GROW_SIZE
_START = _LEAVE + sum(map(len, _LEAVE_CODE))
_BODY = _START + sum(map(len, _START_CODE))


def head(morestack: int) -> bytes:
    """The code before the body; ``morestack`` is ``runtime.morestack_noctxt``."""
    # lea r12, [rsp - FRAME - 8]; cmp r12, [r14 + 16]; ja start
    check = _CHECK + b"\x77" + bytes([_START - len(_CHECK) - 2])
    # mov [rsp + 8], rax; mov r12, morestack; call r12; mov rax, [rsp + 8]; jmp to the check
    grow = b"\x48\x89\x44\x24\x08" + b"\x49\xbc" + struct.pack("<Q", morestack) + b"\x41\xff\xd4"
    grow += b"\x48\x8b\x44\x24\x08"
    grow += b"\xeb" + struct.pack("<b", -len(check) - len(grow) - 2)
    return b"".join((check, grow, *_LEAVE_CODE, *_START_CODE))


_BEHIND_ADD = _LEAVE + len(_LEAVE_CODE[0])
_BEHIND_PUSH = _START + len(_START_CODE[0])
#: Up to which offset in the code which frame size holds; behind that, in the body, ``IN_BODY``.
HEAD_FRAMES = (
    (_LEAVE, 0),
    (_BEHIND_ADD, FRAME + WORD),
    (_BEHIND_ADD + len(_LEAVE_CODE[1]), WORD),
    (_BEHIND_PUSH, 0),
    (_BEHIND_PUSH + len(_START_CODE[1]), WORD),
)
IN_BODY = FRAME + WORD


def body(layout: CallLayout, results: Sequence[Result]) -> bytes | None:
    """What follows on the head, for one signature. None for those that need more room than there
    is."""
    temporaries, used = [], 0
    for result in results:
        temporaries.append(TEMPORARY + used)
        used += align(result.size, WORD) if result.pointers else 0
    if layout.stack_size > MOST_STACK or used > MOST_TEMPORARY:
        return None
    code = bytearray()
    if used:  # padding between fields is to be zero
        code += b"\x45\x31\xe4"  # xor r12d, r12d
        for at in range(TEMPORARY, TEMPORARY + used, WORD):
            code += _integer(_STORE, _R12, _RSP, at, WORD)
    again = len(code)
    code += _state()
    code += b"\x48\xff\x8a" + _displacement(Word.LEFT)  # dec qword ptr [rdx + LEFT]
    code += b"\x0f\x88" + struct.pack("<i", _LEAVE - _BODY - len(code) - 6)  # js leave
    column = FIRST_COLUMN
    for place in layout.params:
        code += _word(_R12, column)
        code += _take(place)
        code += b"\x4c\x03\xa2" + _displacement(column + 1)  # add r12, [rdx + step]
        code += b"\x4c\x89\xa2" + _displacement(column)  # mov [rdx + column], r12
        column += COLUMN
    code += _word(_R12, Word.ENTRY)
    code += _word(_RDX, Word.CLOSURE)
    code += _CALL_R12
    code += _state()
    first = column
    for place, result, temporary in zip(layout.results, results, temporaries, strict=True):
        if result.pointers:
            code += _give(place, _RSP, temporary)
        else:
            code += _word(_R12, column)
            code += _give(place, _R12, 0)
            code += _advance(column, result.size)
        column += COLUMN
    for number, (result, temporary) in enumerate(zip(results, temporaries, strict=True)):
        if result.pointers:
            column = first + COLUMN * number
            code += _word(_RAX, column + 1)
            code += _word(_RBX, column)
            code += b"\x48\x8d\x8c\x24" + struct.pack("<i", temporary)  # lea rcx, [rsp + temporary]
            code += _word(_R12, Word.MOVE)
            code += _CALL_R12
            code += _state()
            code += _advance(column, result.size)
    for result, temporary in zip(results, temporaries, strict=True):
        if result.ends:
            # cmp qword ptr [rsp + temporary], 0; jne leave
            code += b"\x48\x83\xbc\x24" + struct.pack("<i", temporary) + b"\0"
            code += b"\x0f\x85" + struct.pack("<i", _LEAVE - _BODY - len(code) - 6)
    code += b"\xe9" + struct.pack("<i", again - len(code) - 5)  # jmp again
    return bytes(code)


def _take(place: Place) -> bytes:
    """From memory at R12 to where an argument travels."""
    if place.stack_offset is None:
        return b"".join(_move(step, _R12, 0, _LOAD, b"\x0f\x10") for step in place.steps)
    return _copy(_R12, 0, _RSP, place.stack_offset, place.size)


def _give(place: Place, base: int, at: int) -> bytes:
    """From where a result travels to memory at a register."""
    if place.stack_offset is None:
        return b"".join(_move(step, base, at, _STORE, b"\x0f\x11") for step in place.steps)
    return _copy(_RSP, place.stack_offset, base, at, place.size)


def _move(step: Step, base: int, at: int, opcodes: dict[int, bytes], float_: bytes) -> bytes:
    if not step.is_float:
        return _integer(opcodes, _INTS[step.register], base, at + step.offset, step.size)
    # movss or movsd
    return _FLOAT[step.size] + _memory(float_, step.register, base, at + step.offset)


def _copy(source: int, from_: int, target: int, to: int, size: int) -> bytes:
    code, done = bytearray(), 0
    while done < size:
        part = next(width for width in (8, 4, 2, 1) if width <= size - done)
        code += _integer(_LOAD, _R13, source, from_ + done, part)
        code += _integer(_STORE, _R13, target, to + done, part)
        done += part
    return bytes(code)


def _integer(opcodes: dict[int, bytes], register: int, base: int, at: int, size: int) -> bytes:
    prefix = b"\x66" if size == 2 and opcodes is _STORE else b""
    return prefix + _memory(opcodes[size], register, base, at, wide=size == 8, byte=size == 1)


def _memory(
    opcode: bytes, register: int, base: int, at: int, *, wide: bool = False, byte: bool = False
) -> bytes:
    """An instruction with a register and ``[base + at]``, where base is RSP or R12."""
    rex = wide << 3 | (register >= 8) << 2 | (base >= 8)
    # Without a prefix the bytes of RSI and RDI have no names.
    prefix = bytes([0x40 | rex]) if rex or byte else b""
    return prefix + opcode + bytes([0x84 | (register & 7) << 3, 0x24]) + struct.pack("<i", at)


def _state() -> bytes:
    return _integer(_LOAD, _RDX, _RSP, STATE, WORD)


def _displacement(word: int) -> bytes:
    return struct.pack("<i", WORD * word)


def _word(register: int, word: int) -> bytes:
    """``mov register, [rdx + word]``."""
    rex = 0x48 | (register >= 8) << 2
    return bytes([rex, 0x8B, 0x82 | (register & 7) << 3]) + _displacement(word)


def _advance(column: int, size: int) -> bytes:
    """``add qword ptr [rdx + column], size``."""
    return b"\x48\x81\x82" + _displacement(column) + struct.pack("<i", size)
