"""MapWriter: changing a map where the plugin holds no code that does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Memory
from emuplugin.values.heap import Allocations
from emuplugin.values.map_memory import Entry, MapMemory

if TYPE_CHECKING:
    from emuplugin.values.context import Context


class MapWriter(ABC):
    """One change of a map. ``allocations`` keeps what is made for it until it is linked in."""

    def __init__(
        self, context: Context, go_type: GoType, layout: MapMemory, allocations: Allocations
    ) -> None:
        self.type = go_type
        self.layout = layout
        self.allocations = allocations
        self.heap = context.heap
        self.descriptors = context.heap.descriptors
        self._guest = context.guest
        self._hasher = context.memory.read_u64(go_type.address + go_type.types.map_layout.hasher)
        self.heap.reserve(max(go_type.key.size, go_type.elem.size))

    @property
    def memory(self) -> Memory:
        """Guest memory."""
        return self.layout.memory

    def hash(self, key: bytes, seed: int) -> int:
        """The hash of a key image; a panic of Go where keys of this dynamic type have none."""
        entry = self.memory.read_u64(self._hasher)
        return self._guest.call_words(entry, self._hasher, (self.heap.scratch(key), seed))

    def find(self, address: int, key: bytes) -> Entry | None:
        """The entry of a key, compared as Go does (so there is none for NaN)."""
        if not self.layout.count(address):
            return None
        for entry in self.layout.candidates(address, self.hash(key, self.layout.seed(address))):
            if self._same(key, entry.key):
                return entry
        return None

    def insert(self, address: int, key: bytes) -> int:
        """Add a key that is not there; where its element goes. The map grows as it needs."""
        hash_ = self.hash(key, self.layout.seed(address))
        entry = self.free_slot(address, hash_)
        if entry is None:
            self.rebuild(address, 2 * self.layout.count(address) + 1)
            entry = self.free_slot(address, hash_)
            assert entry is not None
        self.heap.store(entry.key, key, self.type.key)
        self.memory.write_u64(address, self.layout.count(address) + 1)
        return entry.elem

    def delete(self, address: int, key: bytes) -> bool:
        """Take a key out; whether it was there."""
        entry = self.find(address, key)
        if entry is None:
            return False
        self.remove(address, entry, self.hash(key, self.layout.seed(address)))
        self.memory.write_u64(address, self.layout.count(address) - 1)
        return True

    def clear(self, address: int) -> None:
        """Take everything out."""
        self.room(address, 0)

    def rebuild(self, address: int, count: int) -> None:
        """Move all entries to memory with room for ``count``."""
        seed = self.layout.seed(address)
        images = list(self.layout.images(address))
        # The old memory is what keeps alive what the images point to.
        for word in self.layout.header_pointers:
            old = self.memory.read_u64(address + 8 * word)
            if old:
                self.allocations.keep(self._guest.hold(old))
        placed = -1
        while placed < len(images):
            self.room(address, count)
            placed = self._place(address, images, seed)
            count *= 2
        self.memory.write_u64(address, len(images))

    def _place(self, address: int, images: list[tuple[bytes, bytes]], seed: int) -> int:
        """Put entries into empty memory; how many of them found a slot."""
        for number, (key, elem) in enumerate(images):
            entry = self.free_slot(address, self.hash(key, seed))
            if entry is None:
                return number
            self.heap.store(entry.key, key, self.type.key)
            self.heap.store(entry.elem, elem, self.type.elem)
        return len(images)

    def occupy(self, block: int, slot: int, control: int) -> Entry:
        """Mark a slot as full; where its key and element go."""
        geometry = self.layout.geometry
        for apart, start, stride, go_type in (
            (geometry.indirect_key, geometry.keys, geometry.key_stride, self.type.key),
            (geometry.indirect_elem, geometry.elems, geometry.elem_stride, self.type.elem),
        ):
            if apart:
                target = self.allocations.object(go_type.size, go_type)
                self.allocations.protect()
                self.heap.store_pointer(block + start + slot * stride, target)
        self.memory.write_u8(block + slot, control)
        return self.layout.entry(block, slot)

    def vacate(self, entry: Entry) -> None:
        """Clear key and element, so that they keep nothing alive."""
        self.heap.store(entry.key, bytes(self.type.key.size), self.type.key)
        self.heap.store(entry.elem, bytes(self.type.elem.size), self.type.elem)

    @abstractmethod
    def free_slot(self, address: int, hash_: int) -> Entry | None:
        """An empty slot for a hash, marked full; None if the map must grow for it."""

    @abstractmethod
    def remove(self, address: int, entry: Entry, hash_: int) -> None:
        """Empty a slot."""

    @abstractmethod
    def room(self, address: int, count: int) -> None:
        """Make the map empty, with new memory for ``count`` entries."""

    def _same(self, key: bytes, address: int) -> bool:
        equal = self.type.key.equal
        entry = self.memory.read_u64(equal)
        words = (self.heap.scratch(key), address)
        return bool(self._guest.call_words(entry, equal, words) & 1)
