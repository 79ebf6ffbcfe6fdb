"""mmap and its kin (man 2 mmap, mprotect, madvise, mremap, brk)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.cpu.address_space import (
    PAGE_SIZE,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
    NoMemoryError,
)
from emuplugin.cpu.paging import USER_ADDRESS_LIMIT

from . import linux
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

# Where mappings without an address go: upwards from here, away from Go's heap at 0xc000000000.
MMAP_BASE = 0x7F00_0000_0000
MMAP_END = 0x7FFF_0000_0000
_PROT_MASK = PROT_READ | PROT_WRITE | PROT_EXEC


def _rounded(size: int) -> int:
    return (size + PAGE_SIZE - 1) & -PAGE_SIZE


def _place(kernel: Kernel, size: int) -> int:
    """Where a new mapping goes: behind the last one, or into the first gap at the end."""
    space = kernel.space
    at = space.gap(size, kernel.mmap_next, MMAP_END)
    if at is None:
        at = space.gap(size, MMAP_BASE, MMAP_END)
    if at is None:
        raise Errno(linux.ENOMEM)
    kernel.mmap_next = at + size
    return at


@syscall(9, "mmap", "partial", "private and anonymous; files are copied in")
def mmap(kernel: Kernel, at: int, size: int, prot: int, flags: int, fd: int, offset: int) -> int:
    size = _rounded(size)
    if not size or (at & (PAGE_SIZE - 1) and flags & linux.MAP_FIXED):
        raise Errno(linux.EINVAL)
    if size > USER_ADDRESS_LIMIT:
        raise Errno(linux.ENOMEM)
    space, prot = kernel.space, prot & _PROT_MASK
    content = b""
    if not flags & linux.MAP_ANONYMOUS:
        content = kernel.files.mapped_content(signed32(fd), offset, size)
    fixed = flags & (linux.MAP_FIXED | linux.MAP_FIXED_NOREPLACE)
    at &= -PAGE_SIZE
    free = at and at >= PAGE_SIZE and at + size <= USER_ADDRESS_LIMIT
    if fixed:
        if not free:
            raise Errno(linux.ENOMEM if at else linux.EPERM)
        if flags & linux.MAP_FIXED_NOREPLACE and space.overlaps(at, at + size):
            raise Errno(linux.EEXIST)
        if kernel.is_protected(at, at + size):
            raise Errno(linux.EPERM)
    elif not free or space.overlaps(at, at + size):
        at = _place(kernel, size)
    area = space.find(at) if fixed else None
    try:
        if (
            area is not None
            and area.start <= at
            and area.end >= at + size
            and area.physical is None
            and prot == PROT_NONE
        ):
            return at  # a reservation over a reservation
        space.map(at, size, prot)
    except NoMemoryError:
        raise Errno(linux.ENOMEM) from None
    if content:
        if prot == PROT_NONE:
            raise Errno(linux.EACCES)
        kernel.memory.write(at, content)
    return at


@syscall(11, "munmap")
def munmap(kernel: Kernel, at: int, size: int) -> int:
    size = _rounded(size)
    if at & (PAGE_SIZE - 1) or not size or at + size > USER_ADDRESS_LIMIT:
        raise Errno(linux.EINVAL)
    if kernel.is_protected(at, at + size):
        raise Errno(linux.EPERM)
    kernel.space.unmap(at, size)
    return 0


@syscall(10, "mprotect")
def mprotect(kernel: Kernel, at: int, size: int, prot: int) -> int:
    size = _rounded(size)
    if at & (PAGE_SIZE - 1) or prot & ~_PROT_MASK:
        raise Errno(linux.EINVAL)
    if kernel.is_protected(at, at + size):
        raise Errno(linux.EACCES)
    try:
        if size and not kernel.space.protect(at, size, prot):
            raise Errno(linux.ENOMEM)
    except NoMemoryError:
        raise Errno(linux.ENOMEM) from None
    return 0


@syscall(
    28, "madvise", "partial", "MADV_DONTNEED drops pages; other advice is accepted and ignored"
)
def madvise(kernel: Kernel, at: int, size: int, advice: int) -> int:
    size = _rounded(size)
    if at & (PAGE_SIZE - 1) or at + size > USER_ADDRESS_LIMIT:
        raise Errno(linux.EINVAL)
    if advice == linux.MADV_DONTNEED:
        if kernel.is_protected(at, at + size):
            raise Errno(linux.EPERM)
        kernel.space.discard(at, size)
    elif advice not in linux.MADV_ACCEPTED:
        raise Errno(linux.EINVAL)
    return 0


@syscall(27, "mincore", "partial", "every mapped page is reported resident")
def mincore(kernel: Kernel, at: int, size: int, vector: int) -> int:
    size = _rounded(size)
    if at & (PAGE_SIZE - 1):
        raise Errno(linux.EINVAL)
    here = at
    while here < at + size:
        area = kernel.space.find(here)
        if area is None:
            raise Errno(linux.ENOMEM)
        here = area.end
    kernel.write(vector, b"\1" * (size // PAGE_SIZE))
    return 0


@syscall(25, "mremap", "partial", "private memory; a bigger size always moves")
def mremap(kernel: Kernel, at: int, old: int, new: int, flags: int) -> int:
    old, new = _rounded(old), _rounded(new)
    area = kernel.space.find(at)
    if at & (PAGE_SIZE - 1) or not new or not old or flags & linux.MREMAP_FIXED:
        raise Errno(linux.EINVAL)
    if area is None or area.physical is None or at + old > area.end:
        raise Errno(linux.EFAULT)
    if kernel.is_protected(at, at + old):
        raise Errno(linux.EPERM)
    if new <= old:
        if new < old:
            kernel.space.unmap(at + new, old - new)
        return at
    if not flags & linux.MREMAP_MAYMOVE:
        raise Errno(linux.ENOMEM)
    target = _place(kernel, new)
    try:
        kernel.space.map(target, new, area.prot)
    except NoMemoryError:
        raise Errno(linux.ENOMEM) from None
    kernel.memory.write(target, kernel.memory.read(at, old))
    kernel.space.unmap(at, old)
    return target


@syscall(12, "brk", "partial", "the break never moves: allocators fall back to mmap")
def brk(kernel: Kernel, at: int) -> int:
    return kernel.brk
