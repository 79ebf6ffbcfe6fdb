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
import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from emuplugin.cpu.host_pages import PAGE_SHIFT, PAGE_SIZE
from emuplugin.cpu.page_store import PageStore, Run
from emuplugin.cpu.physical import PhysicalMemory
from emuplugin.elf.digest import new_digest

MAGIC = b"emuplugin machine 1\n"
_HEAD = len(MAGIC) + 90
_CHUNK = 1 << 20


class BadEntryError(Exception):
    """The file is not what an entry is."""


def copies(memory: PhysicalMemory) -> list[tuple[Run, bytes]]:
    """All runs of pages that are not zero, as they are now."""
    found = []
    for start, count in memory.used():
        part = memory.bytes[start << PAGE_SHIFT : (start + count) << PAGE_SHIFT]
        found.append(((start, count), part.tobytes()))
    return found


def write(
    file: BinaryIO, description: Mapping[str, Any], pages: Sequence[tuple[Run, bytes]]
) -> None:
    """Write an entry to a new file."""
    digest = new_digest()
    for _, part in pages:
        digest.update(part)
    whole = {**description, "runs": [run for run, _ in pages], "pages": digest.hexdigest()}
    text = json.dumps(whole, separators=(",", ":")).encode()
    file.write(MAGIC + f"{len(text)} {new_digest(text).hexdigest()}\n".encode() + text)
    file.write(bytes(-file.tell() % PAGE_SIZE))
    for _, part in pages:
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
