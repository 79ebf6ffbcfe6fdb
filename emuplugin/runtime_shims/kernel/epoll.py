"""epoll (man 7 epoll), level- and edge-triggered, over whatever has events.

Edges come from the counters ``input_edges`` and ``output_edges`` of open files: new data are a new
edge, even where older data still lie there. Files that do not count have an edge when an event
begins to hold.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import linux
from .blocking import attempt_until
from .clock import timespec
from .open_file import OpenFile
from .signal_calls import own_mask
from .state import KNOWN, WHOLE, mapped, optional, pair, reference, state
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_IN = linux.EPOLLIN | 0x40 | linux.EPOLLRDHUP  # EPOLLRDNORM
_OUT = linux.EPOLLOUT | 0x100  # EPOLLWRNORM
_ALWAYS = linux.EPOLLERR | linux.EPOLLHUP
_EPOLLONESHOT, _EPOLLWAKEUP, _EPOLLEXCLUSIVE = 1 << 30, 1 << 29, 1 << 28
_SETTINGS = linux.EPOLLET | _EPOLLONESHOT | _EPOLLWAKEUP | _EPOLLEXCLUSIVE
_EXCLUSIVE_MAY = _IN | _OUT | _ALWAYS | _EPOLLWAKEUP | linux.EPOLLET | _EPOLLEXCLUSIVE
_EVENT_SIZE = 12  # struct epoll_event is packed on x86-64
_EVENTS_MAX = 0x7FFFFFFF // _EVENT_SIZE
_MILLISECOND = 1_000_000
_NESTS_MAX = 4


def polled(events: int) -> int:
    """Events with their other names, EPOLLRDNORM and EPOLLWRNORM."""
    if events & linux.EPOLLIN:
        events |= 0x40
    return events | 0x100 if events & linux.EPOLLOUT else events


@state(
    file=reference(OpenFile), mask=WHOLE, data=WHOLE,
    seen=WHOLE, input_edges=WHOLE, output_edges=WHOLE,
)  # fmt: skip
class Interest:
    """One registered descriptor. ``seen`` and the edges are those of the last report; a new or
    changed interest reports what holds already."""

    __slots__ = ("data", "file", "input_edges", "mask", "output_edges", "seen")

    def __init__(self, file: OpenFile, mask: int, data: int) -> None:
        self.file, self.mask, self.data = file, mask, data
        self.seen = 0
        self.input_edges = self.output_edges = -1

    def now(self) -> int:
        """What there is to report."""
        mask = self.mask
        if not mask & ~_SETTINGS:
            return 0  # EPOLLONESHOT, and it was reported
        file = self.file
        events = polled(file.events()) & (mask | _ALWAYS)
        if not mask & linux.EPOLLET or not events:
            return events
        edge = file.input_edges != self.input_edges and mask & _IN
        edge = edge or (file.output_edges != self.output_edges and mask & _OUT)
        return events if edge or events & ~self.seen else 0

    def remember(self, events: int) -> None:
        """What holds now was looked at."""
        if self.mask & linux.EPOLLET:
            self.seen = polled(self.file.events()) & (self.mask | _ALWAYS)
            self.input_edges = self.file.input_edges
            self.output_edges = self.file.output_edges
        if events and self.mask & _EPOLLONESHOT:
            self.mask &= _SETTINGS


@state(interests=mapped(pair(WHOLE, reference(OpenFile)), reference(Interest)))
class Epoll(OpenFile):
    """An epoll instance: interests by descriptor and file."""

    mode = 0o600

    def __init__(self) -> None:
        super().__init__()
        self.interests: dict[tuple[int, OpenFile], Interest] = {}

    def collect(self, limit: int) -> list[tuple[int, int]]:
        """Up to ``limit`` pairs of events and data that are to be reported now."""
        found: list[tuple[int, int]] = []
        reported = []
        for key, interest in tuple(self.interests.items()):
            if not interest.file.users:  # closed, and no duplicate is left
                del self.interests[key]
                continue
            events = interest.now()
            interest.remember(events)
            if events:
                found.append((events, interest.data))
                reported.append(key)
                if len(found) == limit:
                    break
        if len(found) == limit:
            # Who was reported queues behind those who were not.
            for key in reported:
                self.interests[key] = self.interests.pop(key)
        return found

    def events(self) -> int:
        for interest in self.interests.values():
            if interest.file.users and interest.now():
                return linux.EPOLLIN
        return 0

    @property
    def input_edges(self) -> int:  # type: ignore[override]
        return sum(i.file.input_edges + i.file.output_edges for i in self.interests.values())

    def watches(self, other: OpenFile, depth: int = 0) -> bool:
        """Whether ``other`` is watched by this one, or by those that it watches; also true if
        they are nested too deeply to tell."""
        if depth > _NESTS_MAX:
            return True
        return any(
            file is other or (isinstance(file, Epoll) and file.watches(other, depth + 1))
            for _, file in self.interests
        )

    def closed(self) -> None:
        self.interests.clear()


@syscall(291, "epoll_create1")
def epoll_create1(kernel: Kernel, flags: int) -> int:
    if flags & 0xFFFFFFFF & ~linux.O_CLOEXEC:
        raise Errno(linux.EINVAL)
    return kernel.files.install(Epoll(), flags)


@syscall(213, "epoll_create")
def epoll_create(kernel: Kernel, size: int) -> int:
    if signed32(size) <= 0:
        raise Errno(linux.EINVAL)
    return epoll_create1(kernel, 0)


def _epoll(kernel: Kernel, fd: int) -> Epoll:
    file = kernel.files.get(fd)
    if not isinstance(file, Epoll):
        raise Errno(linux.EINVAL)
    return file


@syscall(233, "epoll_ctl")
def epoll_ctl(kernel: Kernel, epfd: int, op: int, fd: int, event: int) -> int:
    op, fd = signed32(op), signed32(fd)
    mask = data = 0
    if op != linux.EPOLL_CTL_DEL:
        mask, data = struct.unpack("<IQ", kernel.read(event, _EVENT_SIZE))
    outer, file = kernel.files.get(epfd), kernel.files.get(fd)
    if file.events() < 0:
        raise Errno(linux.EPERM)
    if file is outer or not isinstance(outer, Epoll):
        raise Errno(linux.EINVAL)
    key = fd, file
    known = outer.interests.get(key)
    if op == linux.EPOLL_CTL_ADD:
        _check_new(outer, file, mask)
        if known is not None:
            raise Errno(linux.EEXIST)
        outer.interests[key] = Interest(file, mask, data)
    elif op not in (linux.EPOLL_CTL_DEL, linux.EPOLL_CTL_MOD):
        raise Errno(linux.EINVAL)
    elif known is None:
        raise Errno(linux.ENOENT)
    elif op == linux.EPOLL_CTL_DEL:
        del outer.interests[key]
    else:
        if (known.mask | mask) & _EPOLLEXCLUSIVE:
            raise Errno(linux.EINVAL)
        outer.interests[key] = Interest(file, mask, data)
    return 0


def _check_new(outer: Epoll, file: OpenFile, mask: int) -> None:
    nested = isinstance(file, Epoll)
    if mask & _EPOLLEXCLUSIVE and (mask & ~_EXCLUSIVE_MAY or nested):
        raise Errno(linux.EINVAL)
    if isinstance(file, Epoll) and (file.watches(outer) or _depth(file) > _NESTS_MAX):
        raise Errno(linux.ELOOP)


def _depth(epoll: Epoll) -> int:
    """How many instances are nested below one, itself included."""
    inner = (_depth(file) for _, file in epoll.interests if isinstance(file, Epoll))
    return 1 + max(inner, default=0)


@state(kernel=KNOWN, epoll=reference(Epoll), events=WHOLE, limit=WHOLE, deadline=optional(WHOLE))
@dataclass(slots=True, eq=False)
class Collecting:
    """A call of epoll_wait: what it reports now, None if it has to wait for that."""

    kernel: Kernel
    epoll: Epoll
    events: int
    limit: int
    deadline: int | None

    def __call__(self) -> int | None:
        kernel, epoll = self.kernel, self.epoll
        kernel.network.poll()
        kernel.check_writable(self.events, min(self.limit, len(epoll.interests)) * _EVENT_SIZE)
        found = epoll.collect(self.limit)
        if not found:
            return None if self.deadline != 0 else 0
        kernel.write(self.events, b"".join(struct.pack("<IQ", *entry) for entry in found))
        return len(found)


def _wait(kernel: Kernel, epfd: int, events: int, count: int, deadline: int | None) -> int:
    """Report events; ``deadline`` 0 does not wait for any."""
    epoll, limit = _epoll(kernel, epfd), signed32(count)
    if not 0 < limit <= _EVENTS_MAX:
        raise Errno(linux.EINVAL)
    attempt = Collecting(kernel, epoll, events, limit, deadline)
    return attempt_until(kernel, attempt, deadline=deadline, timeout=0)


def _deadline(kernel: Kernel, milliseconds: int) -> int | None:
    """The moment at which a wait of so long ends; 0 for none at all, None for never."""
    if milliseconds <= 0:
        return 0 if milliseconds == 0 else None
    return kernel.clock.monotonic() + milliseconds * _MILLISECOND


@syscall(232, "epoll_wait")
def epoll_wait(kernel: Kernel, epfd: int, events: int, count: int, timeout: int) -> int:
    return _wait(kernel, epfd, events, count, _deadline(kernel, signed32(timeout)))


@syscall(281, "epoll_pwait")
def epoll_pwait(
    kernel: Kernel, epfd: int, events: int, count: int, timeout: int, mask: int, size: int
) -> int:
    with own_mask(kernel, mask, size):
        return epoll_wait(kernel, epfd, events, count, timeout)


@syscall(441, "epoll_pwait2")
def epoll_pwait2(
    kernel: Kernel, epfd: int, events: int, count: int, timeout: int, mask: int, size: int
) -> int:
    deadline = None
    if timeout:
        moment = timespec(kernel, timeout)
        deadline = kernel.clock.monotonic() + moment if moment else 0
    with own_mask(kernel, mask, size):
        return _wait(kernel, epfd, events, count, deadline)
