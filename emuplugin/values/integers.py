"""All integer kinds and uintptr: Python's int, checked against the range of the Go type."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any

from emuplugin.cpu.calling import Frame, Place
from emuplugin.values.codec import MASK64, Codec, Reader, Writer
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import CallResult
from emuplugin.values.heap import Allocations
from emuplugin.values.live import unboxed
from emuplugin.values.mismatch import out_of_range, wrong_type

if TYPE_CHECKING:
    from emuplugin.values.context import Context

FORMATS = {1: "b", 2: "h", 4: "i", 8: "q"}
"""Format characters of signed integers by size, as in :mod:`struct`; unsigned: upper case."""

SIGNED = frozenset({"int", "int8", "int16", "int32", "int64"})


class IntegerCodec(Codec):
    """An integer of 1 to 8 bytes. ``low`` and ``high`` are the smallest and largest value.

    ``format`` is the type's character for :mod:`struct` and :class:`memoryview`.

    A register holds garbage beyond the value's own bytes: a result is ``(word & mask ^ sign) -
    sign``, which also extends the sign; ``sign`` is 0 for unsigned types.
    """

    plain = atomic = detached = True

    def __init__(self, context: Context, go_type: GoType) -> None:
        super().__init__(context, go_type)
        bits = 8 * go_type.size
        self.signed = go_type.kind in SIGNED
        self.mask = (1 << bits) - 1
        self.sign = 1 << (bits - 1) if self.signed else 0
        self.low = -self.sign
        self.high = self.mask - self.sign
        self.format = FORMATS[go_type.size] if self.signed else FORMATS[go_type.size].upper()

    def check(self, value: Any) -> int:
        """``value`` as an int that the type can hold."""
        if type(value) is not int:
            value = unboxed(self, value)
            if isinstance(value, bool):
                raise wrong_type(self.expected, value)
            try:
                value = index(value)
            except TypeError:
                raise wrong_type(self.expected, value) from None
        number: int = value
        if not self.low <= number <= self.high:
            raise out_of_range(self.expected, number, f"out of range {self.low}..{self.high}")
        return number

    def decode_many(self, address: int, count: int, owner: object) -> list[int]:
        image = self.context.memory.read(address, count * self.size)
        return list(struct.unpack(f"<{count}{self.format}", image))

    def decode(self, image: bytes, owner: object) -> int:
        return int.from_bytes(image, "little", signed=self.signed)

    def encode_many(self, values: Sequence[Any], allocations: Allocations) -> bytes:
        if set(map(type, values)) <= {int}:
            try:
                return struct.pack(f"<{len(values)}{self.format}", *values)
            except struct.error:
                pass  # out of range somewhere: below it is said where
        return super().encode_many(values, allocations)

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        return self.check(value).to_bytes(self.size, "little", signed=self.signed)

    def reader(self, place: Place) -> Reader:
        if place.stack_offset is not None:
            return super().reader(place)
        register, mask, sign = place.steps[0].register, self.mask, self.sign

        def read(result: CallResult) -> int:
            return (result.ints[register] & mask ^ sign) - sign

        return read

    def writer(self, place: Place) -> Writer:
        if place.stack_offset is not None:
            return super().writer(place)
        register, check = place.steps[0].register, self.check

        def write(value: Any, frame: Frame, allocations: Allocations) -> None:
            frame.ints[register] = check(value) & MASK64

        return write
