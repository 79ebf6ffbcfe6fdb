"""Maps: a live view to look things up and iterate."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from functools import cached_property
from typing import Any, cast

from emuplugin.values.codec import Codec
from emuplugin.values.go_syntax import MAX_DEPTH, MAX_ITEMS, go_list
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
from emuplugin.values.map_memory import MapMemory
from emuplugin.values.mismatch import Mismatch, wrong_type


class MapView(Mapping[Any, Any]):
    """A Go map that is not nil: ``len``, iteration, ``m[key]``, ``key in m``, live.

    A lookup is a call into the guest, :meth:`items` is one walk in Python: ``dict(m.items())`` is
    the fast way to copy a map. A key that does not equal itself (NaN) is met by iteration only.
    """

    __slots__ = ("__weakref__", "_codec", "_root")

    def __init__(self, codec: MapCodec, root: Root) -> None:
        self._codec = codec
        self._root = root

    def __len__(self) -> int:
        return self._codec.walker.count(self._root.address)

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._codec.items(self))

    def __getitem__(self, key: Any) -> Any:
        return self._codec.lookup(self, key)

    def items(self) -> ItemsView[Any, Any]:
        return _MapItems(self)

    def __repr__(self) -> str:
        return f"{self._codec.type.string}{self._codec.go_syntax(self, MAX_DEPTH)}"


class _MapItems(ItemsView[Any, Any]):
    """The items of a map, in one walk."""

    _mapping: MapView

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._codec.items(self._mapping)


class MapCodec(Codec):
    """``map[K]V``: a pointer to the runtime's map. Takes None for nil and maps of the same type."""

    @cached_property
    def key(self) -> Codec:
        """The codec of the keys."""
        return self.context.codec(self.type.key)

    @cached_property
    def elem(self) -> Codec:
        """The codec of the elements."""
        return self.context.codec(self.type.elem)

    @cached_property
    def walker(self) -> MapMemory:
        """Finds the entries in guest memory."""
        return MapMemory(self.context.types.map_layout, self.type)

    def items(self, view: MapView) -> Iterator[tuple[Any, Any]]:
        """All entries. Elements of a map have no address in Go, so composite ones are copies."""
        memory, key, root = self.context.memory, self.key, view._root
        for entry in list(self.walker.entries(root.address)):
            key_value = key.decode(memory.read(entry.key, key.size), root)
            yield key.finish(key_value), self._element(entry.elem, root)

    def lookup(self, view: MapView, key: Any) -> Any:
        """The element of a key; KeyError where there is none or it does not fit the key type."""
        access = self.context.guest.symbol("runtime.mapaccess2")
        if access is None:
            return self._search(view, key)
        with Allocations(self.context.guest) as allocations:
            try:
                image = self.key.encode(key, allocations)
            except Mismatch:
                raise KeyError(key) from None
            pointer = allocations.object(max(len(image), 1), self.key.type)
            self.context.memory.write(pointer, image)
            # runtime: mapaccess2(typ *abi.MapType, m, key unsafe.Pointer) (unsafe.Pointer, bool)
            words = (self.type.address, view._root.address, pointer)
            result = self.context.guest.call(access, 0, words, (), b"", 3 * 8).ints
            if not result[1] & 1:
                raise KeyError(key)
            return self._element(result[0], view._root)

    def _search(self, view: MapView, key: Any) -> Any:
        """Look at every entry: for plugins into which no code that looks up was linked."""
        for candidate, elem in self.items(view):
            if candidate == key:
                return elem
        raise KeyError(key)

    def _element(self, address: int, root: Root) -> Any:
        image = self.context.memory.read(address, self.elem.size)
        return self.elem.finish(self.elem.decode(image, root))

    def decode(self, image: bytes, owner: object) -> MapView | None:
        address = int.from_bytes(image, "little")
        return MapView(self, self.context.guest.hold(address)) if address else None

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(8)
        if not isinstance(value, MapView) or value._codec is not self:
            raise wrong_type(self.expected, value, "only maps that came from this plugin")
        return value._root.address.to_bytes(8, "little")

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
