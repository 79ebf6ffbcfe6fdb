"""open and its kin (man 2 open, openat2, memfd_create)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ... import linux
from ...table import Errno, syscall
from ..memory import MemoryFile
from ..opening import Opening, open_path
from .arguments import check_flags, start

if TYPE_CHECKING:
    from ...kernel import Kernel

_REFUSALS = (linux.EACCES, linux.EROFS, linux.EPERM, linux.ENXIO)
# Flags that openat2 knows: all of open, without those that mean nothing.
_KNOWN = 0o37777703 & ~0o74 | linux.O_CREAT
_RESOLVE = 0x3F
_MFD_CLOEXEC, _MFD_ALLOW_SEALING, _MFD_HUGETLB, _MFD_NOEXEC_SEAL, _MFD_EXEC = 1, 2, 4, 8, 16


def open_at(
    kernel: Kernel, directory: int, path: str, flags: int, permissions: int, resolve: int = 0
) -> int:
    """Open, and give it a descriptor; waits for the other end of a fifo."""
    begin = start(kernel, directory, path)
    try:
        file, opening = open_path(
            kernel, begin, path, flags, permissions & ~kernel.identity.umask, resolve
        )
    except Errno as error:
        if error.number in _REFUSALS:
            kernel.refused["openat"] += 1
            kernel.report.refused("openat", path)
        elif error.number in (linux.ENOENT, linux.ENOTDIR):
            kernel.report.file(path, "missing")
        raise
    fd = kernel.files.install(file, flags)
    condition = opening.condition
    if condition is None:
        return fd
    return kernel.threads.wait(
        ready=lambda: fd if condition() else None, interrupted=lambda: kernel.files.close(fd)
    )


@syscall(257, "openat")
def openat(kernel: Kernel, directory: int, path: int, flags: int, mode: int) -> int:
    return open_at(kernel, directory, kernel.read_path(path), flags & 0xFFFFFFFF, mode & 0o7777)


@syscall(2, "open")
def open_(kernel: Kernel, path: int, flags: int, mode: int) -> int:
    return openat(kernel, linux.AT_FDCWD, path, flags, mode)


@syscall(85, "creat")
def creat(kernel: Kernel, path: int, mode: int) -> int:
    flags = linux.O_CREAT | linux.O_WRONLY | linux.O_TRUNC
    return openat(kernel, linux.AT_FDCWD, path, flags, mode)


@syscall(437, "openat2")
def openat2(kernel: Kernel, directory: int, path: int, how: int, size: int) -> int:
    if size < 24:
        raise Errno(linux.EINVAL)
    if size > 4096:
        raise Errno(linux.E2BIG)
    data = kernel.read(how, size)
    if any(data[24:]):
        raise Errno(linux.E2BIG)
    flags, mode, resolve = struct.unpack_from("<QQQ", data)
    makes = flags & linux.O_CREAT or flags & linux.O_TMPFILE
    if flags & ~_KNOWN or mode & ~0o7777 or (mode and not makes) or resolve & ~_RESOLVE:
        raise Errno(linux.EINVAL)
    both = linux.RESOLVE_BENEATH | linux.RESOLVE_IN_ROOT
    if resolve & both == both:
        raise Errno(linux.EINVAL)
    if resolve & linux.RESOLVE_CACHED:
        raise Errno(linux.EAGAIN)  # nothing is cached
    name = kernel.read_path(path)
    if resolve & linux.RESOLVE_IN_ROOT:
        begin = kernel.files.directory(directory)
        file, _ = open_path(kernel, begin, name, flags, mode & ~kernel.identity.umask, resolve)
        return kernel.files.install(file, flags)
    return open_at(kernel, directory, name, flags, mode, resolve)


@syscall(319, "memfd_create", "partial", "no huge pages")
def memfd_create(kernel: Kernel, name: int, flags: int) -> int:
    flags = check_flags(flags, _MFD_CLOEXEC | _MFD_ALLOW_SEALING | _MFD_NOEXEC_SEAL | _MFD_EXEC)
    text = kernel.memory.read_string(name, 250)
    if len(text) >= 250:
        raise Errno(linux.EINVAL)
    user = kernel.tree.user
    node = MemoryFile(kernel.tree.anonymous, 0o777, user.uid, user.gid)
    node.links = 0
    sealable = flags & (_MFD_ALLOW_SEALING | _MFD_NOEXEC_SEAL)
    node.seals = 0 if sealable else linux.F_SEAL_SEAL
    label = f"/memfd:{text.decode(errors='surrogateescape')} (deleted)"
    file = node.open(Opening(kernel, linux.O_RDWR, None, label))
    return kernel.files.install(file, linux.O_CLOEXEC if flags & _MFD_CLOEXEC else 0)
