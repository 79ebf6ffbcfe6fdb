"""Guest-physical memory: one host mapping that Unicorn and Python both look at.

The mapping is handed to Unicorn by pointer, so a ``memoryview`` here is the guest's memory.
Its span is larger than what a machine may use: the host commits a page when it is first
touched, and contiguous spans are what make slices of guest memory one buffer for Python.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from bisect import insort

PAGE_SIZE = 4096
PAGE_SHIFT = 12
# Guest-physical addresses must stay below 2**40 for Unicorn's x86 model.
_MAX_SPAN = 1 << 39
# Linux, asm-generic/mman.h; Python 3.11 does not name it. Without it the kernel refuses spans that
# are larger than what the host has, though only touched pages cost memory.
_MAP_NORESERVE = 0x4000
# From this size on, giving pages back to the host is cheaper than writing zeros over them.
_ADVISE_FROM = 1 << 16


class OutOfPhysicalMemoryError(Exception):
    """No contiguous free span of the wanted size. Internal: it becomes ENOMEM."""


def page_count(size: int) -> int:
    """Pages that ``size`` bytes need."""
    return (size + PAGE_SIZE - 1) >> PAGE_SHIFT


class PhysicalMemory:
    """``span`` bytes of guest-physical addresses from 0 up, allocated by contiguous pages."""

    def __init__(self, span: int) -> None:
        self.span = min(span, _MAX_SPAN) & -PAGE_SIZE
        self._map = _reserve(self.span)
        self._buffer = (ctypes.c_char * self.span).from_buffer(self._map)
        self.pointer = ctypes.addressof(self._buffer)
        self.bytes = memoryview(self._map)
        self.words = self.bytes.cast("Q")
        # Free spans [start, pages], sorted by start; neighbours are always merged.
        self._free: list[tuple[int, int]] = [(0, self.span >> PAGE_SHIFT)]

    def allocate(self, pages: int, align: int = 1) -> int:
        """The address of the first free span of ``pages`` zeroed pages; ``align`` is in pages."""
        for index, (start, length) in enumerate(self._free):
            skip = -(start >> PAGE_SHIFT) % align
            if skip + pages > length:
                continue
            rest = length - skip - pages
            pieces = []
            if skip:
                pieces.append((start, skip))
            address = start + (skip << PAGE_SHIFT)
            if rest:
                pieces.append((address + (pages << PAGE_SHIFT), rest))
            self._free[index : index + 1] = pieces
            return address
        raise OutOfPhysicalMemoryError

    def claim(self, address: int, pages: int) -> bool:
        """Take the ``pages`` zeroed pages at ``address`` if they are free."""
        end = address + (pages << PAGE_SHIFT)
        for index, (start, length) in enumerate(self._free):
            stop = start + (length << PAGE_SHIFT)
            if start <= address and end <= stop:
                pieces = []
                if start < address:
                    pieces.append((start, (address - start) >> PAGE_SHIFT))
                if end < stop:
                    pieces.append((end, (stop - end) >> PAGE_SHIFT))
                self._free[index : index + 1] = pieces
                return True
        return False

    def release(self, address: int, pages: int) -> None:
        """Give a span back; its content is zero from here on."""
        self.zero(address, pages << PAGE_SHIFT)
        insort(self._free, (address, pages))
        merged: list[tuple[int, int]] = []
        for start, length in self._free:
            if merged and merged[-1][0] + (merged[-1][1] << PAGE_SHIFT) == start:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((start, length))
        self._free = merged

    def zero(self, address: int, size: int) -> None:
        """Make ``size`` bytes at ``address`` zero; whole large spans go back to the host."""
        if (
            size >= _ADVISE_FROM
            and sys.platform == "linux"  # elsewhere MADV_DONTNEED may keep the content
            and not (address | size) & (mmap.PAGESIZE - 1)
        ):
            self._map.madvise(mmap.MADV_DONTNEED, address, size)
        else:
            self.bytes[address : address + size] = bytes(size)

    def close(self) -> None:
        """Unmap everything. No view of the memory may be in use any more."""
        self.words.release()
        self.bytes.release()
        del self._buffer
        try:
            self._map.close()
        except BufferError:
            # Somebody still holds a buffer of it (a NumPy array, say). The mapping then goes
            # away with that buffer; until then its pages go back to the host.
            if sys.platform == "linux":
                self._map.madvise(mmap.MADV_DONTNEED)


def _reserve(span: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, span)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    if sys.platform == "linux":
        flags |= _MAP_NORESERVE
    return mmap.mmap(-1, span, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)
