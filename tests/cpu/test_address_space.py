"""Address space, page tables and physical memory against models of a few lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from emuplugin.cpu import paging
from emuplugin.cpu.address_space import (
    PAGE_SIZE,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
    AddressSpace,
    NoMemoryError,
)
from emuplugin.cpu.memory import GuestMemoryError, Memory
from emuplugin.cpu.physical import OutOfPhysicalMemoryError, PhysicalMemory

# Pages around a border of two page tables, and of two windows of presence.
BASE = 0x4020_0000 - 20 * PAGE_SIZE
PAGES = 48
PROTECTIONS = [
    PROT_NONE,
    PROT_READ,
    PROT_READ | PROT_WRITE,
    PROT_READ | PROT_EXEC,
    PROT_READ | PROT_WRITE | PROT_EXEC,
]
ranges = st.tuples(st.integers(0, PAGES - 1), st.integers(1, 12)).map(
    lambda pair: (pair[0], min(pair[1], PAGES - pair[0]))
)


@dataclass
class Page:
    """The model of one page. ``backed``: it was accessible once, so it has content."""

    prot: int
    backed: bool
    content: int = 0


def address(page: int) -> int:
    return BASE + page * PAGE_SIZE


class Space(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.physical = PhysicalMemory(1 << 24)
        self.space = AddressSpace(self.physical, 40)
        self.memory = Memory(self.space)
        self.flushes = 0
        self.space.flush_tlb = self.flushed
        self.pages: dict[int, Page] = {}

    def flushed(self) -> None:
        self.flushes += 1

    def teardown(self) -> None:
        self.space.unmap(BASE, PAGES * PAGE_SIZE)
        assert self.space.present_pages == 0
        self.physical.close()

    @rule(where=ranges, prot=st.sampled_from(PROTECTIONS))
    def map(self, where: tuple[int, int], prot: int) -> None:
        first, count = where
        area = self.space.map(address(first), count * PAGE_SIZE, prot)
        assert (area.start, area.pages) == (address(first), count)
        for page in range(first, first + count):
            self.pages[page] = Page(prot, prot != PROT_NONE)

    @rule(where=ranges)
    def unmap(self, where: tuple[int, int]) -> None:
        first, count = where
        self.space.unmap(address(first), count * PAGE_SIZE)
        for page in range(first, first + count):
            self.pages.pop(page, None)

    @rule(where=ranges, prot=st.sampled_from(PROTECTIONS))
    def protect(self, where: tuple[int, int], prot: int) -> None:
        first, count = where
        pages = [self.pages.get(page) for page in range(first, first + count)]
        done = self.space.protect(address(first), count * PAGE_SIZE, prot)
        assert done == all(pages)
        if done:
            for page in pages:
                assert page is not None
                page.prot = prot
                page.backed |= prot != PROT_NONE

    @rule(where=ranges)
    def discard(self, where: tuple[int, int]) -> None:
        first, count = where
        self.space.discard(address(first), count * PAGE_SIZE)
        for number in range(first, first + count):
            if number in self.pages:
                self.pages[number].content = 0

    @rule(page=st.integers(0, PAGES - 1), value=st.integers(1, 255))
    def write(self, page: int, value: int) -> None:
        known = self.pages.get(page)
        if known is not None and known.backed:
            self.memory.write(address(page), bytes([value]) * PAGE_SIZE)
            known.content = value
        else:
            with pytest.raises(GuestMemoryError):
                self.memory.write(address(page), b"x")

    @rule(page=st.integers(0, PAGES - 1), offset=st.integers(0, PAGE_SIZE - 1))
    def touch(self, page: int, offset: int) -> None:
        known = self.pages.get(page)
        present = bool(self.space.tables.entry(address(page)))
        before = self.space.present_pages
        try:
            helped = self.space.touch(address(page) + offset)
        except NoMemoryError:
            assert self.space.present_pages == before
            return
        assert helped == (known is not None and known.prot != PROT_NONE and not present)
        if helped:
            assert self.space.tables.entry(address(page)) & paging.PRESENT
            assert self.space.present_pages > before

    @precondition(lambda self: self.pages)
    @rule(where=ranges)
    def read_across(self, where: tuple[int, int]) -> None:
        first, count = where
        pages = [self.pages.get(page) for page in range(first, first + count)]
        if all(page is not None and page.backed for page in pages):
            expected = b"".join(bytes([p.content]) * PAGE_SIZE for p in pages if p)
            assert self.memory.read(address(first), count * PAGE_SIZE) == expected
        else:
            with pytest.raises(GuestMemoryError):
                self.memory.read(address(first), count * PAGE_SIZE)

    @invariant()
    def agrees(self) -> None:
        frames = set()
        present = 0
        for number in range(PAGES):
            known, area = self.pages.get(number), self.space.find(address(number))
            assert (area is None) == (known is None)
            entry = self.space.tables.entry(address(number))
            if area is None or known is None:
                assert not entry
                continue
            assert area.prot == known.prot
            assert (area.physical is not None) == known.backed
            if known.backed:
                assert self.memory.read_u8(address(number) + 17) == known.content
            if entry:
                present += 1
                frames.add(entry & paging.ADDRESS_MASK)
                # Without access a page that has content is there, but for the supervisor only.
                assert bool(entry & paging.USER) == (known.prot != PROT_NONE)
                assert bool(entry & paging.WRITABLE) == bool(known.prot & PROT_WRITE)
                assert bool(entry & paging.NO_EXECUTE) == (not known.prot & PROT_EXEC)
                assert area.physical is not None
                frame = area.physical + address(number) - area.start
                assert entry & paging.ADDRESS_MASK == frame
        assert len(frames) == present == self.space.present_pages <= self.space.max_pages
        starts = [area.start for area in self.space]
        assert starts == sorted(starts)
        areas = list(self.space)
        assert all(a.end <= b.start for a, b in pairwise(areas))

    @rule(pages=st.integers(1, 10), align=st.sampled_from([1, 4, 16]))
    def gap(self, pages: int, align: int) -> None:
        low, high = BASE, address(PAGES)
        found = self.space.gap(pages * PAGE_SIZE, low, high, align * PAGE_SIZE)
        free = [
            at
            for at in range(PAGES - pages + 1)
            if address(at) % (align * PAGE_SIZE) == 0
            and not any(page in self.pages for page in range(at, at + pages))
        ]
        assert found == (address(free[0]) if free else None)


class Physical(RuleBasedStateMachine):
    PAGES = 64

    def __init__(self) -> None:
        super().__init__()
        self.physical = PhysicalMemory(self.PAGES * PAGE_SIZE)
        self.spans: dict[int, int] = {}

    def teardown(self) -> None:
        for start, pages in self.spans.items():
            self.physical.release(start, pages)
        # Everything has grown together again.
        assert self.physical.allocate(self.PAGES) == 0
        assert not any(self.physical.bytes)
        self.physical.close()

    def free(self) -> Iterator[int]:
        """Free pages."""
        used = {
            page
            for start, pages in self.spans.items()
            for page in range(start // PAGE_SIZE, start // PAGE_SIZE + pages)
        }
        return (page for page in range(self.PAGES) if page not in used)

    @rule(pages=st.integers(1, 24), align=st.sampled_from([1, 2, 8]))
    def allocate(self, pages: int, align: int) -> None:
        free = set(self.free())
        fits = [
            at
            for at in range(0, self.PAGES - pages + 1, align)
            if all(page in free for page in range(at, at + pages))
        ]
        if not fits:
            with pytest.raises(OutOfPhysicalMemoryError):
                self.physical.allocate(pages, align)
            return
        start = self.physical.allocate(pages, align)
        assert start == fits[0] * PAGE_SIZE
        self.spans[start] = pages
        span = self.physical.bytes[start : start + pages * PAGE_SIZE]
        assert not any(span[:: PAGE_SIZE // 4])
        span[:] = b"\xaa" * len(span)

    @precondition(lambda self: self.spans)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        start = data.draw(st.sampled_from(sorted(self.spans)))
        self.physical.release(start, self.spans.pop(start))


TestSpace = Space.TestCase
TestSpace.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPhysical = Physical.TestCase
TestPhysical.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.skipif(sys.platform != "linux", reason="other hosts count what is only reserved")
def test_large_spans_cost_nothing_until_touched() -> None:
    physical = PhysicalMemory(64 << 30)
    space = AddressSpace(physical, 16)
    space.map(1 << 40, 32 << 30, PROT_READ | PROT_WRITE)
    assert space.present_pages == 0
    with pytest.raises(NoMemoryError):
        space.touch((1 << 40) + (16 << 30))  # a window is more than the limit here
    physical.close()


def test_what_is_kept_together_is_one_piece() -> None:
    physical = PhysicalMemory(1 << 24)
    space = AddressSpace(physical, 1 << 12)
    memory = Memory(space)
    start, size = 0xC0 << 32, 1 << 20
    space.keep_together(start, size)
    for index in range(8):
        space.map(start + index * (size >> 3), size >> 3, PROT_READ | PROT_WRITE)
        space.map(BASE + index * (2 * PAGE_SIZE), PAGE_SIZE, PROT_READ)
    view = memory.view(start, size)
    assert view is not None
    memory.write(start + (size >> 1) - 4, b"together")
    assert bytes(view[(size >> 1) - 4 : (size >> 1) + 4]) == b"together"
    assert memory.read(start, size) == bytes(view)
    # A hole, and what lies elsewhere, end a piece.
    space.unmap(start + (size >> 1), PAGE_SIZE)
    assert memory.view(start, size) is None
    assert memory.view(BASE, 3 * PAGE_SIZE) is None
    space.map(start + (size >> 1), PAGE_SIZE, PROT_READ)
    assert memory.view(start, size) is not None
    view.release()
    physical.close()


def test_a_place_that_is_taken() -> None:
    physical = PhysicalMemory(1 << 24)
    space = AddressSpace(physical, 1 << 12)
    start, pages = 0xC0 << 32, 1 << 10
    space.keep_together(start, pages * PAGE_SIZE)
    first = space.map(start, PAGE_SIZE, PROT_READ)
    assert first.physical is not None
    assert not physical.claim(first.physical, 1)
    assert physical.claim(first.physical + PAGE_SIZE, 1)
    second = space.map(start + PAGE_SIZE, PAGE_SIZE, PROT_READ)
    assert second.physical not in (None, first.physical + PAGE_SIZE)
    physical.close()
