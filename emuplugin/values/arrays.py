"""Arrays: a live sequence of fixed length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, cast

from emuplugin.values.boxed import BoxedCodec, View
from emuplugin.values.buffers import Buffered, image_of_buffer
from emuplugin.values.codec import Codec
from emuplugin.values.go_syntax import MAX_ITEMS, go_list
from emuplugin.values.gotype import GoType
from emuplugin.values.heap import Allocations
from emuplugin.values.live import refused
from emuplugin.values.methods import bind
from emuplugin.values.mismatch import Mismatch


class ArrayView(View, Buffered, Sequence[Any]):
    """An array in guest memory. Elements can be read and set; a slice of it is a Python list."""

    __slots__ = ()

    _codec: ArrayCodec

    def __len__(self) -> int:
        return self._codec.length

    def __getitem__(self, index: Any) -> Any:
        codec = self._codec
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(codec.length))]
        return codec.element.read(self._element_address(index), self._owner)

    def __setitem__(self, index: int, value: Any) -> None:
        try:
            self._codec.element.write(self._element_address(index), value)
        except Mismatch as mismatch:
            raise mismatch.error(f"{self._codec.type.string} element {index}") from None

    def __iter__(self) -> Iterator[Any]:
        codec = self._codec
        return iter(codec.element.decode_many(self._address, codec.length, self._owner))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ArrayView | list | tuple):
            return len(self) == len(other) and all(
                mine == its for mine, its in zip(self, other, strict=True)
            )
        return NotImplemented

    def __hash__(self) -> int:
        if not self._type.comparable:
            raise TypeError(f"unhashable type: {self._type.string}")
        return hash(tuple(self))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            method = bind(self._context, self._type, name, self._address, self._owner)
            if method is not None:
                return method
        raise AttributeError(f"{self._type.string} has no method {name}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._context.methods(self._type).names()]

    def _span(self) -> tuple[int, int, GoType, object]:
        return self._address, self._codec.length, self._codec.element.type, self._owner

    def _element_address(self, index: int) -> int:
        length = self._codec.length
        position = index + length if index < 0 else index
        if not 0 <= position < length:
            raise IndexError(f"index {index} out of range of {self._codec.type.string}")
        return self._address + position * self._codec.element.size


class ArrayCodec(BoxedCodec):
    """``[N]T``. Takes views of the same type and iterables of exactly N values."""

    @cached_property
    def element(self) -> Codec:
        """The codec of the elements."""
        return self.context.codec(self.type.elem)

    @cached_property
    def length(self) -> int:
        """The number of elements."""
        return self.type.length

    def view(self, address: int, owner: object) -> ArrayView:
        return ArrayView(self, address, owner)

    def build(self, value: Any, allocations: Allocations) -> bytes:
        buffer = image_of_buffer(value, self.type.elem)
        if buffer is not None and buffer[1] == self.length:
            return bytes(buffer[0])
        if not isinstance(value, Iterable) or isinstance(value, str | dict):
            raise refused(self, value)
        values = list(value)
        if len(values) != self.length:
            raise Mismatch(f"expected {self.expected}, got {len(values)} values")
        return self.element.encode_many(values, allocations)

    def go_syntax(self, value: Any, depth: int) -> str:
        if not depth:
            return "{...}"
        view = cast(ArrayView, value)
        shown = view[:MAX_ITEMS]
        items = [self.element.go_syntax(item, depth - 1) for item in shown]
        return go_list(items, more=len(view) > len(shown))
