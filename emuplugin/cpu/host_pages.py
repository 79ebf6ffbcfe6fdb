"""Pages of the host: views of files put in place of memory, and which pages of memory were touched.

Linux only; elsewhere, and where the host forbids it (a hardened process without /proc, say),
:func:`is_supported` is false or the answer is None, and :mod:`page_store` copies instead.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

PAGE_SIZE = 4096
PAGE_SHIFT = 12

# Linux, asm-generic/mman-common.h and mman.h; Python 3.11 does not name them all.
_MAP_FIXED, _MAP_NORESERVE = 0x10, 0x4000
# Linux, prctl.h.
_PR_SET_THP_DISABLE, _PR_GET_THP_DISABLE = 41, 42
# Documentation/admin-guide/mm/pagemap.rst: bit 61 of an entry says that the page is a file's, 62
# that it is swapped out, 63 that it is present. Here they are bits of an entry's highest byte.
_ENTRY = 8
_AT_ONCE = 1 << 17
_FILE, _SWAPPED, _PRESENT = 0x20, 0x40, 0x80
_OWN = bytes(bool(byte & (_SWAPPED | _PRESENT)) and not byte & _FILE for byte in range(256))
_RUN = re.compile(rb"\x01+")


def is_supported() -> bool:
    """Whether memory can be replaced in place by private views of files."""
    return sys.platform == "linux" and mmap.PAGESIZE == PAGE_SIZE


def map_file(address: int, size: int, fd: int, offset: int) -> None:
    """Put a private view of a file in place of the memory at ``address``: what is written there
    stays out of the file. Raises OSError."""
    _map(address, size, mmap.MAP_PRIVATE | _MAP_FIXED | _MAP_NORESERVE, fd, offset)


def map_zeros(address: int, size: int) -> None:
    """Put fresh memory in place of whatever is at ``address``. Raises OSError."""
    _map(address, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED | _MAP_NORESERVE, -1, 0)


def _map(address: int, size: int, flags: int, fd: int, offset: int) -> None:
    got = _libc().mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, offset)
    if got != address:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def same(address: int, other: int, size: int) -> bool:
    """Whether ``size`` bytes of this process at two addresses are the same."""
    return not _libc().memcmp(address, other, size)


def address_of(view: memoryview) -> int:
    """Where the bytes begin that a view of all of them shows."""
    whole = view.obj
    if isinstance(whole, bytes):
        return ctypes.cast(ctypes.c_char_p(whole), ctypes.c_void_p).value or 0
    return ctypes.addressof(ctypes.c_char.from_buffer(whole))


def leave_size_alone() -> None:
    """From now on :func:`small_pages` does nothing, in a process that may not ask for it."""
    _sized.clear()


# Whether pages may be asked for by size: something, or nothing.
_sized = ["by size"]


@contextmanager
def small_pages() -> Iterator[None]:
    """Within this, memory that is touched for the first time is no large page, even where that was
    asked for: neither need its 2 MB be there, nor need they be cleared. For the whole process."""
    if sys.platform != "linux" or not _sized or _libc().prctl(_PR_GET_THP_DISABLE, 0, 0, 0, 0):
        yield
        return
    _libc().prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
    try:
        yield
    finally:
        _libc().prctl(_PR_SET_THP_DISABLE, 0, 0, 0, 0)


def memory_file(name: str) -> int | None:
    """The descriptor of a new file that is nowhere but in memory; None where there is none."""
    try:
        return os.memfd_create(name, os.MFD_CLOEXEC)
    except (AttributeError, OSError):
        return None


class Pagemap:
    """Which pages of this process are its own: written to, and not (no longer) those of a file."""

    def __init__(self) -> None:
        """Raises OSError where the host does not tell."""
        self._fd = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Pagemap:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def own(self, address: int, pages: int) -> Iterator[tuple[int, int]]:
        """Runs of own pages in the ``pages`` at ``address``: index of the first, and how many."""
        start = address >> PAGE_SHIFT
        done = 0
        while done < pages:
            entries = os.pread(
                self._fd, min(pages - done, _AT_ONCE) * _ENTRY, (start + done) * _ENTRY
            )
            if not entries:
                raise OSError("the host's page map ends early")
            flags = entries[_ENTRY - 1 :: _ENTRY].translate(_OWN)
            for run in _RUN.finditer(flags):
                yield done + run.start(), run.end() - run.start()
            done += len(flags)


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_ssize_t
    libc.mmap.argtypes = (
        ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64,
    )  # fmt: skip
    libc.memcmp.argtypes = ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t
    _ = libc.prctl if sys.platform == "linux" else None  # looked for once, as those above are
    return libc


if is_supported():
    _libc()  # when this is imported: it takes longer than what is done with it
