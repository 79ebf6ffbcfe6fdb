"""Mappings of files in guest memory, and how they and the files see each other's changes.

A mapping has memory of its own. What the guest writes into a shared one is *gathered* into the
file before the file is looked at by a system call, and what is written to the file is *spread* to
its mappings at once. So there is no moment at which the guest could tell the difference, but for
two mappings of one page that are both written between two system calls: the later one in order of
mapping wins that page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from emuplugin.cpu.address_space import PAGE_SIZE, PROT_NONE, PROT_WRITE, AddressSpace
from emuplugin.cpu.memory import Memory

from .node import Regular

_WINDOW = 512 * PAGE_SIZE


@dataclass(slots=True, eq=False)
class Mapping:
    """``[start, end)`` of guest memory shows ``node`` from ``offset`` on. ``written``: the guest
    may have written there; ``may_write``: it was opened for that."""

    start: int
    end: int
    node: Regular
    offset: int
    shared: bool
    may_write: bool
    written: bool

    def overlap(self, offset: int, size: int) -> tuple[int, int]:
        """The part of ``[offset, offset + size)`` of the file that lies in here, as such."""
        low = max(offset, self.offset)
        return low, min(offset + size, self.offset + self.end - self.start)


class Shared:
    """The shared mappings of one file."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.mappings: list[Mapping] = []

    def gather(self, node: Regular, offset: int, size: int) -> None:
        """Bring what the guest wrote into mappings of this part into the file."""
        size = min(size, node.size() - offset)
        for mapping in self.mappings:
            if mapping.written:
                self._gather_one(mapping, node, *mapping.overlap(offset, size))

    def _gather_one(self, mapping: Mapping, node: Regular, low: int, high: int) -> None:
        while low < high:
            # Whole windows are compared first: most often nothing has changed.
            stop = min(high, (low & -_WINDOW) + _WINDOW)
            mapped = self._memory.read(mapping.start + low - mapping.offset, stop - low)
            known = node.load(low, stop - low)
            if mapped != known:
                self._store_changes(mapping, node, low, mapped, known)
            low = stop

    def _store_changes(
        self, mapping: Mapping, node: Regular, low: int, mapped: bytes, known: bytes
    ) -> None:
        at = 0
        while at < len(mapped):
            stop = min(len(mapped), ((low + at) & -PAGE_SIZE) + PAGE_SIZE - low)
            page = mapped[at:stop]
            if page != known[at:stop]:
                node.store(low + at, page)
                node.touch()
                for other in self.mappings:
                    if other is not mapping:
                        self._put(other, low + at, page)
            at = stop

    def spread(self, node: Regular, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Show what was written to the file in all mappings."""
        for mapping in self.mappings:
            self._put(mapping, offset, data)

    def clear(self, start: int, end: int) -> None:
        """This part of the file is zero now, or no more."""
        for mapping in self.mappings:
            low, high = mapping.overlap(start, end - start)
            if low < high:
                at = mapping.start + low - mapping.offset
                for piece in self._memory.pieces(at, high - low):
                    piece[:] = bytes(len(piece))

    def _put(self, mapping: Mapping, offset: int, data: bytes | bytearray | memoryview) -> None:
        low, high = mapping.overlap(offset, len(data))
        if low < high:
            at = mapping.start + low - mapping.offset
            self._memory.write(at, data[low - offset : high - offset])


class FileMappings:
    """All mappings of files of one process."""

    def __init__(self, space: AddressSpace, memory: Memory) -> None:
        self._space, self._memory = space, memory
        self._all: list[Mapping] = []

    def add(self, mapping: Mapping) -> None:
        """Show the file in memory that was just mapped. Raises NoMemoryError."""
        self._all.append(mapping)
        node = mapping.node
        node.acquire(mapping.shared and mapping.may_write)
        try:
            self._fill(mapping, mapping.start, mapping.end)
        except BaseException:
            self._forget(mapping)
            raise
        if mapping.shared:
            if node.shared is None:
                node.shared = Shared(self._memory)
            node.shared.mappings.append(mapping)

    def cut(self, start: int, size: int) -> None:
        """``[start, start + size)`` is going to be unmapped."""
        end = start + size
        for mapping in self._overlapping(start, end):
            self._flush(mapping)
            pieces = []
            if mapping.start < start:
                pieces.append(replace(mapping, end=start))
            if end < mapping.end:
                offset = mapping.offset + end - mapping.start
                pieces.append(replace(mapping, start=end, offset=offset))
            for piece in pieces:
                piece.node.acquire(piece.shared and piece.may_write)
                self._all.append(piece)
                if piece.node.shared is not None and piece.shared:
                    piece.node.shared.mappings.append(piece)
            self._forget(mapping)

    def moving(self, start: int, size: int) -> Mapping | None:
        """The mapping that begins at ``start`` with at least ``size`` bytes; what the guest wrote
        there is in the file now."""
        for mapping in self._overlapping(start, start + size):
            self._flush(mapping)
            return mapping
        return None

    def moved(self, mapping: Mapping, old: int, new: int, size: int) -> None:
        """What was at ``old`` is mapped at ``new`` with ``size`` bytes, and filled as far as it
        was there before."""
        offset = mapping.offset + old - mapping.start
        self.add(replace(mapping, start=new, end=new + size, offset=offset))

    def sync(self, start: int, size: int) -> None:
        """msync."""
        for mapping in self._overlapping(start, start + size):
            self._flush(mapping)

    def refill(self, start: int, size: int) -> None:
        """The pages were discarded: show the file's content again."""
        for mapping in self._overlapping(start, start + size):
            self._fill(mapping, max(start, mapping.start), min(start + size, mapping.end))

    @property
    def count(self) -> int:
        """How many mappings there are."""
        return len(self._all)

    def may_protect(self, start: int, size: int, prot: int) -> bool:
        """Whether the files allow this access; remembers that it was given."""
        if not self._all or not prot & PROT_WRITE:
            return True
        touched = [m for m in self._overlapping(start, start + size) if m.shared]
        if not all(mapping.may_write for mapping in touched):
            return False
        for mapping in touched:
            mapping.written = True
        return True

    def _overlapping(self, start: int, end: int) -> list[Mapping]:
        return [m for m in self._all if m.start < end and start < m.end]

    def _flush(self, mapping: Mapping) -> None:
        shared = mapping.node.shared
        if mapping.shared and shared is not None:
            shared.gather(mapping.node, mapping.offset, mapping.end - mapping.start)

    def _forget(self, mapping: Mapping) -> None:
        self._all.remove(mapping)
        node = mapping.node
        if node.shared is not None and mapping in node.shared.mappings:
            node.shared.mappings.remove(mapping)
            if not node.shared.mappings:
                node.shared = None
        node.release()

    def _fill(self, mapping: Mapping, start: int, end: int) -> None:
        offset = mapping.offset + start - mapping.start
        end = min(end, start + max(mapping.node.size() - offset, 0))
        area = self._space.find(start)
        while start < end:
            stop = min(end, (start & -_WINDOW) + _WINDOW)
            # What holds content counts as memory from the start.
            if area is not None and area.prot != PROT_NONE:
                self._space.touch(start)
            self._memory.write(start, mapping.node.read_at(offset, stop - start))
            offset += stop - start
            start = stop
