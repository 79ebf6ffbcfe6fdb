"""Memory of this process alone."""

from __future__ import annotations

import mmap
import sys

# Linux, asm-generic/mman.h; Python 3.11 does not name it. Without it the kernel refuses spans that
# are larger than what the host has, though only touched pages cost memory.
_MAP_NORESERVE = 0x4000


def private_memory(size: int) -> mmap.mmap:
    """``size`` zeroed bytes that cost what is touched of them, and are no other process's after a
    fork. Raises OSError."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    if sys.platform == "linux":
        flags |= _MAP_NORESERVE
    return mmap.mmap(-1, size, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)
