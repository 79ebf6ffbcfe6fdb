"""What the host is told of guest memory: where large pages help. Memory that goes back."""

from __future__ import annotations

import ctypes
import mmap
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emuplugin.cpu.address_space import PROT_EXEC, PROT_READ, PROT_WRITE, AddressSpace
from emuplugin.cpu.host_pages import small_pages
from emuplugin.cpu.physical import PAGE_SIZE, PhysicalMemory

LARGE = 2 << 20
HEAP = 0xC0 << 32

_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_large_pages = pytest.mark.skipif(
    sys.platform != "linux" or not _SETTING.exists() or "[never]" in _SETTING.read_text(),
    reason="the host has no large pages",
)


@pytest.fixture
def space() -> Iterator[AddressSpace]:
    physical = PhysicalMemory(1 << 30)
    yield AddressSpace(physical, 1 << 16)
    physical.close()


def _wanted(address: int) -> bool:
    """Whether large pages are wanted for the memory at an address of the host."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            low, high = (int(number, 16) for number in words[0].split("-"))
            inside = low <= address < high
        elif inside and words[0] == "VmFlags:":
            return "hg" in words
    raise AssertionError(f"nothing is mapped at {address:#x}")


@_large_pages
def test_large_pages_are_for_a_heap_that_grows(space: AddressSpace) -> None:
    space.keep_together(HEAP, 64 * LARGE)
    elsewhere = space.map(HEAP >> 1, 4 * LARGE, PROT_READ | PROT_WRITE)
    first = space.map(HEAP + 8 * LARGE, 2 * LARGE, PROT_READ | PROT_WRITE)
    small = space.map(HEAP, PAGE_SIZE, PROT_READ | PROT_WRITE)
    more = space.map(HEAP + 16 * LARGE, 4 * LARGE, PROT_READ | PROT_WRITE)
    wanted = [
        _wanted(space.physical.pointer + (area.physical or 0))
        for area in (elsewhere, first, small, more)
    ]
    assert wanted == [False, False, False, True]


def _large_there(address: int) -> bool:
    """Whether touching the memory at an address brings more than a page."""
    ctypes.c_char.from_address(address).value = b"x"
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        pagemap.seek(((address >> 12) + 1) * 8)
        return bool(pagemap.read(8)[7] & 0x80)


@_large_pages
def test_small_pages_for_a_while() -> None:
    with mmap.mmap(-1, 8 * LARGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        buffer = ctypes.c_char.from_buffer(memory)
        places = range(-(-ctypes.addressof(buffer) // LARGE) * LARGE, 1 << 64, LARGE)
        assert _large_there(places[0])
        with small_pages():
            assert not _large_there(places[1])
            with small_pages():
                assert not _large_there(places[2])
            assert not _large_there(places[3])
        assert _large_there(places[4])
        del buffer


@pytest.mark.parametrize("copying", [False, True])
def test_stores_in_turns(copying: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of memory is what it was, wherever stores differ, and whatever was written since; in the
    memory that was kept and in another one."""
    if copying:
        monkeypatch.setattr(PhysicalMemory, "copying", True)
    chance = random.Random(5)
    pages = 2048
    memories = [PhysicalMemory(pages * PAGE_SIZE) for _ in range(2)]
    for memory in memories:
        assert memory.claim(0, pages)

    def scribble(memory: PhysicalMemory) -> None:
        start = chance.randrange(pages - 40)
        for page in range(start, start + chance.randrange(1, 40)):
            memory.bytes[page * PAGE_SIZE] = chance.randrange(256)

    kept = []
    for memory in (*memories, *memories):
        for _ in range(4):
            scribble(memory)
        memory.zero(chance.randrange(pages - 512) * PAGE_SIZE, 512 * PAGE_SIZE)
        store = memory.keep()  # before all of it was looked at, and all pages are there
        kept.append((bytes(memory.bytes), store))
    assert len({content for content, _ in kept}) == len(kept)
    for memory in memories:
        for _ in range(20):
            for _ in range(chance.randrange(3)):
                scribble(memory)
            if chance.random() < 0.5:
                memory.zero(chance.randrange(pages - 64) * PAGE_SIZE, 64 * PAGE_SIZE)
            content, store = chance.choice(kept)
            memory.show(store)
            assert bytes(memory.bytes) == content
    for memory in memories:
        memory.close()


def test_translations_are_thrown_away_where_there_are_some(space: AddressSpace) -> None:
    """A space in which nothing but the engine's page is has translated none of the guest's code."""
    flushes = []
    space.map(PAGE_SIZE, PAGE_SIZE, PROT_READ, "[system]")
    space.flush_code = lambda: flushes.append("flushed")
    code = AddressSpace(PhysicalMemory(1 << 24), 1 << 12)
    code.map(PAGE_SIZE, PAGE_SIZE, PROT_READ, "[system]")
    code.map(LARGE, PAGE_SIZE, PROT_READ | PROT_EXEC)
    kept = code.keep()
    space.show(kept)
    assert not flushes
    space.show(kept)
    assert not flushes  # the same code
    space.map(2 * LARGE, PAGE_SIZE, PROT_READ | PROT_EXEC)
    space.show(kept)
    assert flushes
    assert len(space) == 2
    code.physical.close()
