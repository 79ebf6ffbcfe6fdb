"""The x86-64 page tables (Intel SDM vol. 3A, 4.5: 4-level paging), written from Python.

The emulated processor walks them by itself. They lie in guest-physical memory and are mapped
at no virtual address, so the guest, which runs in ring 3, cannot reach them.
"""

from __future__ import annotations

from array import array

from .physical import PAGE_SHIFT, PAGE_SIZE, PhysicalMemory

PRESENT = 1 << 0
WRITABLE = 1 << 1
USER = 1 << 2
ACCESSED = 1 << 5
DIRTY = 1 << 6
NO_EXECUTE = 1 << 63
ADDRESS_MASK = 0x000F_FFFF_FFFF_F000

_ENTRIES = 512
_TABLE_SHIFT = PAGE_SHIFT + 9  # one page table maps 2 MiB
_INNER = PRESENT | WRITABLE | USER
USER_ADDRESS_LIMIT = 1 << 47
# Of a full table: its entries as one number, with 1 in each, and with the page's number in bytes.
_ONES = int.from_bytes(array("Q", [1]).tobytes() * _ENTRIES, "little")
_PAGES = int.from_bytes(array("Q", range(0, _ENTRIES * PAGE_SIZE, PAGE_SIZE)).tobytes(), "little")
_FEW = 64


def _consecutive(first: int, count: int) -> array[int]:
    """The entries of ``count`` pages, of which ``first`` is the first."""
    if count < _FEW:
        return array("Q", range(first, first + count * PAGE_SIZE, PAGE_SIZE))
    # One multiplication of large numbers is several times as fast.
    return array("Q", (first * _ONES + _PAGES).to_bytes(8 * _ENTRIES, "little")[: 8 * count])


class PageTables:
    """Page tables of one address space; ``root`` is what CR3 holds."""

    def __init__(self, physical: PhysicalMemory) -> None:
        self._physical = physical
        self._words = physical.words
        self.root = physical.allocate(1)
        #: How many pages the tables themselves take.
        self.count = 1
        #: 2 MiB-aligned virtual address >> 21 -> index of its page table's first word.
        self.leaf: dict[int, int] = {}

    def map(self, virtual: int, physical: int, pages: int, flags: int) -> None:
        """Map ``pages`` pages linearly. ``flags`` are page-table entry bits; PRESENT is added."""
        flags |= PRESENT
        while pages:
            word, count = self._run(virtual, pages)
            self._words[word : word + count] = _consecutive(physical | flags, count)
            virtual += count << PAGE_SHIFT
            physical += count << PAGE_SHIFT
            pages -= count

    def unmap(self, virtual: int, pages: int) -> int:
        """Make pages not present. Returns how many were. The caller flushes the engine's TLB."""
        present = 0
        while pages:
            index = (virtual >> PAGE_SHIFT) & (_ENTRIES - 1)
            count = min(pages, _ENTRIES - index)
            table = self.leaf.get(virtual >> _TABLE_SHIFT)
            if table is not None:
                entries = self._words[table + index : table + index + count]
                present += count - entries.tobytes()[::8].count(0)
                entries[:] = array("Q", bytes(count * 8))
            virtual += count << PAGE_SHIFT
            pages -= count
        return present

    def entry(self, virtual: int) -> int:
        """The page-table entry of one page, 0 where there is none."""
        table = self.leaf.get(virtual >> _TABLE_SHIFT)
        return 0 if table is None else self._words[table + ((virtual >> PAGE_SHIFT) & 511)]

    def present(self, virtual: int, pages: int) -> bytes:
        """A byte for each of ``pages`` pages: 0 where there is no entry."""
        result = b""
        while pages:
            index = (virtual >> PAGE_SHIFT) & (_ENTRIES - 1)
            count = min(pages, _ENTRIES - index)
            table = self.leaf.get(virtual >> _TABLE_SHIFT)
            if table is None:
                result += bytes(count)
            else:
                result += self._words[table + index : table + index + count].tobytes()[::8]
            virtual += count << PAGE_SHIFT
            pages -= count
        return result

    def _run(self, virtual: int, pages: int) -> tuple[int, int]:
        """Word index of the entry for ``virtual``, and how many entries follow in its table."""
        index = (virtual >> PAGE_SHIFT) & (_ENTRIES - 1)
        table = self.leaf.get(virtual >> _TABLE_SHIFT)
        if table is None:
            table = self.leaf[virtual >> _TABLE_SHIFT] = self._make_table(virtual)
        return table + index, min(pages, _ENTRIES - index)

    def _make_table(self, virtual: int) -> int:
        table = self.root
        for shift in (39, 30, 21):
            word = (table >> 3) + ((virtual >> shift) & 511)
            entry = self._words[word]
            if not entry:
                entry = self._words[word] = self._physical.allocate(1) | _INNER
                self.count += 1
            table = entry & ADDRESS_MASK
        return table >> 3
