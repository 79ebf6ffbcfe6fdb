"""The guest's virtual address space: areas of pages, like Linux's ``struct vm_area_struct``.

An accessible area has a contiguous span of physical memory from the start; its pages become
*present* (and count against the limit) when the guest first touches them, a window at a time,
or at once where that is asked for. Python reads and writes areas through the physical memory
directly and needs no page tables for it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

from . import paging
from .page_store import PageStore
from .physical import PAGE_SHIFT, PAGE_SIZE, OutOfPhysicalMemoryError, PhysicalMemory

PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC = 0, 1, 2, 4
# Pages made present together on a fault: one page table's worth, the cheapest unit to write.
WINDOW = 512 << PAGE_SHIFT
# From so many pages on, what comes behind other memory that is kept together is large: the Go heap,
# where it grows. Of its first piece many plugins need little.
_LARGE = 512
_PRESENT, _ABSENT = re.compile(rb"[^\0]+"), re.compile(rb"\0+")


_versions = count(1)


class NoMemoryError(Exception):
    """The limit of present pages, or the physical span, is used up (ENOMEM)."""


class Area(NamedTuple):
    """``[start, end)`` with one protection. ``physical`` is None for a bare reservation."""

    start: int
    end: int
    prot: int
    physical: int | None
    name: str = ""

    @property
    def pages(self) -> int:
        return (self.end - self.start) >> PAGE_SHIFT


class KeptSpace(NamedTuple):
    """An address space at some moment. ``leaf`` and ``tables`` are of its page tables."""

    store: PageStore
    areas: tuple[Area, ...]
    leaf: dict[int, int]
    tables: int
    present_pages: int
    peak_pages: int
    code_version: int


class AddressSpace:
    """Areas, their page tables, and how many pages are present of ``max_pages`` allowed.

    ``flush_tlb`` and ``flush_code`` are the engine's: called after entries were taken away, and
    when memory that may hold translated code changes hands.
    """

    def __init__(self, physical: PhysicalMemory, max_pages: int) -> None:
        self.physical = physical
        self.max_pages = max_pages
        self.present_pages = 0
        self.peak_pages = 0
        #: Changes whenever an address may have come to lie elsewhere in physical memory, or to
        #: lead nowhere.
        self.generation = 0
        #: Another number whenever there may be other code; never the same for different code.
        self.code_version = 0
        self.tables = paging.PageTables(physical)
        self.flush_tlb: Callable[[], None] = _nothing
        self.flush_code: Callable[[], None] = _nothing
        self._starts: list[int] = []
        self._areas: list[Area] = []
        # Start and end of what is kept together, and where it starts in physical memory.
        self._together = (0, 0, 0)

    def keep_together(self, start: int, size: int) -> None:
        """Let the areas in ``[start, start + size)`` lie in physical memory as they do here, so
        that neighbours are one piece of host memory. It is a wish: where the place is taken, an
        area lies elsewhere. The end of physical memory, which is filled last, is kept for it."""
        self._together = (start, start + size, self.physical.span - size)

    def __iter__(self) -> Iterator[Area]:
        return iter(tuple(self._areas))

    def __len__(self) -> int:
        """How many areas there are."""
        return len(self._areas)

    def find(self, address: int) -> Area | None:
        """The area that holds ``address``."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0:
            area = self._areas[index]
            if address < area.end:
                return area
        return None

    def overlaps(self, start: int, end: int) -> bool:
        """Whether any area reaches into ``[start, end)``."""
        index = bisect_right(self._starts, end - 1) - 1
        return index >= 0 and self._areas[index].end > start

    def gap(self, size: int, low: int, high: int, align: int = PAGE_SIZE) -> int | None:
        """The lowest free address of at least ``size`` bytes in ``[low, high)``."""
        at = -(-low // align) * align
        for index in range(max(bisect_right(self._starts, at) - 1, 0), len(self._areas)):
            area = self._areas[index]
            if area.end <= at:
                continue
            if area.start >= at + size:
                break
            at = -(-area.end // align) * align
        return at if at + size <= high else None

    def map(
        self, start: int, size: int, prot: int, name: str = "", *, populate: bool = False
    ) -> Area:
        """A new zeroed area in place of whatever was there. Sizes in bytes, page-aligned."""
        if self.overlaps(start, start + size):
            self.unmap(start, size)
        pages = size >> PAGE_SHIFT
        physical = None
        if prot != PROT_NONE:
            physical = self._allocate(start, pages)
        area = Area(start, start + size, prot, physical, name)
        self._insert(area)
        if populate and physical is not None:
            self._make_present(area, start, pages)
        return area

    def unmap(self, start: int, size: int) -> None:
        """Remove ``[start, start + size)``; the parts of areas outside stay."""
        for area in self._cut(start, start + size):
            self._remove(area)
            self._drop_present(area)
            if area.physical is not None:
                if area.prot & PROT_EXEC:
                    self.code_changed()
                self.physical.release(area.physical, area.pages)

    def protect(self, start: int, size: int, prot: int) -> bool:
        """Change the protection. False where ``[start, start + size)`` has a hole (ENOMEM)."""
        end, at = start + size, start
        for area in self._within(start, end):
            if area.start > at:
                return False
            at = area.end
        if at < end:
            return False
        for area in self._cut(start, end):
            physical = area.physical
            if physical is None and prot != PROT_NONE:
                physical = self._allocate(area.start, area.pages)
            changed = area._replace(prot=prot, physical=physical)
            self._remove(area)
            self._insert(changed)
            if area.physical is None:
                continue
            if (area.prot | prot) & PROT_EXEC:
                self.code_changed()
            present = self.tables.present(area.start, area.pages)
            self._drop_present(area)
            # Without access too: the content stays, and counts.
            self._restore_present(changed, present)
        return True

    def discard(self, start: int, size: int) -> None:
        """Drop the content of ``[start, start + size)``: it reads as zero (MADV_DONTNEED)."""
        for area in self._within(start, start + size):
            low, high = max(area.start, start), min(area.end, start + size)
            if area.physical is not None:
                part = Area(low, high, area.prot, area.physical + low - area.start)
                self._drop_present(part)
                assert part.physical is not None
                self.physical.zero(part.physical, high - low)

    def touch(self, address: int) -> bool:
        """Make the window around ``address`` present. False if that cannot help a fault there:
        no area, no access, or the page is present already (a protection violation)."""
        area = self.find(address)
        if area is None or area.prot == PROT_NONE:
            return False
        if self.tables.entry(address) & paging.PRESENT:
            return False
        low = max(area.start, address & -WINDOW)
        high = min(area.end, (address & -WINDOW) + WINDOW)
        flags = self.tables.present(low, (high - low) >> PAGE_SHIFT)
        if flags.strip(b"\0"):
            # A window that is present in part (after a discard): only the run of holes around.
            at = (address - low) >> PAGE_SHIFT
            first = at
            while first and not flags[first - 1]:
                first -= 1
            last = at + 1
            while last < len(flags) and not flags[last]:
                last += 1
            high = low + (last << PAGE_SHIFT)
            low += first << PAGE_SHIFT
        self._make_present(area, low, (high - low) >> PAGE_SHIFT)
        return True

    def provide(self, start: int, size: int) -> None:
        """Make the pages of ``[start, start + size)``, which lies in one area, present."""
        area = self.find(start)
        assert area is not None
        first = start & -PAGE_SIZE
        absent = self.tables.present(first, (start + size - first + PAGE_SIZE - 1) >> PAGE_SHIFT)
        for run in _ABSENT.finditer(absent):
            at = first + (run.start() << PAGE_SHIFT)
            self._make_present(area, at, run.end() - run.start())

    def code_changed(self) -> None:
        """What is translated of the guest's code may be of no more use."""
        self.code_version = next(_versions)
        self.flush_code()

    # --- going back -------------------------------------------------------------------------

    def keep(self) -> KeptSpace:
        """All that is there now, with the content of memory, for :meth:`show`."""
        return self.describe(self.physical.keep())

    def describe(self, store: PageStore) -> KeptSpace:
        """All that is there now, where ``store`` is the content of memory."""
        return KeptSpace(
            store,
            tuple(self._areas),
            dict(self.tables.leaf),
            self.tables.count,
            self.present_pages,
            self.peak_pages,
            self.code_version,
        )

    def show(self, kept: KeptSpace) -> None:
        """Have what was there when ``kept`` was kept, in this address space or one like it."""
        # Where nothing may be executed there was no code of the guest's yet.
        changed = any(area.prot & PROT_EXEC for area in self._areas) and (
            kept.code_version != self.code_version
            or any(
                area.prot & (PROT_WRITE | PROT_EXEC) == PROT_WRITE | PROT_EXEC
                for area in (*self._areas, *kept.areas)
            )
        )
        self.physical.show(kept.store)
        self._areas, self._starts = list(kept.areas), [area.start for area in kept.areas]
        self.tables.leaf, self.tables.count = dict(kept.leaf), kept.tables
        self.present_pages, self.peak_pages = kept.present_pages, kept.peak_pages
        self.generation += 1
        if changed:
            self.flush_code()
        self.code_version = kept.code_version
        self.flush_tlb()

    # --- inside -----------------------------------------------------------------------------

    def _allocate(self, start: int, pages: int) -> int:
        low, high, physical = self._together
        if low <= start and start + (pages << PAGE_SHIFT) <= high:
            physical += start - low
            if self.physical.claim(physical, pages):
                if pages >= _LARGE and any(
                    area.physical is not None for area in self._within(low, high)
                ):
                    self.physical.expect_filled(physical, pages << PAGE_SHIFT)
                return physical
        try:
            return self.physical.allocate(pages)
        except OutOfPhysicalMemoryError:
            raise NoMemoryError from None

    def _make_present(self, area: Area, start: int, pages: int) -> None:
        # Page tables too are memory, and never given back.
        if self.present_pages + self.tables.count + pages > self.max_pages:
            raise NoMemoryError
        assert area.physical is not None
        self.tables.map(start, area.physical + start - area.start, pages, _flags(area.prot))
        self.present_pages += pages
        self.peak_pages = max(self.peak_pages, self.present_pages)

    def _drop_present(self, area: Area) -> None:
        present = self.tables.unmap(area.start, area.pages)
        if present:
            self.present_pages -= present
            self.flush_tlb()

    def _restore_present(self, area: Area, present: bytes) -> None:
        """Map again those pages of ``area`` that were ``present``: a byte for each."""
        assert area.physical is not None
        for run in _PRESENT.finditer(present):
            at, pages = run.start() << PAGE_SHIFT, run.end() - run.start()
            self.tables.map(area.start + at, area.physical + at, pages, _flags(area.prot))
            self.present_pages += pages

    def _insert(self, area: Area) -> None:
        self.generation += 1
        if area.prot & PROT_EXEC:
            self.code_version = next(_versions)
        index = bisect_right(self._starts, area.start)
        self._starts.insert(index, area.start)
        self._areas.insert(index, area)

    def _remove(self, area: Area) -> None:
        self.generation += 1
        index = bisect_right(self._starts, area.start) - 1
        del self._starts[index], self._areas[index]

    def _within(self, start: int, end: int) -> list[Area]:
        index = max(bisect_right(self._starts, start) - 1, 0)
        found = []
        while index < len(self._areas) and self._areas[index].start < end:
            if self._areas[index].end > start:
                found.append(self._areas[index])
            index += 1
        return found

    def _cut(self, start: int, end: int) -> list[Area]:
        """Split areas at ``start`` and ``end``; return those inside."""
        for area in self._within(start, end):
            for at in (start, end):
                inner = self.find(max(area.start, min(at, area.end - 1)))
                if inner is not None and inner.start < at < inner.end:
                    self._split(inner, at)
        return self._within(start, end)

    def _split(self, area: Area, at: int) -> None:
        physical = area.physical
        upper = None if physical is None else physical + at - area.start
        self._remove(area)
        self._insert(area._replace(end=at))
        self._insert(area._replace(start=at, physical=upper))


def _flags(prot: int) -> int:
    if prot == PROT_NONE:
        return paging.NO_EXECUTE  # the supervisor's: out of reach
    flags = paging.USER
    if prot & PROT_WRITE:
        flags |= paging.WRITABLE
    if not prot & PROT_EXEC:
        flags |= paging.NO_EXECUTE
    return flags


def _nothing() -> None:
    """Before an engine is attached there is no TLB and no translated code."""


__all__ = [
    "PAGE_SHIFT",
    "PAGE_SIZE",
    "PROT_EXEC",
    "PROT_NONE",
    "PROT_READ",
    "PROT_WRITE",
    "AddressSpace",
    "Area",
    "NoMemoryError",
]
