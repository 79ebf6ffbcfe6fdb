"""epoll (man 7 epoll), level- and edge-triggered, over what :mod:`files` can open."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from . import linux
from .open_file import OpenFile
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_ALWAYS = linux.EPOLLERR | linux.EPOLLHUP
_EVENT_SIZE = 12  # struct epoll_event is packed on x86-64
_MILLISECOND = 1_000_000


class Interest:
    """One registered descriptor. ``seen`` is what an edge-triggered one reported last."""

    __slots__ = ("data", "file", "mask", "seen")

    def __init__(self, file: OpenFile, mask: int, data: int) -> None:
        self.file, self.mask, self.data = file, mask, data
        self.seen = 0


class Epoll(OpenFile):
    """An epoll instance: interests by descriptor."""

    def __init__(self) -> None:
        super().__init__()
        self.interests: dict[int, Interest] = {}

    def collect(self, limit: int) -> bytes:
        """Up to ``limit`` events that hold now, as ``struct epoll_event``."""
        found = []
        for interest in self.interests.values():
            events = interest.file.events() & (interest.mask | _ALWAYS)
            fresh = events & ~interest.seen if interest.mask & linux.EPOLLET else events
            if interest.mask & linux.EPOLLET:
                interest.seen = events
            if fresh:
                found.append(struct.pack("<IQ", events, interest.data))
                if len(found) == limit:
                    break
        return b"".join(found)


@syscall(291, "epoll_create1")
def epoll_create1(kernel: Kernel, flags: int) -> int:
    return kernel.files.install(Epoll(), flags)


def _epoll(kernel: Kernel, fd: int) -> Epoll:
    file = kernel.files.get(fd)
    if not isinstance(file, Epoll):
        raise Errno(linux.EINVAL)
    return file


@syscall(233, "epoll_ctl")
def epoll_ctl(kernel: Kernel, epfd: int, op: int, fd: int, event: int) -> int:
    epoll, file, fd = _epoll(kernel, epfd), kernel.files.get(fd), signed32(fd)
    if file.events() < 0:
        raise Errno(linux.EPERM)
    known = epoll.interests.get(fd)
    if known is not None and known.file is not file:
        known = None
    if signed32(op) == linux.EPOLL_CTL_DEL:
        if known is None:
            raise Errno(linux.ENOENT)
        del epoll.interests[fd]
        return 0
    mask, data = struct.unpack("<IQ", kernel.read(event, _EVENT_SIZE))
    if signed32(op) == linux.EPOLL_CTL_ADD:
        if known is not None:
            raise Errno(linux.EEXIST)
    elif signed32(op) != linux.EPOLL_CTL_MOD:
        raise Errno(linux.EINVAL)
    elif known is None:
        raise Errno(linux.ENOENT)
    epoll.interests[fd] = Interest(file, mask, data)
    return 0


@syscall(281, "epoll_pwait")
def epoll_pwait(
    kernel: Kernel, epfd: int, events: int, count: int, timeout: int, mask: int, size: int
) -> int:
    epoll, limit, milliseconds = _epoll(kernel, epfd), signed32(count), signed32(timeout)
    if limit <= 0:
        raise Errno(linux.EINVAL)
    kernel.check_writable(events, min(limit, 4096) * _EVENT_SIZE)

    def attempt() -> int | None:
        found = epoll.collect(limit)
        if not found:
            return None
        kernel.write(events, found)
        return len(found) // _EVENT_SIZE

    done = attempt()
    if done is not None or milliseconds == 0:
        return done or 0
    deadline = None
    if milliseconds > 0:
        deadline = kernel.clock.monotonic() + milliseconds * _MILLISECOND
    return kernel.threads.wait(deadline=deadline, timeout=0, ready=attempt)


@syscall(232, "epoll_wait")
def epoll_wait(kernel: Kernel, epfd: int, events: int, count: int, timeout: int) -> int:
    return epoll_pwait(kernel, epfd, events, count, timeout, 0, 0)
