"""How Go's maps lie in memory: what Swiss maps and bucket maps have in common.

Two designs: buckets (``runtime/map.go``, until Go 1.23 and under GOEXPERIMENT=noswissmap until
1.25; bucket_maps.py) and Swiss tables (``internal/runtime/maps``, since 1.24; swiss_maps.py).
Both keep entries in blocks of eight slots, each with a byte that tells whether the slot is full.
Walking goes in the order of the memory, the same each time, where Go's own iteration starts
somewhere at random.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import compress
from typing import NamedTuple

from emuplugin.errors import CorruptDataError
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Memory

SLOTS = 8
"""Entries of a bucket and of a Swiss group; the byte of each comes first in the block."""


class Entry(NamedTuple):
    """Where a slot's byte, its key and its element lie."""

    control: int
    key: int
    elem: int


class Geometry(NamedTuple):
    """Where keys and elements lie in a block of one map type. Large ones lie elsewhere
    ("indirect"), and the block has pointers to them."""

    size: int
    keys: int
    key_stride: int
    elems: int
    elem_stride: int
    indirect_key: bool
    indirect_elem: bool


class MapMemory(ABC):
    """Reads maps of one map type. A map's header starts with the number of entries."""

    #: Offset and size of what the hash function is seeded with.
    seed_offset: int
    seed_size: int
    #: Words of the header that are pointers.
    header_pointers: tuple[int, ...]

    def __init__(self, go_type: GoType, header_size: int, geometry: Geometry) -> None:
        self.header_size = header_size
        self.geometry = geometry
        self._types = go_type.types
        self._key_size = go_type.key.size
        self._elem_size = go_type.elem.size
        slots = range(SLOTS)
        self._key_offsets = [geometry.keys + slot * geometry.key_stride for slot in slots]
        self._elem_offsets = [geometry.elems + slot * geometry.elem_stride for slot in slots]
        # For each value of a slot's byte.
        self._full = bytes(map(self.is_full, range(256)))

    @property
    def memory(self) -> Memory:
        """Guest memory."""
        return self._types.memory

    def count(self, address: int) -> int:
        """The number of entries of the map at ``address`` (``hmap.count``, ``Map.used``)."""
        count = self.memory.read_u64(address) if address else 0
        if count > self.memory.most:
            raise CorruptDataError(f"a map of {count} entries, more than the machine's memory")
        return count

    def header(self, address: int) -> bytes:
        """The map's header. As long as it stays the same, nothing was moved or freed."""
        return self.memory.read(address, self.header_size)

    def seed(self, address: int) -> int:
        """What the map's hash function is seeded with."""
        data = self.memory.read(address + self.seed_offset, self.seed_size)
        return int.from_bytes(data, "little")

    def images(self, address: int) -> Iterator[tuple[bytes, bytes]]:
        """The images of all keys and elements, read in large pieces."""
        for keys, elems in self.pieces(address):
            yield from zip(keys, elems, strict=True)

    def pieces(self, address: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """:meth:`images` by pieces of memory: those of many keys, and those of their elements."""
        if not self.count(address):
            return
        size, _, _, _, _, key_apart, elem_apart = self.geometry
        keys, elems = self._key_offsets, self._elem_offsets
        for start, blocks in self.runs(address):
            data = self.memory.read(start, blocks * size)
            marks = bytearray(blocks * SLOTS)
            for slot in range(SLOTS):
                marks[slot::SLOTS] = data[slot::size]
            marks = marks.translate(self._full)
            bases = range(0, blocks * size, size)
            key_places = compress([at + base for base in bases for at in keys], marks)
            elem_places = compress([at + base for base in bases for at in elems], marks)
            yield (
                self._parts(data, key_places, self._key_size, key_apart),
                self._parts(data, elem_places, self._elem_size, elem_apart),
            )

    def entries(self, address: int) -> Iterator[list[Entry]]:
        """Where the parts of all full slots lie, by pieces of memory."""
        if not self.count(address):
            return
        size = self.geometry.size
        for start, blocks in self.runs(address):
            data = self.memory.read(start, blocks * size)
            yield [
                self.entry(start + base, slot)
                for base in range(0, blocks * size, size)
                for slot in range(SLOTS)
                if self.is_full(data[base + slot])
            ]

    def holds(self, entry: Entry) -> bool:
        """Whether the slot is still full."""
        return self.is_full(self.memory.read_u8(entry.control))

    def _parts(self, data: bytes, places: Iterable[int], size: int, apart: bool) -> list[bytes]:
        """``size`` bytes at each place; ``apart`` means at what the pointer there points to."""
        if not apart:
            return [data[at : at + size] for at in places]
        read = self.memory.read
        return [read(int.from_bytes(data[at : at + 8], "little"), size) for at in places]

    def entry(self, block: int, slot: int) -> Entry:
        """Where the parts of a full slot lie."""
        _, keys, key_stride, elems, elem_stride, key_apart, elem_apart = self.geometry
        key = block + keys + slot * key_stride
        elem = block + elems + slot * elem_stride
        memory = self.memory
        return Entry(
            block + slot,
            memory.read_u64(key) if key_apart else key,
            memory.read_u64(elem) if elem_apart else elem,
        )

    @staticmethod
    @abstractmethod
    def is_full(control: int) -> bool:
        """Whether the byte of a slot says that there is an entry."""

    @abstractmethod
    def runs(self, address: int) -> Iterator[tuple[int, int]]:
        """Addresses and numbers of blocks that lie one after the other: all of the map's."""

    @abstractmethod
    def candidates(self, address: int, hash_: int) -> Iterator[Entry]:
        """The entries whose key may have this hash."""
