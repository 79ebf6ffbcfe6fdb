"""Plain copies of many values at once, column by column.

Whatever is called for each element costs Python more than the element is worth. So each field of
all elements becomes one list, by a strided view of their memory, before the fields are put
together again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, MutableMapping
from itertools import repeat
from typing import Any, Protocol, cast

from emuplugin.values.arrays import ArrayCodec
from emuplugin.values.booleans import BooleanCodec
from emuplugin.values.byte_slices import BytesCodec
from emuplugin.values.codec import Codec
from emuplugin.values.error_values import ITAB_TYPE
from emuplugin.values.floats import FloatCodec
from emuplugin.values.integers import IntegerCodec
from emuplugin.values.interfaces import InterfaceCodec
from emuplugin.values.maps import MapCodec
from emuplugin.values.slice_codec import SliceCodec
from emuplugin.values.strings import StringCodec, texts
from emuplugin.values.structs import StructCodec

Made = dict[tuple[Any, ...], tuple[Any, Any]]
"""Copies by type, address and (of slices) length, each with what keeps the original."""


class Reach(Protocol):
    """What rows lead to. ``owner`` keeps it alive, and ``made`` gets the slices that are copied."""

    @property
    def made(self) -> MutableMapping[tuple[Any, ...], tuple[Any, Any]]: ...

    @property
    def owner(self) -> object: ...

    def held(self, dynamic_type: int, data: int) -> Any:
        """The copy of what is in an interface that is not nil."""

    def map_at(self, codec: MapCodec, address: int) -> Any:
        """The copy of a map; None for nil."""

    def list_of(self, codec: SliceCodec, image: bytes) -> Any:
        """The copy of a slice."""


class Table:
    """Memory that holds rows of ``step`` bytes, which lead to what is in ``reach``."""

    def __init__(self, image: bytes | memoryview, step: int, reach: Reach) -> None:
        self.image = memoryview(image)
        self.step = step
        self.reach = reach

    def column(self, offset: int, format: str) -> list[Any]:
        """The numbers of a :mod:`memoryview` format at ``offset`` in all rows. Go aligns numbers
        by their size, so that the rows are whole numbers apart."""
        numbers = self.image.cast(format)  # type: ignore[call-overload]
        column: memoryview = numbers[offset // numbers.itemsize :: self.step // numbers.itemsize]
        return column.tolist()

    def parts(self, offset: int, size: int, step: int) -> Table:
        """The table of rows of ``step`` bytes that ``size`` bytes at ``offset`` of each row are."""
        if size == self.step:
            return Table(self.image, step, self.reach)
        image = self.image
        starts = range(offset, len(image), self.step)
        joined = b"".join([image[at : at + size] for at in starts])
        return Table(joined, step, self.reach)


class Columns(ABC):
    """Copies values of one type."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec

    @abstractmethod
    def copies(self, table: Table, offset: int) -> list[Any]:
        """The values at ``offset`` in all rows."""

    def parts(self, copies: list[Any], address: int, step: int) -> Iterator[tuple[Any, Any]]:
        """Keys, as in :data:`Made`, of those copies that something else may lead to, and these.
        The first lies at ``address``, each other one ``step`` bytes behind the one before."""
        return iter(())


class _Numbers(Columns):
    def __init__(self, codec: Codec, format: str) -> None:
        super().__init__(codec)
        self._format = format

    def copies(self, table: Table, offset: int) -> list[Any]:
        return table.column(offset, self._format)


class _Strings(Columns):
    def copies(self, table: Table, offset: int) -> list[Any]:
        memory = self.codec.context.memory
        return texts(memory, table.column(offset, "Q"), table.column(offset + 8, "Q"))


class _Bytes(Columns):
    def copies(self, table: Table, offset: int) -> list[Any]:
        read = self.codec.context.memory.read
        return list(map(read, table.column(offset, "Q"), table.column(offset + 8, "Q")))


class _Slices(Columns):
    """Slices of numbers and strings."""

    def copies(self, table: Table, offset: int) -> list[Any]:
        codec, made, owner = cast(SliceCodec, self.codec), table.reach.made, table.reach.owner
        result, decode_many = [], codec.element.decode_many
        addresses, lengths = table.column(offset, "Q"), table.column(offset + 8, "Q")
        for at, length in zip(addresses, lengths, strict=True):
            key = (codec.type, at, length)
            found = made.get(key)
            if found is None:
                found = decode_many(at, length, owner), owner
                if length:
                    made[key] = found
            result.append(found[0])
        return result


class _Lists(Columns):
    """Slices of interfaces."""

    def copies(self, table: Table, offset: int) -> list[Any]:
        codec, image, copy = cast(SliceCodec, self.codec), table.image, table.reach.list_of
        starts = range(offset, len(image), table.step)
        return [copy(codec, bytes(image[at : at + codec.size])) for at in starts]


class _Maps(Columns):
    def copies(self, table: Table, offset: int) -> list[Any]:
        codec, copy = cast(MapCodec, self.codec), table.reach.map_at
        return [copy(codec, address) for address in table.column(offset, "Q")]


class _Interfaces(Columns):
    def copies(self, table: Table, offset: int) -> list[Any]:
        types, held = table.column(offset, "Q"), table.reach.held
        if self.codec.type.methods:  # the first word is the itab, which has the type
            read = self.codec.context.memory.read_u64
            types = [itab and read(itab + ITAB_TYPE) for itab in types]
        data = table.column(offset + 8, "Q")
        return [held(*words) if words[0] else None for words in zip(types, data, strict=True)]


class _Arrays(Columns):
    def __init__(self, codec: ArrayCodec, element: Columns) -> None:
        super().__init__(codec)
        self._element, self._length = element, codec.length

    def copies(self, table: Table, offset: int) -> list[Any]:
        parts = table.parts(offset, self.codec.size, self._element.codec.size)
        items, length = self._element.copies(parts, 0), self._length
        return [items[at : at + length] for at in range(0, len(items), length)]

    def parts(self, copies: list[Any], address: int, step: int) -> Iterator[tuple[Any, Any]]:
        size = self._element.codec.size
        for index, copy in enumerate(copies):
            yield (self.codec.type, address + index * step), copy
            yield from self._element.parts(copy, address + index * step, size)


class _Structs(Columns):
    def __init__(self, codec: StructCodec, fields: dict[str, tuple[int, Columns]]) -> None:
        super().__init__(codec)
        self._fields = fields

    def copies(self, table: Table, offset: int) -> list[Any]:
        fields, names = self._fields.values(), tuple(self._fields)
        values = [part.copies(table, offset + field_offset) for field_offset, part in fields]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    def parts(self, copies: list[Any], address: int, step: int) -> Iterator[tuple[Any, Any]]:
        places = range(address, address + len(copies) * step, step)
        yield from zip(zip(repeat(self.codec.type), places, strict=False), copies, strict=True)
        for name, (offset, part) in self._fields.items():
            if isinstance(part, _Structs | _Arrays):
                yield from part.parts([copy[name] for copy in copies], address + offset, step)


def columns_of(codec: Codec) -> Columns | None:
    """How to copy values of a type; None for types that lead elsewhere, except by strings, maps,
    interfaces, and slices of numbers, strings and interfaces, and for those without a size."""
    kind = type(codec)
    if kind is IntegerCodec or kind is FloatCodec:
        return _Numbers(codec, cast(IntegerCodec | FloatCodec, codec).format)
    if kind is BooleanCodec:
        return _Numbers(codec, "?")
    if kind is StringCodec:
        return _Strings(codec)
    if kind is BytesCodec:
        return _Bytes(codec)
    if kind is SliceCodec:
        element = cast(SliceCodec, codec).element
        if type(element) is InterfaceCodec:
            return _Lists(codec)
        return _Slices(codec) if element.plain else None
    if kind is MapCodec:
        return _Maps(codec)
    if kind is InterfaceCodec:
        return _Interfaces(codec)
    if not codec.size:
        return None
    if isinstance(codec, ArrayCodec):
        columns = columns_of(codec.element)
        return None if columns is None else _Arrays(codec, columns)
    if kind is StructCodec:
        return _columns_of_struct(cast(StructCodec, codec))
    return None


def _columns_of_struct(codec: StructCodec) -> Columns | None:
    fields = {}
    for name, field in codec.own_fields.items():
        if name != "_":
            part = columns_of(codec.context.codec(field.type))
            if part is None:
                return None
            fields[name] = field.offset, part
    return _Structs(codec, fields) if fields else None
