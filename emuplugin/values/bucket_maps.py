"""Bucket maps: ``runtime/map.go``, until Go 1.23 and under GOEXPERIMENT=noswissmap until 1.25.

2**B buckets, found by the lowest bits of the hash, each with a chain of overflow buckets; the
byte of a full slot is the highest byte of the hash. While a map grows, what was not moved yet is
still in the old buckets.
"""

from __future__ import annotations

from collections.abc import Iterator

from emuplugin.values.abi_type import MapLayout
from emuplugin.values.gotype import GoType
from emuplugin.values.map_memory import SLOTS, Entry, Geometry, MapMemory

# runtime.hmap
FLAGS, B, NOVERFLOW, BUCKETS, OLD_BUCKETS, NEVACUATE = 8, 9, 10, 16, 24, 32
SAME_SIZE_GROW = 8
# The first byte of an entry of runtime.bmap, tophash: 0 and 1 are empty, 2 to 4 moved elsewhere.
EMPTY_REST, EMPTY_ONE, MIN_TOP_HASH = 0, 1, 5


def top_hash(hash_: int) -> int:
    """``runtime/map.go: tophash``."""
    top = hash_ >> 56
    return top + MIN_TOP_HASH if top < MIN_TOP_HASH else top


class BucketMapMemory(MapMemory):
    """Reads bucket maps of one map type."""

    seed_offset, seed_size = 12, 4

    def __init__(self, layout: MapLayout, go_type: GoType) -> None:
        super().__init__(go_type, layout.header_size, _geometry(layout, go_type))
        self.extra = layout.header_size - 8
        self.header_pointers = (BUCKETS // 8, OLD_BUCKETS // 8, self.extra // 8)

    @staticmethod
    def is_full(control: int) -> bool:
        return control >= MIN_TOP_HASH

    def runs(self, address: int) -> Iterator[tuple[int, int]]:
        memory = self.memory
        buckets = memory.read_u64(address + BUCKETS)
        if buckets:
            yield from self._chains(buckets, 1 << memory.read_u8(address + B))
        old, count = self._old(address)
        if old:
            yield from self._chains(old, count)

    def candidates(self, address: int, hash_: int) -> Iterator[Entry]:
        memory = self.memory
        buckets = memory.read_u64(address + BUCKETS)
        if not buckets:
            return
        starts = [self.bucket(buckets, 1 << memory.read_u8(address + B), hash_)]
        old, count = self._old(address)
        if old:
            starts.append(self.bucket(old, count, hash_))
        top = top_hash(hash_)
        for start in starts:
            for bucket in self.chain(start):
                for slot, control in enumerate(memory.read(bucket, SLOTS)):
                    if control == top:
                        yield self.entry(bucket, slot)

    def bucket(self, buckets: int, count: int, hash_: int) -> int:
        """The first bucket for a hash, of ``count`` buckets."""
        return buckets + (hash_ & (count - 1)) * self.geometry.size

    def chain(self, bucket: int) -> Iterator[int]:
        """A bucket and those that it overflowed into."""
        while bucket:
            yield bucket
            bucket = self.memory.read_u64(bucket + self.geometry.size - 8)

    def _old(self, address: int) -> tuple[int, int]:
        """The buckets that are being moved, and their number."""
        memory = self.memory
        count = 1 << memory.read_u8(address + B)
        same_size = memory.read_u8(address + FLAGS) & SAME_SIZE_GROW
        return memory.read_u64(address + OLD_BUCKETS), count if same_size else count // 2

    def _chains(self, buckets: int, count: int) -> Iterator[tuple[int, int]]:
        """The array of buckets, then one by one those that overflow. Moved slots are not full."""
        yield buckets, count
        size, memory = self.geometry.size, self.memory
        for number in range(count):
            start = buckets + number * size
            following = memory.read_u64(start + size - 8)
            # A moved bucket keeps its overflow buckets, and their slots are moved too.
            for bucket in self.chain(following):
                yield bucket, 1


def _geometry(layout: MapLayout, go_type: GoType) -> Geometry:
    memory = go_type.types.memory
    assert layout.key_size is not None
    flags = memory.read_u32(go_type.address + layout.flags)
    # KeySize and ValueSize are single bytes, BucketSize is two, and they lie side by side.
    sizes = memory.read_u64(go_type.address + layout.key_size)
    key_size, elem_size, size = sizes & 0xFF, sizes >> 8 & 0xFF, sizes >> 16 & 0xFFFF
    return Geometry(
        size,
        SLOTS,
        key_size,
        SLOTS + SLOTS * key_size,
        elem_size,
        bool(flags & layout.indirect_key),
        bool(flags & layout.indirect_elem),
    )
