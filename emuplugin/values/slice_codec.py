"""How slices pass between Python and Go: three words, and an array behind them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from emuplugin.errors import CorruptDataError
from emuplugin.values.buffers import image_of_buffer
from emuplugin.values.codec import Codec
from emuplugin.values.go_syntax import MAX_ITEMS, go_list
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
from emuplugin.values.live import Live, refused
from emuplugin.values.mismatch import Mismatch
from emuplugin.values.soundness import MOST_EMPTY

if TYPE_CHECKING:
    from emuplugin.values.slices import SliceView

HEADER = struct.Struct("<QQQ")
"""Pointer, length, capacity."""


class SliceCodec(Codec):
    """``[]T``. Takes None for nil, slices of the same type as they are, and iterables, copied:
    buffers of the same numbers (NumPy arrays, :mod:`array`) as a whole."""

    @cached_property
    def element(self) -> Codec:
        """The codec of the elements."""
        return self.context.codec(self.type.elem)

    def decode(self, image: bytes, owner: object) -> Any:
        return self.view(image)

    def read(self, address: int, owner: object) -> Any:
        with self.context.guest.lock:
            return self.view(self.context.memory.read(address, self.size), (address, owner))

    def view(self, image: bytes, place: tuple[int, object] | None = None) -> SliceView:
        """The view of a slice; ``place`` is where it was read from."""
        from emuplugin.values.slices import SliceView

        address, length, capacity = self.header(image)
        root = self.context.guest.hold(address) if address else None
        return SliceView(self, root, address, length, capacity, place)

    def header(self, image: bytes) -> tuple[int, int, int]:
        """Address, length and capacity. Raises CorruptDataError if they cannot be right, and
        GuestMemoryError if the elements are not there."""
        address, length, capacity = HEADER.unpack(image)
        if length > capacity:
            raise CorruptDataError(
                f"a {self.type.string} has {length} elements and could hold {capacity}"
            )
        if self.element.size:
            self.context.memory.check(address, length * self.element.size)
        elif length > MOST_EMPTY:
            raise CorruptDataError(f"a {self.type.string} has {length} elements, all of no size")
        return address, length, capacity

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(HEADER.size)
        if isinstance(value, Live) and value._codec is self:
            view = cast("SliceView", value)
            return HEADER.pack(view._address, view._length, view._capacity)
        image, count = self.elements(value, allocations)
        return HEADER.pack(new_array(self.element, image, count, allocations), count, count)

    def elements(self, value: Any, allocations: Allocations) -> tuple[bytes | memoryview, int]:
        """The images of the elements of an iterable, one after the other, and their number."""
        buffer = image_of_buffer(value, self.type.elem)
        if buffer is not None:
            return buffer
        if not isinstance(value, Iterable) or isinstance(value, str | dict):
            raise refused(self, value)
        values = value if isinstance(value, list | tuple) else list(value)
        return self.element.encode_many(values, allocations), len(values)

    def make(self, length: int, capacity: int) -> SliceView:
        """``make([]T, length, capacity)``."""
        if not 0 <= length <= capacity:
            raise Mismatch(
                f"expected 0 <= length <= capacity, got {length} and {capacity}", range=True
            )
        size = capacity * self.element.size
        with Allocations(self.context.guest) as allocations:
            zero_base = self.context.zero_base
            address = allocations.object(size, self.element.type) if size else zero_base
            return self.view(HEADER.pack(address, length, capacity))

    def replace(
        self, view: SliceView, start: int, stop: int, values: Iterable[Any]
    ) -> tuple[Root | None, int, int, int]:
        """Put ``values`` in the place of elements: what keeps the slice alive then, its address,
        length and capacity."""
        heap, memory, size = self.context.heap, self.context.memory, self.element.size
        root, address, capacity = view._root, view._address, view._capacity
        with Allocations(self.context.guest) as allocations:
            image, count = self.elements(values, allocations)
            allocations.protect()
            length = view._length - (stop - start) + count
            tail = memory.read(address + stop * size, (view._length - stop) * size)
            if length > capacity or not address:
                heap.reserve(len(image) + len(tail))
                root, address, capacity = self._grow(view, length)
            unused = bytes(max(view._length - length, 0) * size)
            if size:
                data = b"".join((image, tail, unused)) if tail or unused else image
                heap.store_many(address + start * size, data, self.element.type)
        return root, address, length, capacity

    def _grow(self, view: SliceView, length: int) -> tuple[Root, int, int]:
        """What ``append`` does: root, address and capacity of an array for ``length`` elements."""
        guest = self.context.guest
        entry = guest.symbol("runtime.growslice")
        assert entry is not None  # the runtime itself appends
        # runtime/slice.go: growslice(oldPtr, newLen, oldCap, num int, et *_type) slice
        words = (
            view._address, length, view._capacity, length - view._length, self.type.elem.address
        )  # fmt: skip
        result = guest.call(entry, 0, words, (), b"", 5 * 8)
        address, _, capacity = result.ints[:3]
        return guest.hold(address), address, capacity

    def go_syntax(self, value: Any, depth: int) -> str:
        view = cast("SliceView", value)
        if view.is_nil:
            return "(nil)"
        if not depth:
            return "{...}"
        shown = [view[index] for index in range(min(len(view), MAX_ITEMS))]
        items = [self.element.go_syntax(item, depth - 1) for item in shown]
        return go_list(items, more=len(view) > len(shown))


def new_array(
    element: Codec, image: bytes | memoryview, count: int, allocations: Allocations
) -> int:
    """The address of a new array that holds the images of ``count`` elements."""
    if not element.type.ptr_bytes:
        return allocations.bytes(image) or element.context.zero_base
    if not count:
        return element.context.zero_base
    address = allocations.object(len(image), element.type)
    allocations.protect()
    element.context.heap.store_many(address, image, element.type)
    return address


def new_array_of(element: Codec, values: Sequence[Any], allocations: Allocations) -> int:
    """:func:`new_array` of Python values."""
    return new_array(element, element.encode_many(values, allocations), len(values), allocations)
