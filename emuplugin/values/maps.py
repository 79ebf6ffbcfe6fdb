"""Maps: a live view to look things up, change them and iterate."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, MutableMapping, ValuesView
from functools import cached_property
from typing import Any, cast

from emuplugin.errors import ChangedError
from emuplugin.values.codec import Codec
from emuplugin.values.go_syntax import MAX_ITEMS, go_list
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations, BorrowedAllocations
from emuplugin.values.live import Live, refused
from emuplugin.values.map_access import MapAccess
from emuplugin.values.map_memory import Entry
from emuplugin.values.methods import method_of
from emuplugin.values.mismatch import Mismatch


class MapView(Live, MutableMapping[Any, Any]):
    """A Go map that is not nil, live: ``len``, iteration, ``m[key]``, ``m[key] = v``, ``del``.

    A lookup is a call into the guest; :meth:`items` walks the map in Python: ``dict(m.items())`` is
    the fast way to copy it. A key that does not equal itself (NaN) is met by iteration only.
    Elements have no address in Go: arrays and structs come out as copies, to be stored back.
    """

    __slots__ = ("__weakref__", "_codec", "_root")

    _codec: MapCodec

    def __init__(self, codec: MapCodec, root: Root) -> None:
        self._codec = codec
        self._root = root
        if codec.context.newcomers is not None:
            codec.context.newcomers.add(self)

    def __len__(self) -> int:
        return self._codec.access.memory.count(self._root.address)

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._codec.items(self))

    def __getitem__(self, key: Any) -> Any:
        return self._codec.lookup(self, key)

    def __contains__(self, key: object) -> bool:
        return self._codec.find(self, key) != 0

    def __setitem__(self, key: Any, value: Any) -> None:
        self.update([(key, value)])

    def __delitem__(self, key: Any) -> None:
        if not self._codec.delete(self, key):
            raise KeyError(key)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Set entries from a mapping or from pairs; on a value that does not fit, none is set."""
        pairs = list(other.items() if isinstance(other, Mapping) else other)
        try:
            self._codec.update(self, [*pairs, *more.items()])
        except Mismatch as mismatch:
            raise mismatch.error(self._codec.type.string) from None

    def clear(self) -> None:
        """Take everything out, keys that do not equal themselves too."""
        self._codec.access.clear(self._root.address)

    def items(self) -> ItemsView[Any, Any]:
        return _MapItems(self)

    def values(self) -> ValuesView[Any]:
        return _MapValues(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        if len(self) != len(other):
            return False
        missing = object()
        return all(other.get(key, missing) == elem for key, elem in self.items())

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return method_of(self, name, self._root.address, self._root)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._context.methods(self._type).names()]

    def _ipython_key_completions_(self) -> list[Any]:
        return list(self)


class _MapItems(ItemsView[Any, Any]):
    """The items of a map, in one walk."""

    _mapping: MapView

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._codec.items(self._mapping)


class _MapValues(ValuesView[Any]):
    """The elements of a map, in one walk."""

    _mapping: MapView

    def __iter__(self) -> Iterator[Any]:
        return (elem for _, elem in self._mapping._codec.items(self._mapping))


class MapCodec(Codec):
    """``map[K]V``: a pointer to the runtime's map. Takes None for nil, maps of the same type as
    they are, and mappings, which are copied."""

    @cached_property
    def key(self) -> Codec:
        """The codec of the keys."""
        return self.context.codec(self.type.key)

    @cached_property
    def elem(self) -> Codec:
        """The codec of the elements."""
        return self.context.codec(self.type.elem)

    @cached_property
    def access(self) -> MapAccess:
        """What Go can do with maps of this type."""
        return MapAccess(self.context, self.type)

    def items(self, view: MapView) -> Iterator[tuple[Any, Any]]:
        """All entries; raises ChangedError if the map changes before the last one was taken."""
        if self.key.detached and self.elem.detached:
            return self._copied_items(view)
        return self._live_items(view)

    def _copied_items(self, view: MapView) -> Iterator[tuple[Any, Any]]:
        """Entries that refer to nothing, read a piece of memory at a time."""
        memory, address, lock = self.access.memory, view._root.address, self.context.guest.lock
        key, elem = self.key, self.elem
        header, pieces = memory.header(address), memory.pieces(address)
        while True:
            with lock:
                self._check(memory.header(address) == header)
                images = next(pieces, None)
                if images is None:
                    return
                keys = [key.decode(image, None) for image in images[0]]
                elems = [elem.decode(image, None) for image in images[1]]
            for entry in zip(keys, elems, strict=True):
                self._check(memory.header(address) == header)
                yield entry

    def _live_items(self, view: MapView) -> Iterator[tuple[Any, Any]]:
        """Entries that lead to other memory: each is read when it is asked for, because what was
        there before may have been replaced and freed."""
        memory, address, lock = self.access.memory, view._root.address, self.context.guest.lock
        header, blocks = memory.header(address), memory.entries(address)
        while True:
            with lock:
                self._check(memory.header(address) == header)
                entries = next(blocks, None)
            if entries is None:
                return
            for entry in entries:
                # Nothing here keeps an entry that the caller has dropped.
                yield self._live_entry(view, entry, header)

    def _live_entry(self, view: MapView, entry: Entry, header: bytes) -> tuple[Any, Any]:
        memory, root = self.access.memory, view._root
        with self.context.guest.lock:
            self._check(memory.header(root.address) == header and memory.holds(entry))
            return self.key.read_part(entry.key, root), self.elem.read_part(entry.elem, root)

    def _check(self, same: bool) -> None:
        if not same:
            raise ChangedError(f"{self.type.string} changed during iteration")

    def find(self, view: MapView, key: Any) -> int:
        """The address of a key's element; 0 where there is none or it does not fit the type."""
        with BorrowedAllocations(self.context.heap) as allocations:
            try:
                image = self.key.encode(key, allocations)
            except Mismatch:
                return 0
            allocations.protect()
            return self.access.find(view._root.address, image)

    def lookup(self, view: MapView, key: Any) -> Any:
        """The element of a key; KeyError where there is none."""
        with self.context.guest.lock:
            found = self.find(view, key)
            if not found:
                raise KeyError(key)
            return self.elem.read_part(found, view._root)

    def update(self, view: MapView, pairs: list[tuple[Any, Any]]) -> None:
        """Set entries."""
        with Allocations(self.context.guest) as allocations:
            self._fill(view._root.address, pairs, allocations)

    def delete(self, view: MapView, key: Any) -> bool:
        """Take a key out; whether it was there."""
        with BorrowedAllocations(self.context.heap) as allocations:
            try:
                image = self.key.encode(key, allocations)
            except Mismatch:
                return False
            allocations.protect()
            return self.access.delete(view._root.address, image)

    def new(self, size: int = 0) -> MapView:
        """A new map, with room for ``size`` entries."""
        return MapView(self, self.access.make(size))

    def decode(self, image: bytes, owner: object) -> MapView | None:
        address = int.from_bytes(image, "little")
        return MapView(self, self.context.guest.hold(address)) if address else None

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(8)
        if isinstance(value, MapView) and value._codec is self:
            return value._root.address.to_bytes(8, "little")
        if not isinstance(value, Mapping):
            raise refused(self, value)
        root = self.access.make(len(value))
        allocations.keep(root)
        self._fill(root.address, list(value.items()), allocations)
        return root.address.to_bytes(8, "little")

    def go_syntax(self, value: Any, depth: int) -> str:
        if value is None:
            return "(nil)"
        if not depth:
            return "{...}"
        items: list[str] = []
        for key, elem in self.items(cast(MapView, value)):
            if len(items) == MAX_ITEMS:
                return go_list(items, more=True)
            key_text = self.key.go_syntax(key, depth - 1)
            items.append(f"{key_text}:{self.elem.go_syntax(elem, depth - 1)}")
        return go_list(items, more=False)

    def _fill(self, address: int, pairs: list[tuple[Any, Any]], allocations: Allocations) -> None:
        """Set entries: first everything is converted, then everything is stored."""
        keys = _encode(self.key, [key for key, _ in pairs], pairs, allocations, "key ")
        elems = _encode(self.elem, [elem for _, elem in pairs], pairs, allocations)
        allocations.protect()
        self.access.assign_many(address, keys, elems, len(pairs), allocations)


def _encode(
    codec: Codec,
    values: list[Any],
    pairs: list[tuple[Any, Any]],
    allocations: Allocations,
    role: str = "",
) -> bytes:
    """The images of all keys or elements; what does not fit is named by its key."""
    try:
        return codec.encode_many(values, allocations)
    except Mismatch as mismatch:
        mismatch.steps[0] = f"[{role}{pairs[mismatch.index][0]!r}]"
        raise
