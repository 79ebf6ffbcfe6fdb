"""Writing Swiss maps without the runtime's help.

The linker leaves ``mapassign`` and its kin out of plugins that only read maps, and then nobody but
us can add an entry. This follows ``internal/runtime/maps`` (putSlotSmall, uncheckedPutSlot,
Delete); a map that is full is built anew, twice as large.
"""

from __future__ import annotations

import struct

from emuplugin.values.map_memory import SLOTS, Entry
from emuplugin.values.map_writer import MapWriter
from emuplugin.values.swiss_maps import (
    DELETED,
    DIR_LEN,
    DIR_PTR,
    EMPTY,
    GLOBAL_DEPTH,
    TABLE_GROUPS,
    TABLE_GROWTH_LEFT,
    TABLE_SIZE,
    TABLE_USED,
    TOMBSTONE_POSSIBLE,
    SwissMapMemory,
)

_MAX_TABLE_CAPACITY = 1024
_MAX_GROUP_LOAD = 7
_TABLE = struct.Struct("<HHHBxqQQ")


class SwissWriter(MapWriter):
    """Writes Swiss maps of one map type."""

    layout: SwissMapMemory

    def free_slot(self, address: int, hash_: int) -> Entry | None:
        memory, layout = self.memory, self.layout
        table = layout.table(address, hash_)
        if not table:
            group = memory.read_u64(address + DIR_PTR)
            slot = memory.read(group, SLOTS).find(EMPTY) if group else -1
            return None if slot < 0 else self.occupy(group, slot, hash_ & 0x7F)
        if not memory.read_u16(table + TABLE_GROWTH_LEFT):
            return None
        for group in layout.probe(table, hash_):
            slot = memory.read(group, SLOTS).find(EMPTY)
            if slot >= 0:
                self._count(table, 1)
                return self.occupy(group, slot, hash_ & 0x7F)
        raise AssertionError("a probe sequence has no end")

    def remove(self, address: int, entry: Entry, hash_: int) -> None:
        table = self.layout.table(address, hash_)
        self.vacate(entry)
        if not table:
            self.memory.write_u8(entry.control, EMPTY)
            return
        group = self._group_of(table, entry.control)
        if EMPTY in self.memory.read(group, SLOTS):
            self.memory.write_u8(entry.control, EMPTY)
            self._count(table, -1)
            return
        self.memory.write_u8(entry.control, DELETED)
        self._add_u16(table + TABLE_USED, -1)
        self.memory.write_u8(address + TOMBSTONE_POSSIBLE, 1)

    def room(self, address: int, count: int) -> None:
        """``maps/map.go: NewMap``: one group, or a directory of tables of equal size."""
        if count <= SLOTS:
            group = self._groups(1)
            self._set_header(address, group, 0, 0)
            return
        capacity = _power_of_two(-(-count * SLOTS // _MAX_GROUP_LOAD))
        tables = max(capacity // _MAX_TABLE_CAPACITY, 1)
        depth = tables.bit_length() - 1
        capacity = max(capacity // tables, SLOTS)
        growth = capacity - 1 if capacity <= SLOTS else capacity * _MAX_GROUP_LOAD // SLOTS
        directory = self.allocations.raw(8 * tables, self.descriptors.pointer)
        table_type = self.descriptors.of(TABLE_SIZE, (TABLE_GROUPS // 8,))
        self.allocations.protect()
        for index in range(tables):
            groups = self._groups(capacity // SLOTS)
            table = self.allocations.raw(TABLE_SIZE, table_type)
            image = _TABLE.pack(0, capacity, growth, depth, index, groups, capacity // SLOTS - 1)
            self.memory.write(table, image[:TABLE_GROUPS])
            self.heap.store_pointer(table + TABLE_GROUPS, groups)
            self.memory.write(table + TABLE_GROUPS + 8, image[TABLE_GROUPS + 8 :])
            self.heap.store_pointer(directory + 8 * index, table)
        self._set_header(address, directory, tables, depth)

    def _groups(self, count: int) -> int:
        size = self.layout.geometry.size
        groups = self.allocations.object(count * size, self.type.map_bucket)
        group = (bytes([EMPTY]) * SLOTS).ljust(size, b"\0")
        self.memory.write(groups, group * count)
        return groups

    def _set_header(self, address: int, directory: int, length: int, depth: int) -> None:
        self.heap.store_pointer(address + DIR_PTR, directory)
        self.memory.write_u64(address, 0)
        self.memory.write_u64(address + DIR_LEN, length)
        shift = 64 - depth if length else 0
        self.memory.write(address + GLOBAL_DEPTH, bytes([depth, shift]))
        self.memory.write_u8(address + TOMBSTONE_POSSIBLE, 0)

    def _group_of(self, table: int, control: int) -> int:
        groups = self.memory.read_u64(table + TABLE_GROUPS)
        return control - (control - groups) % self.layout.geometry.size

    def _count(self, table: int, change: int) -> None:
        self._add_u16(table + TABLE_USED, change)
        self._add_u16(table + TABLE_GROWTH_LEFT, -change)

    def _add_u16(self, address: int, change: int) -> None:
        value = self.memory.read_u16(address) + change
        self.memory.write(address, value.to_bytes(2, "little"))


def _power_of_two(number: int) -> int:
    return 1 << max(number - 1, 0).bit_length()
