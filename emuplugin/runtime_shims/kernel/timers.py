"""Timers that send signals: setitimer, alarm, timer_create (man 2 setitimer, timer_create).

Nothing counts down: a timer is a moment on one of the clocks, and :meth:`Timers.check` looks which
have passed whenever threads are scheduled. Timers on CPU time pass only while somebody works.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import clock, linux
from .signals import siginfo
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_MICROSECOND = 1000
_DELAYTIMER_MAX = 0x7FFFFFFF
# Linux counts timers against RLIMIT_SIGPENDING.
_MOST_TIMERS = 4096
_CLOCK_ALARMS = frozenset((8, 9))


class Timer:
    """One timer. ``now`` reads its clock, ``working`` says that this is a CPU-time clock; ``fire``
    is called with the number of periods that have passed."""

    __slots__ = ("fire", "interval", "moment", "now", "working")

    def __init__(
        self, now: Callable[[], int], fire: Callable[[int], None], *, working: bool = False
    ) -> None:
        self.now, self.fire, self.working = now, fire, working
        self.moment = self.interval = 0

    def set(self, moment: int, interval: int) -> None:
        """Go off at ``moment`` of the clock (0: never) and each ``interval`` ns after that."""
        self.moment, self.interval = moment, interval

    def left(self) -> int:
        """Nanoseconds until it goes off; 0 if it is not set, at least 1 if it is."""
        return max(self.moment - self.now(), 1) if self.moment else 0


class Timers:
    """All timers of the process: the three of setitimer, and those made by timer_create, by id."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        # A dict for its order: timers that go off at one moment do so as they were set.
        self._armed: dict[Timer, None] = {}
        self.made: dict[int, PosixTimer] = {}
        self.last_id = -1
        self.intervals = {
            which: Timer(*_interval_timer(kernel, number), working=which != linux.ITIMER_REAL)
            for which, number in (
                (linux.ITIMER_REAL, linux.SIGALRM),
                (linux.ITIMER_VIRTUAL, linux.SIGVTALRM),
                (linux.ITIMER_PROF, linux.SIGPROF),
            )
        }

    @property
    def idle(self) -> bool:
        """Whether no timer is set, and none was made."""
        return not self._armed and not self.made

    def arm(self, timer: Timer, moment: int, interval: int) -> None:
        """Set a timer (of any kind), or with a ``moment`` of 0 stop it."""
        timer.set(moment, interval)
        if moment:
            self._armed[timer] = None
        else:
            self._armed.pop(timer, None)

    def check(self) -> None:
        """Let go off what is due."""
        if not self._armed:
            return
        due = []
        for timer in self._armed:
            now = timer.now()
            if timer.moment <= now:
                due.append((timer.moment, timer, now))
        for moment, timer, now in sorted(due, key=lambda entry: entry[0]):
            count = 1
            if timer.interval:
                count += (now - moment) // timer.interval
                timer.moment = moment + count * timer.interval
            else:
                self.arm(timer, 0, 0)
            timer.fire(count)

    def nearest(self) -> int | None:
        """When the next timer goes off if everybody sleeps, on the monotonic clock."""
        moments = [timer.left() for timer in self._armed if not timer.working]
        return self._kernel.clock.monotonic() + min(moments) if moments else None

    def thread_ended(self, tid: int) -> None:
        """Timers on a thread's CPU time end with it."""
        for made in self.made.values():
            if made.cpu_of == tid:
                self.arm(made.timer, 0, 0)


def _interval_timer(kernel: Kernel, number: int) -> tuple[Callable[[], int], Callable[[int], None]]:
    def now() -> int:
        reads = kernel.clock.monotonic if number == linux.SIGALRM else kernel.clock.cpu
        return reads()

    def fire(count: int) -> None:
        kernel.signals.send_process(number, siginfo(number, linux.SI_KERNEL))

    return now, fire


class PosixTimer:
    """One of timer_create's. ``cpu_of`` is the tid whose CPU time it counts, -1 if none."""

    def __init__(self, kernel: Kernel, number: int, reads: int, event: tuple[int, ...]) -> None:
        value, self.signal, self.notify, target = event
        self.number, self.clock = number, reads
        self._kernel, self._value = kernel, value
        cpu = clock.cpu_clock(kernel, reads)
        self.cpu_of = -1 if cpu is None else cpu
        self.target = target if self.notify & linux.SIGEV_THREAD_ID else 0
        self.overrun = 0
        self.timer = Timer(self._now, self._fire, working=cpu is not None)

    def _now(self) -> int:
        if self.cpu_of > 0:
            if self.cpu_of not in self._kernel.threads.all:
                return 0
            return self._kernel.threads.cpu_time(self.cpu_of)
        return clock.read(self._kernel, self.clock)

    def _fire(self, count: int) -> None:
        self.overrun = min(count - 1, _DELAYTIMER_MAX)
        if self.notify == linux.SIGEV_NONE:
            return
        rest = struct.pack("<iiQ", self.number, self.overrun, self._value)
        info = siginfo(self.signal, linux.SI_TIMER, rest)
        if self.target:
            thread = self._kernel.threads.all.get(self.target)
            if thread is not None:
                self._kernel.signals.queue(thread, self.signal, info)
        else:
            self._kernel.signals.send_process(self.signal, info)


# --- setitimer and alarm ------------------------------------------------------------------------


def _interval(kernel: Kernel, which: int) -> Timer:
    timer = kernel.timers.intervals.get(signed32(which))
    if timer is None:
        raise Errno(linux.EINVAL)
    return timer


def _pack_interval(timer: Timer) -> bytes:
    left = -(-timer.left() // _MICROSECOND)
    period = timer.interval // _MICROSECOND
    return struct.pack("<4q", *divmod(period, 1_000_000), *divmod(left, 1_000_000))


@syscall(36, "getitimer")
def getitimer(kernel: Kernel, which: int, at: int) -> int:
    kernel.write(at, _pack_interval(_interval(kernel, which)))
    return 0


@syscall(38, "setitimer")
def setitimer(kernel: Kernel, which: int, new: int, old: int) -> int:
    numbers = struct.unpack("<4q", kernel.read(new, 32)) if new else (0, 0, 0, 0)
    if any(n < 0 for n in numbers) or numbers[1] >= 1_000_000 or numbers[3] >= 1_000_000:
        raise Errno(linux.EINVAL)
    timer = _interval(kernel, which)
    before = _pack_interval(timer)
    if old:
        kernel.check_writable(old, 32)
    period = (numbers[0] * 1_000_000 + numbers[1]) * _MICROSECOND
    value = (numbers[2] * 1_000_000 + numbers[3]) * _MICROSECOND
    kernel.timers.arm(timer, timer.now() + value if value else 0, period)
    if old:
        kernel.write(old, before)
    return 0


@syscall(37, "alarm")
def alarm(kernel: Kernel, seconds: int) -> int:
    timer = kernel.timers.intervals[linux.ITIMER_REAL]
    # Rounded to seconds, but an alarm that is set is never reported as none.
    left = timer.left()
    before = max((left + clock.SECOND // 2) // clock.SECOND, 1) if left else 0
    seconds &= 0xFFFFFFFF
    kernel.timers.arm(timer, timer.now() + seconds * clock.SECOND if seconds else 0, 0)
    return before


# --- timer_create -------------------------------------------------------------------------------


@syscall(222, "timer_create")
def timer_create(kernel: Kernel, reads: int, event: int, at: int) -> int:
    reads = signed32(reads)
    if reads in _CLOCK_ALARMS:
        raise Errno(linux.EPERM)
    if reads in (linux.CLOCK_MONOTONIC_RAW, linux.CLOCK_REALTIME_COARSE, 6):
        raise Errno(linux.EOPNOTSUPP)
    clock.read(kernel, reads)  # EINVAL for clocks that are not there
    timers = kernel.timers
    if len(timers.made) >= _MOST_TIMERS:
        raise Errno(linux.EAGAIN)
    number = timers.last_id + 1
    value, signal, notify, target = number, linux.SIGALRM, linux.SIGEV_SIGNAL, 0
    if event:
        value, signal, notify, target = struct.unpack("<Qiii", kernel.read(event, 20))
        _check_event(kernel, signal, notify, target)
    made = PosixTimer(kernel, number, reads, (value, signal, notify, target))
    kernel.write_u32(at, number)
    timers.last_id = number
    timers.made[number] = made
    return 0


def _check_event(kernel: Kernel, signal: int, notify: int, target: int) -> None:
    if notify not in (linux.SIGEV_SIGNAL, linux.SIGEV_NONE, linux.SIGEV_THREAD, 4):
        raise Errno(linux.EINVAL)
    if notify == linux.SIGEV_THREAD_ID and target not in kernel.threads.all:
        raise Errno(linux.EINVAL)
    if notify != linux.SIGEV_NONE and not 1 <= signal <= linux.NSIG:
        raise Errno(linux.EINVAL)


def _made(kernel: Kernel, number: int) -> PosixTimer:
    made = kernel.timers.made.get(signed32(number))
    if made is None:
        raise Errno(linux.EINVAL)
    return made


def pack_timer(timer: Timer) -> bytes:
    """``struct itimerspec`` of what is left."""
    return struct.pack(
        "<4q", *divmod(timer.interval, clock.SECOND), *divmod(timer.left(), clock.SECOND)
    )


def read_timer(kernel: Kernel, at: int) -> tuple[int, int]:
    """A ``struct itimerspec``: interval and value, nanoseconds."""
    kernel.read(at, 32)
    return clock.timespec(kernel, at), clock.timespec(kernel, at + 16)


def set_timer(kernel: Kernel, timer: Timer, flags: int, new: tuple[int, int], old: int) -> None:
    """Write what is left to ``old`` (if it is not 0), then set the timer to an interval and a
    value: what timer_settime and timerfd_settime share."""
    interval, value = new
    if old:
        kernel.write(old, pack_timer(timer))
    moment = 0
    if value:
        moment = max(value, 1) if flags & linux.TIMER_ABSTIME else timer.now() + value
    kernel.timers.arm(timer, moment, interval)


@syscall(223, "timer_settime")
def timer_settime(kernel: Kernel, number: int, flags: int, new: int, old: int) -> int:
    if not new:
        raise Errno(linux.EINVAL)
    setting = read_timer(kernel, new)
    made = _made(kernel, number)
    set_timer(kernel, made.timer, flags, setting, old)
    made.overrun = 0
    return 0


@syscall(224, "timer_gettime")
def timer_gettime(kernel: Kernel, number: int, at: int) -> int:
    kernel.write(at, pack_timer(_made(kernel, number).timer))
    return 0


@syscall(225, "timer_getoverrun")
def timer_getoverrun(kernel: Kernel, number: int) -> int:
    return _made(kernel, number).overrun


@syscall(226, "timer_delete")
def timer_delete(kernel: Kernel, number: int) -> int:
    made = _made(kernel, number)
    kernel.timers.arm(made.timer, 0, 0)
    del kernel.timers.made[made.number]
    return 0
