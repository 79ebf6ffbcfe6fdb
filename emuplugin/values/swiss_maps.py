"""Swiss maps: ``internal/runtime/maps`` of Go 1.24 and later.

A map of up to eight entries is one group. A larger one has a directory of tables, found by the
upper bits of the hash; a table has groups, probed by the rest of it but the lowest seven bits
(h1); those (h2) are the byte of a full slot.
"""

from __future__ import annotations

from collections.abc import Iterator

from emuplugin.values.abi_type import MapLayout
from emuplugin.values.gotype import GoType
from emuplugin.values.map_memory import SLOTS, Entry, Geometry, MapMemory

# maps.Map
DIR_PTR, DIR_LEN, GLOBAL_DEPTH, GLOBAL_SHIFT, TOMBSTONE_POSSIBLE = 16, 24, 32, 33, 35
# maps.table
TABLE_SIZE, TABLE_USED, TABLE_CAPACITY, TABLE_GROWTH_LEFT, TABLE_DEPTH = 32, 0, 2, 4, 6
TABLE_INDEX, TABLE_GROUPS, TABLE_LENGTH_MASK = 8, 16, 24

EMPTY, DELETED = 0x80, 0xFE
NOT_FULL = 0x80


class SwissMapMemory(MapMemory):
    """Reads Swiss maps of one map type."""

    seed_offset, seed_size = 8, 8
    header_pointers = (DIR_PTR // 8,)

    def __init__(self, layout: MapLayout, go_type: GoType) -> None:
        super().__init__(go_type, layout.header_size, _geometry(layout, go_type))

    @staticmethod
    def is_full(control: int) -> bool:
        return control < NOT_FULL

    def tables(self, address: int) -> Iterator[int]:
        """The tables of the map, each once; none of a small map."""
        memory = self.memory
        directory = memory.read_u64(address + DIR_PTR)
        for index in range(memory.read_u64(address + DIR_LEN)):
            table = memory.read_u64(directory + 8 * index)
            # A table stands in the directory several times; its index is that of the first.
            if memory.read_u64(table + TABLE_INDEX) == index:
                yield table

    def table(self, address: int, hash_: int) -> int:
        """The table for a hash; 0 in a small map."""
        memory = self.memory
        length = memory.read_u64(address + DIR_LEN)
        if not length:
            return 0
        index = 0 if length == 1 else hash_ >> (memory.read_u8(address + GLOBAL_SHIFT) & 63)
        return memory.read_u64(memory.read_u64(address + DIR_PTR) + 8 * index)

    def runs(self, address: int) -> Iterator[tuple[int, int]]:
        memory = self.memory
        directory = memory.read_u64(address + DIR_PTR)
        if not memory.read_u64(address + DIR_LEN):
            if directory:
                yield directory, 1
            return
        for table in self.tables(address):
            yield (
                memory.read_u64(table + TABLE_GROUPS),
                memory.read_u64(table + TABLE_LENGTH_MASK) + 1,
            )

    def probe(self, table: int, hash_: int) -> Iterator[int]:
        """The groups in which an entry with this hash may be, without an end
        (``maps/table.go: probeSeq``)."""
        memory = self.memory
        groups, size = memory.read_u64(table + TABLE_GROUPS), self.geometry.size
        mask = memory.read_u64(table + TABLE_LENGTH_MASK)
        offset, step = (hash_ >> 7) & mask, 0
        while True:
            yield groups + offset * size
            step += 1
            offset = (offset + step) & mask

    def candidates(self, address: int, hash_: int) -> Iterator[Entry]:
        table = self.table(address, hash_)
        if not table:
            group = self.memory.read_u64(address + DIR_PTR)
            if group:
                yield from self._matching(group, self.memory.read(group, SLOTS), hash_)
            return
        for group in self.probe(table, hash_):
            controls = self.memory.read(group, SLOTS)
            yield from self._matching(group, controls, hash_)
            if EMPTY in controls:
                return

    def _matching(self, group: int, controls: bytes, hash_: int) -> Iterator[Entry]:
        for slot, control in enumerate(controls):
            if control == hash_ & 0x7F:
                yield self.entry(group, slot)


def _geometry(layout: MapLayout, go_type: GoType) -> Geometry:
    memory = go_type.types.memory

    def word(offset: int | None) -> int:
        assert offset is not None
        return memory.read_u64(go_type.address + offset)

    flags = memory.read_u32(go_type.address + layout.flags)
    indirect = bool(flags & layout.indirect_key), bool(flags & layout.indirect_elem)
    size = word(layout.group_size)
    if layout.keys_off is None:
        stride, elem_off = word(layout.slot_size), word(layout.elem_off)
        return Geometry(size, SLOTS, stride, SLOTS + elem_off, stride, *indirect)
    return Geometry(
        size,
        word(layout.keys_off),
        word(layout.key_stride),
        word(layout.elems_off),
        word(layout.elem_stride),
        *indirect,
    )
