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
from contextlib import suppress
from itertools import pairwise

from emuplugin.private_memory import private_memory

from .host_pages import Pagemap, is_supported, map_file, map_zeros
from .page_store import PageStore, Run, clip, cut, keep_as_bytes, keep_in_file, merge

PAGE_SIZE = 4096
PAGE_SHIFT = 12
# Guest-physical addresses must stay below 2**40 for Unicorn's x86 model.
_MAX_SPAN = 1 << 39
# From this size on, giving pages back to the host is cheaper than writing zeros over them.
_ADVISE_FROM = 1 << 16
# How much is compared at once where content is copied back.
_CHUNK = 1 << 16


class OutOfPhysicalMemoryError(Exception):
    """No contiguous free span of the wanted size. Internal: it becomes ENOMEM."""


def page_count(size: int) -> int:
    """Pages that ``size`` bytes need."""
    return (size + PAGE_SIZE - 1) >> PAGE_SHIFT


class PhysicalMemory:
    """``span`` bytes of guest-physical addresses from 0 up, allocated by contiguous pages."""

    #: Whether what is kept is copied back page by page, as on hosts that offer nothing better.
    copying = not is_supported()

    def __init__(self, span: int) -> None:
        self.span = min(span, _MAX_SPAN) & -PAGE_SIZE
        self._map = private_memory(self.span)
        self._buffer = ctypes.c_char.from_buffer(self._map)  # the first of them
        self.pointer = ctypes.addressof(self._buffer)
        self.bytes = memoryview(self._map)
        self.words = self.bytes.cast("Q")
        # Free spans [start, pages], sorted by start; neighbours are always merged.
        self._free: list[tuple[int, int]] = [(0, self.span >> PAGE_SHIFT)]
        # What the mapping shows where nothing was written, and the parts of it that it no longer
        # shows. None: zeros.
        self._shown: PageStore | None = None
        self._hidden: list[Run] = []

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

    def expect_filled(self, address: int, size: int) -> None:
        """Tell that these bytes will be used without large gaps. The host may then hand them out
        in large pages: touching one, and giving it back, costs it little more than a small one."""
        if sys.platform == "linux":
            with suppress(OSError):  # a host without large pages
                self._map.madvise(mmap.MADV_HUGEPAGE, address, size)

    def zero(self, address: int, size: int) -> None:
        """Make ``size`` bytes at ``address`` zero; whole large spans go back to the host."""
        if (
            size >= _ADVISE_FROM
            and sys.platform == "linux"  # elsewhere MADV_DONTNEED may keep the content
            and not (address | size) & (mmap.PAGESIZE - 1)
        ):
            if self._shown is not None:
                run = (address >> PAGE_SHIFT, size >> PAGE_SHIFT)
                hidden = clip(self._shown.runs, (run,))
                if hidden:
                    # Giving the pages back would bring up what the file holds.
                    map_zeros(self.pointer + address, size)
                    self._hidden = merge((*self._hidden, *hidden), 0)
                    return
            self._map.madvise(mmap.MADV_DONTNEED, address, size)
        else:
            self.bytes[address : address + size] = bytes(size)

    # --- keeping what is there --------------------------------------------------------------

    @property
    def free(self) -> tuple[tuple[int, int], ...]:
        """The free spans: address and number of pages."""
        return tuple(self._free)

    @property
    def allocated(self) -> list[Run]:
        """The spans that are in use: first page and number of pages."""
        ends = [(0, 0), *self._free, (self.span, 0)]
        runs = []
        for (address, pages), (following, _) in pairwise(ends):
            start = (address >> PAGE_SHIFT) + pages
            if start << PAGE_SHIFT < following:
                runs.append((start, (following - start * PAGE_SIZE) >> PAGE_SHIFT))
        return runs

    def keep(self) -> PageStore:
        """All that is there now, for :meth:`show`, of this memory or of another one."""
        store = None
        if not self.copying:
            try:
                store = self._keep_by_view()
            except OSError:
                store = None  # the host has no more files for this, or tells nothing
        if store is None:
            store = keep_as_bytes(self.bytes, self.used())
        store.free = tuple(self._free)
        return store

    def show(self, store: PageStore) -> None:
        """Have the content, and the free spans, that were there when ``store`` was kept. What is
        written from now on stays out of it."""
        if self.copying or store.fd is None:
            self._copy_back(store)
        else:
            # Drops what was written: a file shows again that is shown there, or zeros.
            self._map.madvise(mmap.MADV_DONTNEED)
            shown, self._shown = self._shown, store
            if shown is not store:
                for start, count in () if shown is None else shown.runs:
                    map_zeros(self.pointer + (start << PAGE_SHIFT), count << PAGE_SHIFT)
                self._view(store, store.runs)
            elif self._hidden:
                self._view(store, self._hidden)
        self._free = list(store.free)

    def _keep_by_view(self) -> PageStore | None:
        shown = self._shown
        own = self._own()
        if shown is not None and not own and not self._hidden and shown.free == tuple(self._free):
            return shown
        runs = self.used()
        store = keep_in_file(self.bytes, runs)
        if store is not None:
            self._view(store, store.runs)
            if shown is not None:
                for start, count in cut(shown.runs, store.runs):
                    map_zeros(self.pointer + (start << PAGE_SHIFT), count << PAGE_SHIFT)
            self._shown = store
        return store

    def used(self) -> list[Run]:
        """Runs that cover all pages which are not zero."""
        if self.copying:
            return self._look_for_used()
        try:
            own = self._own()
        except OSError:
            return self._look_for_used()
        shown = () if self._shown is None else self._shown.runs
        return merge(clip(merge((*own, *shown), 0), self.allocated))

    def _own(self) -> list[Run]:
        """The allocated pages that were written to. Raises OSError."""
        with Pagemap() as pagemap:
            return [
                (start + first, count)
                for start, pages in self.allocated
                for first, count in pagemap.own(self.pointer + (start << PAGE_SHIFT), pages)
            ]

    def _view(self, store: PageStore, runs: list[Run] | tuple[Run, ...]) -> None:
        """Show parts of the runs of ``store``."""
        assert store.fd is not None
        offset = store.offset
        for whole in store.runs:
            for start, count in clip((whole,), runs) if runs is not store.runs else (whole,):
                map_file(
                    self.pointer + (start << PAGE_SHIFT),
                    count << PAGE_SHIFT,
                    store.fd,
                    offset + ((start - whole[0]) << PAGE_SHIFT),
                )
            offset += whole[1] << PAGE_SHIFT
        self._hidden = []

    def _look_for_used(self) -> list[Run]:
        zeros = bytes(_CHUNK)
        found = []
        for start, pages in self.allocated:
            end = start + pages
            while start < end:
                count = min(end - start, _CHUNK >> PAGE_SHIFT)
                part = self.bytes[start << PAGE_SHIFT : (start + count) << PAGE_SHIFT]
                if bytes(part) != zeros[: len(part)]:
                    found.append((start, count))
                start += count
        return merge(found, 0)

    def _copy_back(self, store: PageStore) -> None:
        """Write what differs. What the mapping shows of a file meanwhile does not matter."""
        kept, zeros = store.read(), bytes(_CHUNK)
        for start, pages in merge((*self.allocated, *store.runs), 0):
            inside = clip(store.runs, ((start, pages),))
            at = start
            for first, count in (*inside, (start + pages, 0)):
                for address in range(at << PAGE_SHIFT, first << PAGE_SHIFT, _CHUNK):
                    self._put(address, zeros[: (first << PAGE_SHIFT) - address])
                at = first + count
        for (start, _), content in zip(store.runs, kept, strict=True):
            for at in range(0, len(content), _CHUNK):
                self._put((start << PAGE_SHIFT) + at, content[at : at + _CHUNK])

    def _put(self, address: int, chunk: bytes) -> None:
        """Write ``chunk`` unless it is there already: whoever shares memory with others or with a
        file has it shared still."""
        part = self.bytes[address : address + len(chunk)]
        if part.tobytes() != chunk:
            part[:] = chunk

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
