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
from .fs.coherence import Mapping
from .fs.regular import PathFile, RegularFile
from .presence import make_present
from .table import Errno, signed, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

# Where mappings without an address go: upwards from here, away from Go's heap at 0xc000000000.
MMAP_BASE = 0x7F00_0000_0000
MMAP_END = 0x7FFF_0000_0000
_PROT_MASK = PROT_READ | PROT_WRITE | PROT_EXEC
# vm.max_map_count: areas of one process.
_MAX_AREAS = 65530


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


def _file_mapping(kernel: Kernel, fd: int, prot: int, flags: int, offset: int) -> Mapping:
    """What a mapping of a file is to show; its place is set later."""
    file = kernel.files.get(fd)
    if isinstance(file, PathFile):
        raise Errno(linux.EBADF)
    kind = flags & linux.MAP_TYPE
    if kind not in (linux.MAP_SHARED, linux.MAP_PRIVATE, linux.MAP_SHARED_VALIDATE):
        raise Errno(linux.EINVAL)
    shared = kind != linux.MAP_PRIVATE
    readable = file.flags & linux.O_ACCMODE in (linux.O_RDONLY, linux.O_RDWR)
    may_write = file.flags & linux.O_ACCMODE == linux.O_RDWR
    if not readable or (shared and prot & PROT_WRITE and not may_write):
        raise Errno(linux.EACCES)
    if not isinstance(file, RegularFile):
        raise Errno(linux.ENODEV)
    written = bool(shared and prot & PROT_WRITE)
    if written and (file.node.seals or 0) & (linux.F_SEAL_WRITE | linux.F_SEAL_FUTURE_WRITE):
        raise Errno(linux.EPERM)
    return Mapping(0, 0, file.node, offset, shared, may_write, written)


@syscall(
    9,
    "mmap",
    "partial",
    "files are copied in and kept the same as the file; zeros behind its end, no SIGBUS",
)
def mmap(kernel: Kernel, at: int, size: int, prot: int, flags: int, fd: int, offset: int) -> int:
    size = _rounded(size)
    if not size or (at & (PAGE_SIZE - 1) and flags & linux.MAP_FIXED):
        raise Errno(linux.EINVAL)
    if size > USER_ADDRESS_LIMIT:
        raise Errno(linux.ENOMEM)
    space, prot = kernel.space, prot & _PROT_MASK
    if len(space) >= _MAX_AREAS:
        raise Errno(linux.ENOMEM)
    mapping, name = None, ""
    if not flags & linux.MAP_ANONYMOUS:
        if offset & (PAGE_SIZE - 1) or signed(offset) < 0:
            raise Errno(linux.EINVAL)
        if kernel.files.get(fd).stat().rdev != linux.DEV_ZERO:
            mapping = _file_mapping(kernel, fd, prot, flags, offset)
            name = kernel.files.get(fd).describe()
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
        if fixed:
            kernel.mappings.cut(at, size)
        if mapping is None:
            space.map(at, size, prot)
            return at
        # Memory without access would be nowhere, and the content must be somewhere.
        space.map(at, size, prot or PROT_READ, name)
        mapping.start, mapping.end = at, at + size
        kernel.mappings.add(mapping)
        if prot == PROT_NONE:
            space.protect(at, size, prot)
    except NoMemoryError:
        raise Errno(linux.ENOMEM) from None
    return at


@syscall(11, "munmap")
def munmap(kernel: Kernel, at: int, size: int) -> int:
    size = _rounded(size)
    if at & (PAGE_SIZE - 1) or not size or at + size > USER_ADDRESS_LIMIT:
        raise Errno(linux.EINVAL)
    if kernel.is_protected(at, at + size):
        raise Errno(linux.EPERM)
    kernel.mappings.cut(at, size)
    kernel.space.unmap(at, size)
    return 0


@syscall(10, "mprotect")
def mprotect(kernel: Kernel, at: int, size: int, prot: int) -> int:
    size = _rounded(size)
    if at & (PAGE_SIZE - 1) or prot & ~_PROT_MASK:
        raise Errno(linux.EINVAL)
    if kernel.is_protected(at, at + size):
        raise Errno(linux.EACCES)
    if not kernel.mappings.may_protect(at, size, prot):
        raise Errno(linux.EACCES)
    if len(kernel.space) >= _MAX_AREAS:
        raise Errno(linux.ENOMEM)
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
        kernel.mappings.sync(at, size)
        kernel.space.discard(at, size)
        kernel.mappings.refill(at, size)
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


@syscall(26, "msync", "full", "also without it, other system calls see what was written")
def msync(kernel: Kernel, at: int, size: int, flags: int) -> int:
    size, flags = _rounded(size), flags & 0xFFFFFFFF
    both = linux.MS_ASYNC | linux.MS_SYNC
    if at & (PAGE_SIZE - 1) or flags & ~(both | linux.MS_INVALIDATE) or flags & both == both:
        raise Errno(linux.EINVAL)
    here = at
    while here < at + size:
        area = kernel.space.find(here)
        if area is None:
            raise Errno(linux.ENOMEM)
        here = area.end
    kernel.mappings.sync(at, size)
    return 0


@syscall(25, "mremap", "partial", "a bigger size always moves")
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
            kernel.mappings.cut(at + new, old - new)
            kernel.space.unmap(at + new, old - new)
        return at
    if not flags & linux.MREMAP_MAYMOVE:
        raise Errno(linux.ENOMEM)
    target = _place(kernel, new)
    try:
        kernel.space.map(target, new, area.prot)
        make_present(kernel.space, target, old)
    except NoMemoryError:
        kernel.space.unmap(target, new)
        raise Errno(linux.ENOMEM) from None
    mapping = kernel.mappings.moving(at, old)
    if mapping is not None:
        # A file: more of it, too. What a private mapping has changed is copied over below.
        kernel.mappings.moved(mapping, at, target, new)
    if mapping is None or not mapping.shared:
        kernel.memory.write(target, kernel.memory.read(at, old))
    kernel.mappings.cut(at, old)
    kernel.space.unmap(at, old)
    return target


@syscall(12, "brk", "partial", "the break never moves: allocators fall back to mmap")
def brk(kernel: Kernel, at: int) -> int:
    return kernel.brk
