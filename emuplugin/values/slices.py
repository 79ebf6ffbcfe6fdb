"""Slices: a live, mutable sequence that shares its elements with Go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any

from emuplugin.errors import ChangedError
from emuplugin.values.buffers import Buffered
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
from emuplugin.values.methods import method_of
from emuplugin.values.mismatch import Mismatch
from emuplugin.values.slice_codec import HEADER, SliceCodec


class SliceView(Buffered, MutableSequence[Any]):
    """A Go slice: ``len(s)``, ``s[i]``, ``s[i] = v``, ``s[i:j]``, which shares memory as in Go.

    It is the slice that was read, as a Go variable of slice type is: when Go assigns another one to
    the place where it came from, this one does not follow.

    What changes the length works as in Go, in place while the capacity allows and in new memory
    otherwise: ``s.append(v)`` is ``s = append(s, v)``, ``insert`` is ``slices.Insert``, ``del`` is
    ``slices.Delete`` (elements move down, the end is zeroed), so that slices sharing the memory see
    it as they would in Go. The new slice is stored where this one was read from (a variable, field
    or element); ChangedError if that holds another slice by then.
    """

    __slots__ = ("__weakref__", "_address", "_capacity", "_codec", "_length", "_place", "_root")

    _codec: SliceCodec

    def __init__(
        self,
        codec: SliceCodec,
        root: Root | None,
        address: int,
        length: int,
        capacity: int,
        place: tuple[int, object] | None = None,
    ) -> None:
        """``place`` is where the slice was read from: its address and what keeps that alive."""
        self._codec = codec
        self._root = root
        self._address = address
        self._length = length
        self._capacity = capacity
        self._place = place
        if codec.context.newcomers is not None:
            codec.context.newcomers.add(self)

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

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            self._set_slice(index, value)
            return
        try:
            self._codec.element.write(self._element_address(index), value)
        except Mismatch as mismatch:
            raise mismatch.error(f"{self._codec.type.string} element {index}") from None

    def __delitem__(self, index: Any) -> None:
        if not isinstance(index, slice):
            position = self._position(index)
            self._replace(position, position + 1, ())
            return
        start, stop, step = index.indices(self._length)
        if step == 1:
            self._replace(start, max(start, stop), ())
            return
        for position in sorted(range(start, stop, step), reverse=True):
            self._replace(position, position + 1, ())

    def insert(self, index: int, value: Any) -> None:
        """Put a value before element ``index``, as ``slices.Insert``."""
        start = slice(index, None).indices(self._length)[0]
        self._replace(start, start, (value,))

    def append(self, value: Any) -> None:
        """``s = append(s, value)``."""
        self._replace(self._length, self._length, (value,))

    def extend(self, values: Iterable[Any]) -> None:
        """``s = append(s, values...)``."""
        self._replace(self._length, self._length, values)

    def clear(self) -> None:
        """Make it empty: ``s = slices.Delete(s, 0, len(s))``."""
        self._replace(0, self._length, ())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._codec.element.decode_many(self._address, self._length, self._root))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SliceView | list | tuple):
            return len(self) == len(other) and all(
                mine == its for mine, its in zip(self, other, strict=True)
            )
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        # The receiver is this slice: what Python holds, not the place that it was read from.
        header = HEADER.pack(self._address, self._length, self._capacity)
        with Allocations(self._context.guest) as allocations:
            box = allocations.object(HEADER.size, self._type)
            root = self._context.guest.hold(box)
            self._context.heap.store(box, header, self._type)
        return method_of(self, name, box, root)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._context.methods(self._type).names()]

    def _position(self, index: int) -> int:
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(f"index out of range [{index}] with length {self._length}")
        return position

    def _element_address(self, index: int) -> int:
        return self._address + self._position(index) * self._codec.element.size

    def _set_slice(self, index: slice, values: Iterable[Any]) -> None:
        start, stop, step = index.indices(self._length)
        if step == 1:
            self._replace(start, max(start, stop), values)
            return
        positions, items = range(start, stop, step), list(values)
        if len(positions) != len(items):
            raise ValueError(f"expected {len(positions)} values for the slice, got {len(items)}")
        for position, item in zip(positions, items, strict=True):
            self[position] = item

    def _replace(self, start: int, stop: int, values: Iterable[Any]) -> None:
        """Put values in the place of others; the slice grows or shrinks as it must."""
        with self._context.guest.lock:
            self._replace_alone(start, stop, values)

    def _replace_alone(self, start: int, stop: int, values: Iterable[Any]) -> None:
        header = HEADER.pack(self._address, self._length, self._capacity)
        if self._place and self._context.memory.read(self._place[0], HEADER.size) != header:
            raise ChangedError(
                f"the place that this {self._type.string} was read from holds another one now;"
                " read it again"
            )
        try:
            root, *header_now = self._codec.replace(self, start, stop, values)
        except Mismatch as mismatch:
            raise mismatch.error(self._type.string) from None
        self._root = root
        self._address, self._length, self._capacity = header_now
        if self._place:
            image = HEADER.pack(*header_now)
            self._context.heap.store(self._place[0], image, self._codec.type)

    def _span(self) -> tuple[int, int, GoType, object]:
        return self._address, self._length, self._codec.element.type, self._root
