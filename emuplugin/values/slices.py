"""Slices: a live sequence that shares its elements with Go."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, cast

from emuplugin.values.codec import Codec
from emuplugin.values.go_syntax import MAX_DEPTH, MAX_ITEMS, go_list
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
from emuplugin.values.mismatch import Mismatch, wrong_type

HEADER = struct.Struct("<QQQ")
"""Pointer, length, capacity."""


class SliceView(Sequence[Any]):
    """A Go slice: ``len(s)``, ``s[i]``, ``s[i] = v``, ``s[i:j]``, which shares memory as in Go.

    It is the slice that was read, as a Go variable of slice type is: when Go assigns another one to
    the place where it came from, this one does not follow.
    """

    __slots__ = ("__weakref__", "_address", "_capacity", "_codec", "_length", "_root")

    def __init__(
        self, codec: SliceCodec, root: Root | None, address: int, length: int, capacity: int
    ) -> None:
        self._codec = codec
        self._root = root
        self._address = address
        self._length = length
        self._capacity = capacity

    @property
    def _type(self) -> GoType:
        return self._codec.type

    @property
    def cap(self) -> int:
        """The number of elements that it could hold without moving."""
        return self._capacity

    @property
    def is_nil(self) -> bool:
        """Whether it is the nil slice, which is empty too."""
        return not self._address

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        codec = self._codec
        if not isinstance(index, slice):
            return codec.element.read(self._element_address(index), self._root)
        start, stop, step = index.indices(self._length)
        if step != 1:
            return [self[position] for position in range(start, stop, step)]
        length = max(stop - start, 0)
        address = self._address + start * codec.element.size
        return SliceView(codec, self._root, address, length, self._capacity - start)

    def __setitem__(self, index: int, value: Any) -> None:
        try:
            self._codec.element.write(self._element_address(index), value)
        except Mismatch as mismatch:
            raise mismatch.error(f"{self._codec.type.string} element {index}") from None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._codec.element.decode_many(self._address, self._length, self._root))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SliceView | list | tuple):
            return len(self) == len(other) and all(
                mine == its for mine, its in zip(self, other, strict=True)
            )
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self._codec.type.string}{self._codec.go_syntax(self, MAX_DEPTH)}"

    def _element_address(self, index: int) -> int:
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(f"index out of range [{index}] with length {self._length}")
        return self._address + position * self._codec.element.size


class SliceCodec(Codec):
    """``[]T``. Takes None for nil, slices of the same type as they are, and iterables, copied."""

    @cached_property
    def element(self) -> Codec:
        """The codec of the elements."""
        return self.context.codec(self.type.elem)

    def decode(self, image: bytes, owner: object) -> SliceView:
        address, length, capacity = HEADER.unpack(image)
        root = self.context.guest.hold(address) if address else None
        return SliceView(self, root, address, length, capacity)

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(HEADER.size)
        if isinstance(value, SliceView) and value._codec is self:
            return HEADER.pack(value._address, value._length, value._capacity)
        if not isinstance(value, Iterable) or isinstance(value, str | dict):
            raise wrong_type(self.expected, value)
        values = list(value)
        return HEADER.pack(new_array(self.element, values, allocations), len(values), len(values))

    def go_syntax(self, value: Any, depth: int) -> str:
        view = cast(SliceView, value)
        if view.is_nil:
            return "(nil)"
        if not depth:
            return "{...}"
        shown = [view[index] for index in range(min(len(view), MAX_ITEMS))]
        items = [self.element.go_syntax(item, depth - 1) for item in shown]
        return go_list(items, more=len(view) > len(shown))


def new_array(element: Codec, values: Sequence[Any], allocations: Allocations) -> int:
    """The address of a new array that holds ``values``; ``runtime.zerobase`` if it has no bytes."""
    image = element.encode_many(values, allocations)
    if not element.type.ptr_bytes:
        return allocations.bytes(image) or element.context.zero_base
    if not image:
        return element.context.zero_base
    address = allocations.object(len(image), element.type)
    element.context.memory.write(address, image)
    return address
