"""string and []byte: Python's str and bytes, copied both ways.

Go strings are bytes that are UTF-8 by convention. Bytes that are not come to Python as lone
surrogates (PEP 383, ``surrogateescape``) and go back to Go as the bytes they were.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from emuplugin.cpu.calling import Frame, Place
from emuplugin.values.codec import Codec, Reader, Writer
from emuplugin.values.go_syntax import go_quote
from emuplugin.values.guest import CallResult
from emuplugin.values.heap import Allocations
from emuplugin.values.mismatch import Mismatch, out_of_range, wrong_type

_STRING = struct.Struct("<QQ")
_SLICE = struct.Struct("<QQQ")


class StringCodec(Codec):
    """Two words: pointer and length in bytes. Takes str only."""

    def decode(self, image: bytes, owner: object) -> str:
        pointer, length = _STRING.unpack(image)
        return self._text(pointer, length)

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        data = self._data(value)
        return _STRING.pack(allocations.bytes(data), len(data))

    def go_syntax(self, value: Any, depth: int) -> str:
        return go_quote(value.encode("utf-8", "surrogateescape"))

    def encode_many(self, values: Sequence[Any], allocations: Allocations) -> bytes:
        """As in an array; the text of all of them lies in one object."""
        texts = []
        for index, value in enumerate(values):
            try:
                texts.append(self._data(value))
            except Mismatch as mismatch:
                raise mismatch.at_index(index) from None
        pointer = allocations.bytes(b"".join(texts))
        words: list[int] = []
        for text in texts:
            words += (pointer if text else 0, len(text))
            pointer += len(text)
        return struct.pack(f"<{len(words)}Q", *words)

    def reader(self, place: Place) -> Reader:
        if place.stack_offset is not None:
            return super().reader(place)
        pointer, length = (step.register for step in place.steps)
        text = self._text

        def read(result: CallResult) -> str:
            ints = result.ints
            return text(ints[pointer], ints[length])

        return read

    def writer(self, place: Place) -> Writer:
        if place.stack_offset is not None:
            return super().writer(place)
        pointer, length = (step.register for step in place.steps)
        to_bytes = self._data

        def write(value: Any, frame: Frame, allocations: Allocations) -> None:
            data = to_bytes(value)
            frame.ints[pointer] = allocations.bytes(data)
            frame.ints[length] = len(data)

        return write

    def _text(self, pointer: int, length: int) -> str:
        if not length:
            return ""
        return self.context.memory.read(pointer, length).decode("utf-8", "surrogateescape")

    def _data(self, value: Any) -> bytes:
        if not isinstance(value, str):
            hint = "decode it first" if isinstance(value, bytes | bytearray) else ""
            raise wrong_type(self.expected, value, hint)
        try:
            return value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            reason = f"the lone surrogate at index {error.start} has no UTF-8 form"
            raise out_of_range(self.expected, value, reason) from None


class BytesCodec(Codec):
    """A slice of bytes, three words: pointer, length, capacity.

    Takes objects with a contiguous buffer of single bytes, and None for the nil slice. Go gets
    a copy, so what it writes there does not reach the Python object. Gives bytes, also for nil.
    """

    def decode(self, image: bytes, owner: object) -> bytes:
        pointer, length, _capacity = _SLICE.unpack(image)
        return self.context.memory.read(pointer, length) if length else b""

    def go_syntax(self, value: Any, depth: int) -> str:
        return f"{self.type.string}({go_quote(value)})"

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(_SLICE.size)
        data = self._data(value)
        # An empty slice that is not nil points to no object in particular.
        pointer = allocations.bytes(data) if data else self.context.zero_base
        return _SLICE.pack(pointer, len(data), len(data))

    def _data(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            view = memoryview(value)
        except TypeError:
            hint = "encode it first" if isinstance(value, str) else ""
            raise wrong_type(f"{self.expected} as a bytes-like object", value, hint) from None
        if view.itemsize != 1 or not view.contiguous:
            raise wrong_type(
                f"{self.expected} as a bytes-like object",
                value,
                f"a {'' if view.contiguous else 'non-'}contiguous buffer of {view.itemsize}-byte"
                " items",
            )
        return view.tobytes()
