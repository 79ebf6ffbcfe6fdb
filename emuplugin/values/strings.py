"""string: Python's str, copied both ways.

Go strings are bytes that are UTF-8 by convention. Bytes that are not come to Python as lone
surrogates (PEP 383, ``surrogateescape``) and go back to Go as the bytes they were.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate, islice
from operator import add
from typing import Any

from emuplugin.cpu.calling import Frame, Place
from emuplugin.values.codec import Codec, Reader, Writer
from emuplugin.values.go_syntax import go_quote
from emuplugin.values.guest import CallResult, Memory
from emuplugin.values.heap import Allocations
from emuplugin.values.live import unboxed
from emuplugin.values.mismatch import Mismatch, out_of_range, wrong_type

_STRING = struct.Struct("<QQ")
_SPARSE, _SPREAD = 64, 1 << 26
"""How many times their own length, and how many bytes, strings may lie apart to be read at once."""


class StringCodec(Codec):
    """Two words: pointer and length in bytes. Takes str only."""

    plain = detached = True

    def decode(self, image: bytes, owner: object) -> str:
        pointer, length = _STRING.unpack(image)
        return self.text_at(pointer, length)

    def decode_many(self, address: int, count: int, owner: object) -> list[str]:
        memory = self.context.memory
        with self.context.guest.lock:
            words = struct.unpack(f"<{2 * count}Q", memory.read(address, count * self.size))
            return texts(memory, words[::2], words[1::2])

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        data = self._data(value)
        return _STRING.pack(allocations.bytes(data), len(data))

    def go_syntax(self, value: Any, depth: int) -> str:
        return go_quote(value.encode("utf-8", "surrogateescape"))

    def encode_many(self, values: Sequence[Any], allocations: Allocations) -> bytes:
        """As in an array; the text of all of them lies in one object."""
        if set(map(type, values)) <= {str} and (text := "".join(values)).isascii():
            data, lengths = text.encode(), list(map(len, values))
        else:
            texts = self._all_data(values)
            data, lengths = b"".join(texts), list(map(len, texts))
        first = allocations.bytes(data)
        starts = accumulate(lengths, initial=first)
        words = [0] * (2 * len(lengths))
        words[1::2] = lengths
        if all(lengths):
            words[::2] = islice(starts, len(lengths))
        else:  # an empty string points to nothing, least of all to what lies behind the text
            words[::2] = [
                start if length else 0 for start, length in zip(starts, lengths, strict=False)
            ]
        return struct.pack(f"<{len(words)}Q", *words)

    def _all_data(self, values: Sequence[Any]) -> list[bytes]:
        texts = []
        for index, value in enumerate(values):
            try:
                texts.append(self._data(value))
            except Mismatch as mismatch:
                raise mismatch.at_index(index) from None
        return texts

    def reader(self, place: Place) -> Reader:
        if place.stack_offset is not None:
            return super().reader(place)
        pointer, length = (step.register for step in place.steps)
        text = self.text_at

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

    def text_at(self, pointer: int, length: int) -> str:
        """The string of these two words."""
        if not length:
            return ""
        return _decode(self.context.memory.read(pointer, length))

    def _data(self, value: Any) -> bytes:
        value = unboxed(self, value)
        if not isinstance(value, str):
            hint = "decode it first" if isinstance(value, bytes | bytearray) else ""
            raise wrong_type(self.expected, value, hint)
        try:
            return value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            reason = f"the lone surrogate at index {error.start} has no UTF-8 form"
            raise out_of_range(self.expected, value, reason) from None


def texts(memory: Memory, pointers: Sequence[int], lengths: Sequence[int]) -> list[str]:
    """Many strings at once: where they lie close together, from one piece of memory."""
    total = sum(lengths)
    if not total:
        return [""] * len(lengths)
    places = list(zip(pointers, lengths, strict=True))
    low = min(filter(None, pointers))
    high = max(map(add, pointers, lengths))
    near = high - low <= total + min(_SPARSE * total, _SPREAD)
    view = memory.view(low, high - low) if near else None
    if view is None:  # or some on the heap, some in the plugin's own data
        return [_decode(memory.read(at, length)) for at, length in places]
    data = bytes(view)
    try:
        return [data[at - low : at - low + length].decode() for at, length in places]
    except UnicodeDecodeError:
        return [_decode(data[at - low : at - low + length]) for at, length in places]


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
