"""What guest-physical memory held at some moment, kept so that it can be had again.

A store is runs of pages, one behind the other in a file; everything outside of them is zero. On
Linux the file lies in memory (or is one of the cache's on disk), and memory that is to hold it
again becomes a private view of it: nothing is copied until it is written to. Elsewhere the runs are
``bytes``, and what differs is copied back.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Sequence

from .host_pages import PAGE_SHIFT, memory_file

#: First page and number of pages.
Run = tuple[int, int]
# Runs that lie closer together than this are one: each costs the host an entry of its own.
_GAP = 16


class PageStore:
    """``runs`` are sorted and apart. Exactly one of ``fd`` (with ``offset``, where the first run
    begins in the file) and ``contents`` is there."""

    def __init__(
        self,
        runs: Sequence[Run],
        *,
        fd: int | None = None,
        offset: int = 0,
        contents: Sequence[bytes] = (),
    ) -> None:
        self.runs = tuple(runs)
        self.fd, self.offset, self.contents = fd, offset, tuple(contents)
        #: The free spans of the memory at that moment: address and pages.
        self.free: tuple[Run, ...] = ()
        if fd is not None:
            weakref.finalize(self, os.close, fd)

    @property
    def pages(self) -> int:
        """How many pages are kept."""
        return sum(count for _, count in self.runs)

    def read(self) -> tuple[bytes, ...]:
        """The runs as bytes."""
        if self.fd is None:
            return self.contents
        found, offset = [], self.offset
        for _, count in self.runs:
            found.append(_read_at(self.fd, count << PAGE_SHIFT, offset))
            offset += count << PAGE_SHIFT
        return tuple(found)


def _read_at(fd: int, size: int, offset: int) -> bytes:
    parts = []
    while size:
        part = os.pread(fd, size, offset)
        if not part:
            raise OSError("a file that memory was kept in is too short")
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


def merge(runs: Iterable[Run], gap: int = _GAP) -> list[Run]:
    """Sorted runs that cover all of ``runs``, joined where the gap between two is small."""
    merged: list[Run] = []
    for start, count in sorted(runs):
        if merged and start <= merged[-1][0] + merged[-1][1] + gap:
            first, length = merged[-1]
            merged[-1] = first, max(length, start + count - first)
        else:
            merged.append((start, count))
    return merged


def clip(runs: Iterable[Run], within: Iterable[Run]) -> list[Run]:
    """The parts of sorted ``runs`` that lie in sorted ``within``."""
    found: list[Run] = []
    spans = list(within)
    at = 0
    for start, count in runs:
        end = start + count
        while at < len(spans) and spans[at][0] + spans[at][1] <= start:
            at += 1
        index = at
        while index < len(spans) and spans[index][0] < end:
            low = max(start, spans[index][0])
            high = min(end, spans[index][0] + spans[index][1])
            found.append((low, high - low))
            index += 1
    return found


def cut(runs: Iterable[Run], holes: Iterable[Run]) -> list[Run]:
    """The parts of sorted ``runs`` that do not lie in sorted ``holes``."""
    left: list[Run] = []
    without = list(holes)
    for start, count in runs:
        end = start + count
        for first, pages in without:
            if first + pages <= start or first >= end:
                continue
            if start < first:
                left.append((start, first - start))
            start = first + pages
        if start < end:
            left.append((start, end - start))
    return left


def keep_in_file(memory: memoryview, runs: Sequence[Run]) -> PageStore | None:
    """Copy ``runs`` of ``memory`` to a file in memory. None where the host has no such files."""
    fd = memory_file("emuplugin-snapshot")
    if fd is None:
        return None
    store = PageStore(runs, fd=fd)  # closes it, whatever happens
    for start, count in runs:
        part = memory[start << PAGE_SHIFT : (start + count) << PAGE_SHIFT]
        while part:
            part = part[os.write(fd, part) :]
    return store


def keep_as_bytes(memory: memoryview, runs: Sequence[Run]) -> PageStore:
    """Copy ``runs`` of ``memory``."""
    return PageStore(
        runs,
        contents=[
            bytes(memory[start << PAGE_SHIFT : (start + count) << PAGE_SHIFT])
            for start, count in runs
        ],
    )
