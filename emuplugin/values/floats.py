"""float32, float64, complex64 and complex128: Python's float and complex."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emuplugin.cpu.calling import Frame, Place
from emuplugin.values.codec import Codec, Reader, Writer
from emuplugin.values.float_text import go_float
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import CallResult
from emuplugin.values.heap import Allocations
from emuplugin.values.live import unboxed
from emuplugin.values.mismatch import out_of_range, wrong_type

if TYPE_CHECKING:
    from emuplugin.values.context import Context

_WORD = struct.Struct("<Q")
_DOUBLE = struct.Struct("<d")


class FloatCodec(Codec):
    """IEEE 754, single or double. Rounds to nearest; refuses finite values that become infinite.

    Takes float, int and anything that has ``__float__`` but bool and str.
    """

    plain = atomic = detached = True

    def __init__(self, context: Context, go_type: GoType) -> None:
        super().__init__(context, go_type)
        self.format = "f" if go_type.size == 4 else "d"
        self._struct = struct.Struct(f"<{self.format}")

    def decode(self, image: bytes, owner: object) -> float:
        value: float = self._struct.unpack(image)[0]
        return value

    def decode_many(self, address: int, count: int, owner: object) -> list[float]:
        image = self.context.memory.read(address, count * self.size)
        return list(struct.unpack(f"<{count}{self.format}", image))

    def encode_many(self, values: Sequence[Any], allocations: Allocations) -> bytes:
        if set(map(type, values)) <= {float, int}:
            try:
                return struct.pack(f"<{len(values)}{self.format}", *values)
            except (struct.error, OverflowError):
                pass  # out of range somewhere: below it is said where
        return super().encode_many(values, allocations)

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if type(value) is not float:
            value = self._to_float(value)
        try:
            return self._struct.pack(value)
        except OverflowError:
            raise out_of_range(self.expected, value, "out of range") from None

    def _to_float(self, value: Any) -> float:
        value = unboxed(self, value)
        if isinstance(value, bool) or not (
            hasattr(type(value), "__float__") or hasattr(type(value), "__index__")
        ):
            raise wrong_type(self.expected, value)
        try:
            return float(value)
        except OverflowError:
            raise out_of_range(self.expected, value, "out of range") from None

    def go_syntax(self, value: Any, depth: int) -> str:
        return go_float(value, self.size)

    def reader(self, place: Place) -> Reader:
        if self.size != 8 or place.stack_offset is not None:
            return super().reader(place)
        register, pack, unpack = place.steps[0].register, _WORD.pack, _DOUBLE.unpack

        def read(result: CallResult) -> Any:
            return unpack(pack(result.floats[register]))[0]

        return read

    def writer(self, place: Place) -> Writer:
        if self.size != 8 or place.stack_offset is not None:
            return super().writer(place)
        register, encode, unpack = place.steps[0].register, self.encode, _WORD.unpack

        def write(value: Any, frame: Frame, allocations: Allocations) -> None:
            frame.floats[register] = unpack(encode(value, allocations))[0]

        return write


class ComplexCodec(Codec):
    """Two floats: real part, imaginary part. Takes complex, and what :class:`FloatCodec` takes."""

    plain = detached = True

    def __init__(self, context: Context, go_type: GoType) -> None:
        super().__init__(context, go_type)
        self.format = struct.Struct("<ff" if go_type.size == 8 else "<dd")

    def decode(self, image: bytes, owner: object) -> complex:
        return complex(*self.format.unpack(image))

    def go_syntax(self, value: Any, depth: int) -> str:
        real, imag = (go_float(part, self.size // 2) for part in (value.real, value.imag))
        return f"({real}{'' if imag[0] in '+-' else '+'}{imag}i)"

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        value = unboxed(self, value)
        convertible = any(
            hasattr(type(value), name) for name in ("__complex__", "__float__", "__index__")
        )
        if isinstance(value, bool) or not convertible:
            raise wrong_type(self.expected, value)
        try:
            number = complex(value)
            return self.format.pack(number.real, number.imag)
        except OverflowError:
            raise out_of_range(self.expected, value, "out of range") from None
