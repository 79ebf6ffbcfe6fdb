"""Walking the memory of Go's maps: the addresses of all keys and elements.

Two designs: buckets (``runtime/map.go``, until Go 1.23 and under GOEXPERIMENT=noswissmap until
1.25) and Swiss tables (``internal/runtime/maps``, since 1.24). The order is that of the memory, the
same each time, where Go's own iteration starts somewhere at random.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from emuplugin.values.abi_type import MapLayout
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Memory

SLOTS = 8
"""Entries of a bucket and of a Swiss group."""

# runtime.hmap
_HMAP_FLAGS, _HMAP_B, _HMAP_BUCKETS, _HMAP_OLDBUCKETS = 8, 9, 16, 24
_SAME_SIZE_GROW = 8
# The first byte of an entry of runtime.bmap, tophash: 0 and 1 are empty, 2 to 4 moved elsewhere.
_EMPTY_ONE, _MIN_TOP_HASH = 1, 5

# maps.Map and maps.table
_DIR_PTR, _DIR_LEN = 16, 24
_TABLE_INDEX, _TABLE_GROUPS, _TABLE_LENGTH_MASK = 8, 16, 24
_CTRL_NOT_FULL = 0x80


class Entry(NamedTuple):
    """Where a key and its element lie."""

    key: int
    elem: int


class _Geometry(NamedTuple):
    """Where keys and elements lie in a bucket or group of one map type."""

    size: int
    keys: int
    key_stride: int
    elems: int
    elem_stride: int
    indirect_key: bool
    indirect_elem: bool


class MapMemory:
    """Walks maps of one map type."""

    def __init__(self, layout: MapLayout, go_type: GoType) -> None:
        self._types = go_type.types
        self._swiss = layout.swiss
        self._geometry = _geometry(go_type.types.memory, layout, go_type)

    def count(self, address: int) -> int:
        """The number of entries of the map at ``address`` (``hmap.count``, ``Map.used``)."""
        return self._types.memory.read_u64(address) if address else 0

    def entries(self, address: int) -> Iterator[Entry]:
        """All entries of the map at ``address``; none of a nil map."""
        if not self.count(address):
            return
        groups = self._groups(address) if self._swiss else self._buckets(address)
        memory, geometry = self._types.memory, self._geometry
        for group, full in groups:
            for slot in full:
                key = group + geometry.keys + slot * geometry.key_stride
                elem = group + geometry.elems + slot * geometry.elem_stride
                yield Entry(
                    memory.read_u64(key) if geometry.indirect_key else key,
                    memory.read_u64(elem) if geometry.indirect_elem else elem,
                )

    def _groups(self, address: int) -> Iterator[tuple[int, list[int]]]:
        """Swiss: each group and its full slots."""
        memory = self._types.memory
        directory = memory.read_u64(address + _DIR_PTR)
        length = memory.read_u64(address + _DIR_LEN)
        if not length:
            yield directory, self._full(directory)
            return
        for index in range(length):
            table = memory.read_u64(directory + 8 * index)
            # A table stands in the directory several times; its index is that of the first.
            if memory.read_u64(table + _TABLE_INDEX) != index:
                continue
            start = memory.read_u64(table + _TABLE_GROUPS)
            mask = memory.read_u64(table + _TABLE_LENGTH_MASK)
            for number in range(mask + 1):
                group = start + number * self._geometry.size
                yield group, self._full(group)

    def _full(self, group: int) -> list[int]:
        controls = self._types.memory.read(group, SLOTS)
        return [slot for slot in range(SLOTS) if not controls[slot] & _CTRL_NOT_FULL]

    def _buckets(self, address: int) -> Iterator[tuple[int, list[int]]]:
        """Old maps: each bucket and its full slots.

        While a map grows, what was not moved yet is still in the old buckets.
        """
        memory = self._types.memory
        count = 1 << memory.read_u8(address + _HMAP_B)
        yield from self._chains(memory.read_u64(address + _HMAP_BUCKETS), count)
        old = memory.read_u64(address + _HMAP_OLDBUCKETS)
        if old:
            same_size = memory.read_u8(address + _HMAP_FLAGS) & _SAME_SIZE_GROW
            yield from self._chains(old, count if same_size else count // 2)

    def _chains(self, buckets: int, count: int) -> Iterator[tuple[int, list[int]]]:
        memory, size = self._types.memory, self._geometry.size
        for number in range(count if buckets else 0):
            bucket = buckets + number * size
            if _EMPTY_ONE < memory.read_u8(bucket) < _MIN_TOP_HASH:
                continue  # evacuated
            while bucket:
                tophash = memory.read(bucket, SLOTS)
                yield bucket, [slot for slot in range(SLOTS) if tophash[slot] >= _MIN_TOP_HASH]
                bucket = memory.read_u64(bucket + size - 8)


def _geometry(memory: Memory, layout: MapLayout, go_type: GoType) -> _Geometry:
    def word(offset: int | None) -> int:
        assert offset is not None
        return memory.read_u64(go_type.address + offset)

    flags = memory.read_u32(go_type.address + layout.flags)
    indirect = bool(flags & layout.indirect_key), bool(flags & layout.indirect_elem)
    if not layout.swiss:
        # KeySize and ValueSize are single bytes, BucketSize is two, and they lie side by side.
        sizes = word(layout.key_size)
        key_size, elem_size, size = sizes & 0xFF, sizes >> 8 & 0xFF, sizes >> 16 & 0xFFFF
        elems = SLOTS + SLOTS * key_size
        return _Geometry(size, SLOTS, key_size, elems, elem_size, *indirect)
    size = word(layout.group_size)
    if layout.keys_off is None:
        stride, elem_off = word(layout.slot_size), word(layout.elem_off)
        return _Geometry(size, SLOTS, stride, SLOTS + elem_off, stride, *indirect)
    return _Geometry(
        size,
        word(layout.keys_off),
        word(layout.key_stride),
        word(layout.elems_off),
        word(layout.elem_stride),
        *indirect,
    )
