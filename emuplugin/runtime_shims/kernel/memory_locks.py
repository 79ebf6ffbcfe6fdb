"""Pages that are to stay in memory, and protection keys (man 2 mlock, mlockall, pkey_mprotect).

Pages of a machine are never paged out, so locking checks its arguments and does nothing. What an
unprivileged process may lock is limited (RLIMIT_MEMLOCK).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.cpu.address_space import PAGE_SIZE

from . import linux, memory
from .table import Errno, refuse, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

#: What Linux lets an ordinary user lock (MLOCK_LIMIT), in bytes.
LOCKABLE = 8 << 20
_ONFAULT = 1  # MLOCK_ONFAULT
_CURRENT, _FUTURE, _ALL_ONFAULT = 1, 2, 4  # MCL_*


def _range(at: int, size: int) -> tuple[int, int]:
    start = at & -PAGE_SIZE
    end = (at + size + PAGE_SIZE - 1) & -PAGE_SIZE
    if end >> 64:
        raise Errno(linux.EINVAL)
    return start, end


def _check_mapped(kernel: Kernel, start: int, end: int) -> None:
    while start < end:
        area = kernel.space.find(start)
        if area is None:
            raise Errno(linux.ENOMEM)
        start = area.end


@syscall(149, "mlock", "partial", "no page is ever paged out: arguments are checked")
def mlock(kernel: Kernel, at: int, size: int) -> int:
    start, end = _range(at, size)
    if end - start > LOCKABLE:
        raise Errno(linux.ENOMEM)
    _check_mapped(kernel, start, end)
    return 0


@syscall(325, "mlock2", "partial", "as mlock")
def mlock2(kernel: Kernel, at: int, size: int, flags: int) -> int:
    if flags & 0xFFFFFFFF & ~_ONFAULT:
        raise Errno(linux.EINVAL)
    return mlock(kernel, at, size)


@syscall(150, "munlock", "partial", "as mlock")
def munlock(kernel: Kernel, at: int, size: int) -> int:
    _check_mapped(kernel, *_range(at, size))
    return 0


@syscall(151, "mlockall", "partial", "ENOMEM for what is mapped: it is more than a user may lock")
def mlockall(kernel: Kernel, flags: int) -> int:
    flags = signed32(flags)
    if not flags or flags & ~(_CURRENT | _FUTURE | _ALL_ONFAULT) or flags == _ALL_ONFAULT:
        raise Errno(linux.EINVAL)
    if flags & _CURRENT:
        raise Errno(linux.ENOMEM)
    return 0


@syscall(152, "munlockall")
def munlockall(kernel: Kernel) -> int:
    return 0


@syscall(329, "pkey_mprotect", "partial", "without a key, as mprotect; there are no keys")
def pkey_mprotect(kernel: Kernel, at: int, size: int, prot: int, key: int) -> int:
    if signed32(key) != -1:
        raise Errno(linux.EINVAL)
    return memory.mprotect(kernel, at, size, prot)


refuse(216, "remap_file_pages", linux.EINVAL, "no file is mapped shared and writable that way")
