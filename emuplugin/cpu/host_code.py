"""Memory of the host process that holds machine code of ours.

Only for hosts with an x86-64 processor; see :mod:`counting_code` for what the code does.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import weakref
from functools import cache

_X86_64 = frozenset({"x86_64", "AMD64", "amd64"})
# Windows, winnt.h.
_MEM_COMMIT_RESERVE, _MEM_RELEASE = 0x3000, 0x8000
_PAGE_READWRITE, _PAGE_EXECUTE_READ = 0x04, 0x20
# Where the host is asked for memory that is to be near an address: so far below or above it.
_STEP, _REACH = 1 << 25, 1 << 30


class HostCodeError(Exception):
    """The host gives no memory that can hold code."""


@cache
def is_supported() -> bool:
    """Whether machine code for x86-64 runs on this host."""
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_ARCHITECTURE") in _X86_64
    return os.uname().machine in _X86_64


class HostCode:
    """``size`` bytes of which those from ``writable`` on become code with :meth:`seal`; the ones
    before stay data. ``near`` is an address that the memory must be within a gigabyte of; None if
    it may be anywhere."""

    def __init__(self, size: int, writable: int, near: int | None) -> None:
        self._size, self._writable = size, writable
        self.address = _allocate(size, near)
        # Also for whoever forgets to close it: engines are collected like any object.
        self._free = weakref.finalize(self, _release, self.address, size)
        self._free.atexit = False  # a thread may still run it then

    @property
    def code(self) -> int:
        """Where the code begins."""
        return self.address + self._writable

    def seal(self) -> None:
        """Make the code executable and no longer writable."""
        start, size = self.address + self._writable, self._size - self._writable
        if sys.platform == "win32":
            old = ctypes.c_ulong()
            done = ctypes.windll.kernel32.VirtualProtect(
                ctypes.c_void_p(start), ctypes.c_size_t(size), _PAGE_EXECUTE_READ, ctypes.byref(old)
            )
        else:
            access = ctypes.c_int(mmap.PROT_READ | mmap.PROT_EXEC)
            done = not _libc().mprotect(ctypes.c_void_p(start), ctypes.c_size_t(size), access)
        if not done:
            self.close()
            raise HostCodeError("the host allows no code of ours")

    def close(self) -> None:
        """Give the memory back. None of the code may run afterwards."""
        self._free()


def placed(content: bytes) -> HostCode:
    """Code that works anywhere and has no data of its own, ready to run. Raises HostCodeError where
    the host runs no code of ours."""
    if not is_supported():
        raise HostCodeError("the host's processor is not x86-64")
    memory = HostCode(len(content), 0, None)
    ctypes.memmove(memory.code, content, len(content))
    memory.seal()
    return memory


def _allocate(size: int, near: int | None) -> int:
    if near is None:
        address = _reserve(size, 0)
        if address:
            return address
        raise HostCodeError("the host gives no memory")
    middle = near & -_STEP
    for distance in range(_STEP, _REACH, _STEP):
        for wanted in (middle - distance, middle + distance):
            address = _reserve(size, max(wanted, 0))
            if address and abs(address - near) < _REACH:
                return address
            if address:
                _release(address, size)
    raise HostCodeError("the host gives no memory near the translations")


def _reserve(size: int, wanted: int) -> int:
    """Writable memory, at ``wanted`` where that is not 0 and free; 0 where there is none."""
    if sys.platform == "win32":
        allocate = ctypes.windll.kernel32.VirtualAlloc
        allocate.restype = ctypes.c_size_t
        result: int = allocate(
            ctypes.c_void_p(wanted), ctypes.c_size_t(size), _MEM_COMMIT_RESERVE, _PAGE_READWRITE
        )
        return result
    map_memory = _libc().mmap
    map_memory.restype = ctypes.c_ssize_t
    got: int = map_memory(
        ctypes.c_void_p(wanted),
        ctypes.c_size_t(size),
        ctypes.c_int(mmap.PROT_READ | mmap.PROT_WRITE),
        ctypes.c_int(mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS),
        ctypes.c_int(-1),
        ctypes.c_int64(0),
    )
    return max(got, 0)


def _release(address: int, size: int) -> None:
    if sys.platform == "win32":
        ctypes.windll.kernel32.VirtualFree(ctypes.c_void_p(address), 0, _MEM_RELEASE)
    else:
        _libc().munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
