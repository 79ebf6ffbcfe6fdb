"""One file of the cache: what a machine was after its plugin was opened.

    emuplugin machine 1\n
    LENGTH DIGEST\n          of the description, in decimal and hexadecimal digits
    DESCRIPTION              JSON: see emuplugin.snapshots.saved; "runs" are [first page, pages]
    zeros                    up to a multiple of 4096 bytes
    PAGES                    of each run of guest memory, one behind the other

The description holds ``pages``, the digest of all pages (see emuplugin.elf.digest). A file that is
anything else is no entry.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from operator import itemgetter
from typing import Any, BinaryIO, NamedTuple

from emuplugin.cpu.host_pages import (
    PAGE_SHIFT,
    PAGE_SIZE,
    address_of,
    is_supported,
    memory_file,
    same,
)
from emuplugin.cpu.page_store import PageStore, Run
from emuplugin.cpu.physical import PhysicalMemory
from emuplugin.elf.digest import new_digest

MAGIC = b"emuplugin machine 1\n"
_HEAD = len(MAGIC) + 90
_CHUNK = 1 << 20
# How much is looked at together, whether it has changed.
_PART = 1 << 16
# Linux, limits.h: UIO_MAXIOV.
_AT_ONCE = 1024


class BadEntryError(Exception):
    """The file is not what an entry is."""


class Pages(NamedTuple):
    """Runs of pages of a guest's memory, and their content, in as many parts as it takes."""

    runs: list[Run]
    parts: list[memoryview]


class Known(NamedTuple):
    """What may lie at a guest-physical address: bytes ``first`` to ``last`` of a whole that never
    changes."""

    address: int
    whole: memoryview
    first: int
    last: int


def copies(memory: PhysicalMemory, contents: Iterable[Known] = ()) -> Pages:
    """All runs of pages that are not zero, as they are now. Where one of ``contents``, which lie
    apart, is still there they are no copies; it is most of a plugin."""
    pages = Pages(memory.used(), [])
    known = sorted(contents, key=itemgetter(0))
    changing: list[int] = []
    for start, count in pages.runs:
        at, end = start << PAGE_SHIFT, (start + count) << PAGE_SHIFT
        while at < end:
            to, there = _next(memory, at, end, known)
            if there is None:
                changing.append(len(pages.parts))
                there = memory.bytes[at:to]
            pages.parts.append(there)
            at = to
    for number, copy in zip(changing, _copied([pages.parts[n] for n in changing]), strict=True):
        pages.parts[number] = copy
    return pages


def _copied(parts: list[memoryview]) -> list[memoryview]:
    """Copies, where the host can in a file in memory: to fill that takes half the time."""
    if hasattr(os, "writev"):
        with suppress(OSError):
            return _copied_to_file(parts)
    return [memoryview(part.tobytes()) for part in parts]


def _copied_to_file(parts: list[memoryview]) -> list[memoryview]:
    """Raises OSError where that cannot be."""
    fd = memory_file("emuplugin-cache")
    if fd is None:
        raise OSError("no files in memory")
    with open(fd, "wb"):
        size = sum(map(len, parts))
        for first in range(0, len(parts), _AT_ONCE):
            some = parts[first : first + _AT_ONCE]
            if os.writev(fd, some) < sum(map(len, some)):
                raise OSError("not all was written")
        whole = memoryview(mmap.mmap(fd, size, prot=mmap.PROT_READ)) if size else memoryview(b"")
    ends = list(accumulate(map(len, parts)))
    return [whole[end - len(part) : end] for end, part in zip(ends, parts, strict=True)]


def _next(
    memory: PhysicalMemory, at: int, end: int, known: Sequence[Known]
) -> tuple[int, memoryview | None]:
    """Up to where the next part reaches, and what is there, if it is known."""
    for address, whole, first, last in known:
        stop = min(address + last - first, end)
        if at < address:
            return min(address, end), None
        if at < stop:
            to = min(at + _PART, stop)
            begin = first + at - address
            there = memory.pointer + at
            if is_supported() and same(there, address_of(whole) + begin, to - at):
                return to, whole[begin : begin + to - at]
            return to, None
    return end, None


def write(file: BinaryIO, description: Mapping[str, Any], pages: Pages) -> None:
    """Write an entry to a new file."""
    digest = new_digest()
    for part in pages.parts:
        digest.update(part)
    whole = {**description, "runs": pages.runs, "pages": digest.hexdigest()}
    text = json.dumps(whole, separators=(",", ":")).encode()
    file.write(MAGIC + f"{len(text)} {new_digest(text).hexdigest()}\n".encode() + text)
    file.write(bytes(-file.tell() % PAGE_SIZE))
    for part in pages.parts:
        file.write(part)


def read(fd: int) -> tuple[dict[str, Any], PageStore]:
    """The description and the pages of an entry; the pages were not looked at. Raises
    BadEntryError and OSError. The store owns the descriptor from then on."""
    head = os.pread(fd, _HEAD, 0)
    if not head.startswith(MAGIC):
        raise BadEntryError("it does not begin as an entry does")
    line, end, _ = head[len(MAGIC) :].partition(b"\n")
    length, _, expected = line.partition(b" ")
    if not end or not length.isdigit() or int(length) > os.fstat(fd).st_size:
        raise BadEntryError("its second line is none")
    start = len(MAGIC) + len(line) + 1
    text = os.pread(fd, int(length), start)
    if new_digest(text).hexdigest().encode() != expected:
        raise BadEntryError("its description is damaged")
    try:
        description = json.loads(text)
        runs = [(int(first), int(count)) for first, count in description.pop("runs")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadEntryError("its description is no description") from error
    offset = -(-(start + int(length)) // PAGE_SIZE) * PAGE_SIZE
    size = sum(count for _, count in runs) << PAGE_SHIFT
    if os.fstat(fd).st_size != offset + size:
        raise BadEntryError("it has another length")
    return description, PageStore(runs, fd=fd, offset=offset)


def check_pages(description: Mapping[str, Any], store: PageStore) -> None:
    """Look at the pages, too. Raises BadEntryError."""
    assert store.fd is not None
    digest, at = new_digest(), store.offset
    while part := os.pread(store.fd, _CHUNK, at):
        digest.update(part)
        at += len(part)
    if digest.hexdigest() != description.get("pages"):
        raise BadEntryError("its pages are damaged")
