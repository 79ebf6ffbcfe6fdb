"""poll and select (man 2 poll, select)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import linux
from .blocking import attempt_until
from .clock import SECOND, timespec
from .epoll import polled
from .signal_calls import own_mask
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_POLLNVAL = 0x20
_POLLPRI = 2
_ALWAYS = linux.EPOLLERR | linux.EPOLLHUP
_POLLFD = struct.Struct("<ihH")
_MILLISECOND = 1_000_000
# What select calls readable, writable, exceptional (fs/select.c: POLLIN_SET, ...).
_SELECTED = (
    linux.EPOLLIN | linux.EPOLLHUP | linux.EPOLLERR,
    linux.EPOLLOUT | linux.EPOLLERR,
    _POLLPRI,
)
_SET_MAX = 1 << 16


def _events(kernel: Kernel, fd: int) -> int | None:
    """What holds for a descriptor, None if there is none. Files that nobody waits for are always
    ready."""
    file = kernel.files.table.get(fd)
    if file is None:
        return None
    events = file.events()
    return polled(events if events >= 0 else linux.EPOLLIN | linux.EPOLLOUT)


def _until(kernel: Kernel, attempt: Callable[[], int | None], nanoseconds: int | None) -> int:
    """Attempt for so long; None for ever."""
    if nanoseconds == 0:
        return attempt() or 0
    deadline = None if nanoseconds is None else kernel.clock.monotonic() + nanoseconds
    return attempt_until(kernel, attempt, deadline=deadline, timeout=0)


def _poll(kernel: Kernel, at: int, count: int, nanoseconds: int | None) -> int:
    count &= 0xFFFFFFFF
    if count > kernel.sandbox.limits.open_files:
        raise Errno(linux.EINVAL)
    size = count * _POLLFD.size
    asked = list(_POLLFD.iter_unpack(kernel.read(at, size))) if count else []

    def attempt() -> int | None:
        kernel.network.poll()
        found = 0
        answers = bytearray()
        for fd, wanted, _ in asked:
            got = 0
            if fd >= 0:
                events = _events(kernel, fd)
                got = _POLLNVAL if events is None else events & (wanted & 0xFFFF | _ALWAYS)
            found += bool(got)
            answers += _POLLFD.pack(fd, wanted, got)
        if found:
            kernel.write(at, bytes(answers))
        return found or None

    if count:
        # What a timeout leaves behind.
        kernel.write(at, b"".join(_POLLFD.pack(fd, wanted, 0) for fd, wanted, _ in asked))
    return _until(kernel, attempt, nanoseconds)


@syscall(7, "poll")
def poll(kernel: Kernel, at: int, count: int, timeout: int) -> int:
    milliseconds = signed32(timeout)
    return _poll(kernel, at, count, None if milliseconds < 0 else milliseconds * _MILLISECOND)


@syscall(271, "ppoll")
def ppoll(kernel: Kernel, at: int, count: int, timeout: int, mask: int, size: int) -> int:
    nanoseconds = timespec(kernel, timeout) if timeout else None
    with own_mask(kernel, mask, size):
        return _poll(kernel, at, count, nanoseconds)


def _select(kernel: Kernel, count: int, sets: tuple[int, ...], nanoseconds: int | None) -> int:
    number = signed32(count)
    if number < 0:
        raise Errno(linux.EINVAL)
    size = min((number + 63) // 64 * 8, _SET_MAX)
    asked = [int.from_bytes(kernel.read(at, size), "little") if at else 0 for at in sets]
    asked = [bits & ((1 << number) - 1) for bits in asked]
    wanted = [fd for fd in range(number) if any(bits >> fd & 1 for bits in asked)]

    def attempt() -> int | None:
        kernel.network.poll()
        found, total = [0, 0, 0], 0
        for fd in wanted:
            events = _events(kernel, fd)
            if events is None:
                raise Errno(linux.EBADF)
            for index, mask in enumerate(_SELECTED):
                if asked[index] >> fd & 1 and events & mask:
                    found[index] |= 1 << fd
                    total += 1
        if total:
            write(found)
        return total or None

    def write(found: list[int]) -> None:
        for at, bits in zip(sets, found, strict=True):
            if at:
                kernel.write(at, bits.to_bytes(size, "little"))

    done = attempt()
    if done is not None:
        return done
    write([0, 0, 0])
    return _until(kernel, attempt, nanoseconds)


@syscall(23, "select", "partial", "the time that is left is not written back")
def select(kernel: Kernel, count: int, reads: int, writes: int, others: int, timeout: int) -> int:
    nanoseconds = None
    if timeout:
        seconds, microseconds = kernel.read_i64(timeout), kernel.read_i64(timeout + 8)
        if seconds < 0 or microseconds < 0:
            raise Errno(linux.EINVAL)
        nanoseconds = seconds * SECOND + microseconds * 1000
    return _select(kernel, count, (reads, writes, others), nanoseconds)


@syscall(270, "pselect6", "partial", "the time that is left is not written back")
def pselect6(
    kernel: Kernel, count: int, reads: int, writes: int, others: int, timeout: int, mask: int
) -> int:
    nanoseconds = timespec(kernel, timeout) if timeout else None
    signals, size = (kernel.read_u64(mask), kernel.read_u64(mask + 8)) if mask else (0, 0)
    with own_mask(kernel, signals, size):
        return _select(kernel, count, (reads, writes, others), nanoseconds)
