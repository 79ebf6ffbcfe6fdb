"""Go's register-based calling convention (ABIInternal) on amd64, as a pure function of shapes.

The algorithm is the one of ``reflect/abi.go`` and ``cmd/compile/abi-internal.md``; it has not
changed from Go 1.21 to 1.27. It knows no Go types: a :class:`Shape` says how large a value is and
which machine words it falls apart into.

Recursive register assignment succeeds exactly if the value holds no array of more than one element
and its words fit into the registers that are left, so a shape carries its words flattened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

INTEGER_REGISTERS = ("RAX", "RBX", "RCX", "RDI", "RSI", "R8", "R9", "R10", "R11")
FLOAT_REGISTERS = tuple(f"X{number}" for number in range(15))
WORD = 8
"""Bytes of a pointer, and the alignment of each part of the stack area."""


def align(offset: int, alignment: int) -> int:
    """``offset`` rounded up to a multiple of ``alignment``, a power of two."""
    return (offset + alignment - 1) & -alignment


class Piece(NamedTuple):
    """A part of a value that fills one register: its byte offset and size in the value."""

    offset: int
    size: int
    is_float: bool


class Shape(NamedTuple):
    """What the calling convention needs to know of a type.

    ``pieces`` are in the order of the fields; None for a value that never goes into registers
    because it holds an array of two or more elements.
    """

    size: int
    align: int
    pieces: tuple[Piece, ...] | None

    @staticmethod
    def integer(size: int) -> Shape:
        """A boolean or integer of 1, 2, 4 or 8 bytes."""
        return Shape(size, size, (Piece(0, size, False),))

    @staticmethod
    def pointer() -> Shape:
        """A pointer, map, channel, function or unsafe.Pointer."""
        return Shape(WORD, WORD, (Piece(0, WORD, False),))

    @staticmethod
    def floating(size: int) -> Shape:
        """float32 (4) or float64 (8)."""
        return Shape(size, size, (Piece(0, size, True),))

    @staticmethod
    def complex(size: int) -> Shape:
        """complex64 (8) or complex128 (16): two floats, aligned as one of them."""
        half = size // 2
        return Shape(size, half, (Piece(0, half, True), Piece(half, half, True)))

    @staticmethod
    def words(count: int) -> Shape:
        """A string (2), an interface (2) or a slice (3)."""
        return Shape(
            count * WORD, WORD, tuple(Piece(index * WORD, WORD, False) for index in range(count))
        )

    @staticmethod
    def array(element: Shape, length: int) -> Shape:
        """``[length]element``: only lengths 0 and 1 may go into registers."""
        pieces = () if length == 0 else element.pieces if length == 1 else None
        return Shape(element.size * length, element.align, pieces)

    @staticmethod
    def struct(size: int, alignment: int, fields: Sequence[tuple[int, Shape]]) -> Shape:
        """A struct of (byte offset, shape) fields; blank and embedded fields count like others."""
        pieces: list[Piece] = []
        for offset, shape in fields:
            if shape.pieces is None:
                return Shape(size, alignment, None)
            pieces += (Piece(offset + at, width, is_float) for at, width, is_float in shape.pieces)
        return Shape(size, alignment, tuple(pieces))


class Step(NamedTuple):
    """One register of a value: ``register`` counts in its own sequence (integer or float)."""

    register: int
    offset: int
    size: int
    is_float: bool


class Frame(NamedTuple):
    """The registers and stack bytes of one call, before it is made."""

    ints: list[int]
    floats: list[int]
    stack: bytearray


class Place(NamedTuple):
    """Where one parameter or result travels.

    Either ``steps`` name its registers and ``stack_offset`` is None, or it lies whole at
    ``stack_offset`` of the outgoing-argument area. A value of size 0 is on the stack.
    """

    size: int
    stack_offset: int | None
    steps: tuple[Step, ...] = ()

    def scatter(self, image: bytes | bytearray | memoryview, frame: Frame) -> None:
        """Put the memory image of a value (``size`` bytes) where it travels."""
        if self.stack_offset is not None:
            frame.stack[self.stack_offset : self.stack_offset + self.size] = image
            return
        for register, offset, size, is_float in self.steps:
            word = int.from_bytes(image[offset : offset + size], "little")
            (frame.floats if is_float else frame.ints)[register] = word

    def gather(self, ints: Sequence[int], floats: Sequence[int], stack: bytes) -> bytes:
        """The memory image of a value, padding zeroed, from registers and stack."""
        if self.stack_offset is not None:
            return bytes(stack[self.stack_offset : self.stack_offset + self.size])
        image = bytearray(self.size)
        for register, offset, size, is_float in self.steps:
            # The upper bits of a register beyond the value's own size are undefined.
            word = (floats if is_float else ints)[register] & ((1 << 8 * size) - 1)
            image[offset : offset + size] = word.to_bytes(size, "little")
        return bytes(image)


class CallLayout(NamedTuple):
    """Where every parameter and result of one signature travels.

    The outgoing-argument area starts at the stack pointer before the CALL:
    stack arguments, then at ``result_offset`` stack results, then at ``spill_offset`` the space
    into which the callee may spill its register arguments; ``stack_size`` bytes in all.
    """

    params: tuple[Place, ...]
    results: tuple[Place, ...]
    ints_used: int
    floats_used: int
    argument_size: int
    result_offset: int
    spill_offset: int
    stack_size: int

    def new_frame(self) -> Frame:
        """An empty frame with room for the arguments of one call."""
        return Frame([0] * self.ints_used, [0] * self.floats_used, bytearray(self.argument_size))


class _Sequence:
    """The state of the assignment over a list of values (``abiSeq`` in reflect/abi.go)."""

    def __init__(self, stack: int) -> None:
        self.ints = 0
        self.floats = 0
        self.stack = stack

    def assign(self, shape: Shape) -> Place:
        if shape.size and shape.pieces is not None:
            floats = sum(piece.is_float for piece in shape.pieces)
            ints = len(shape.pieces) - floats
            if self.ints + ints <= len(INTEGER_REGISTERS) and self.floats + floats <= len(
                FLOAT_REGISTERS
            ):
                return Place(shape.size, None, self._steps(shape.pieces))
        # Values without a size stay on the stack too, where all they do is align what follows.
        self.stack = align(self.stack, shape.align)
        place = Place(shape.size, self.stack)
        self.stack += shape.size
        return place

    def _steps(self, pieces: tuple[Piece, ...]) -> tuple[Step, ...]:
        steps: list[Step] = []
        for offset, size, is_float in pieces:
            if is_float:
                steps.append(Step(self.floats, offset, size, True))
                self.floats += 1
            else:
                steps.append(Step(self.ints, offset, size, False))
                self.ints += 1
        return tuple(steps)


def assign(params: Sequence[Shape], results: Sequence[Shape]) -> CallLayout:
    """Lay out a call. A method's receiver is the first of ``params``.

    The receiver of a method called through an interface is one pointer, whatever its type.
    """
    incoming = _Sequence(stack=0)
    places = tuple(incoming.assign(shape) for shape in params)
    spill = 0
    for shape, place in zip(params, places, strict=True):
        if place.stack_offset is None:
            spill = align(spill, shape.align) + shape.size
    result_offset = align(incoming.stack, WORD)
    outgoing = _Sequence(stack=result_offset)
    result_places = tuple(outgoing.assign(shape) for shape in results)
    spill_offset = align(outgoing.stack, WORD)
    return CallLayout(
        params=places,
        results=result_places,
        ints_used=incoming.ints,
        floats_used=incoming.floats,
        argument_size=incoming.stack,
        result_offset=result_offset,
        spill_offset=spill_offset,
        stack_size=align(spill_offset + spill, WORD),
    )
