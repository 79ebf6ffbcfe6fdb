"""Writing bucket maps without the runtime's help; when that is needed stands in swiss_writer.py.

No overflow buckets are made: a map that is built anew gets so many buckets that it needs none,
because those of maps without pointers would need lists that keep them alive.
"""

from __future__ import annotations

from emuplugin.values.bucket_maps import (
    BUCKETS,
    EMPTY_ONE,
    FLAGS,
    NEVACUATE,
    NOVERFLOW,
    OLD_BUCKETS,
    B,
    BucketMapMemory,
    top_hash,
)
from emuplugin.values.map_memory import SLOTS, Entry
from emuplugin.values.map_writer import MapWriter


class BucketWriter(MapWriter):
    """Writes bucket maps of one map type."""

    layout: BucketMapMemory

    def free_slot(self, address: int, hash_: int) -> Entry | None:
        memory, layout = self.memory, self.layout
        buckets = memory.read_u64(address + BUCKETS)
        if not buckets or memory.read_u64(address + OLD_BUCKETS):
            return None
        for bucket in layout.chain(layout.bucket(buckets, 1 << memory.read_u8(address + B), hash_)):
            for slot, control in enumerate(memory.read(bucket, SLOTS)):
                if not layout.is_full(control):
                    return self.occupy(bucket, slot, top_hash(hash_))
        return None

    def remove(self, address: int, entry: Entry, hash_: int) -> None:
        self.vacate(entry)
        self.memory.write_u8(entry.control, EMPTY_ONE)

    def room(self, address: int, count: int) -> None:
        # Two entries per bucket on average: more than eight in one are rare then.
        exponent = max(count // 2 - 1, 0).bit_length() if count > SLOTS else 0
        size = self.layout.geometry.size
        buckets = self.allocations.object(size << exponent, self.type.map_bucket)
        self.heap.store_pointer(address + BUCKETS, buckets)
        self.heap.store_pointer(address + OLD_BUCKETS, 0)
        self.heap.store_pointer(address + self.layout.extra, 0)
        self.memory.write_u64(address, 0)
        self.memory.write_u64(address + NEVACUATE, 0)
        self.memory.write(address + FLAGS, bytes([0, exponent]))
        self.memory.write(address + NOVERFLOW, bytes(2))
