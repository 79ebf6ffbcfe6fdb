"""Time: the machine's clocks, the system calls that read them or sleep (man 2 clock_gettime,
nanosleep), and the processor's time-stamp counter.

The virtual clock starts at a fixed date, moves a little with every look at it and with work, and
jumps when every thread sleeps. So nothing waits, and runs repeat. The host's clock is the host's:
who sleeps then, sleeps for real.
"""

from __future__ import annotations

import time as host
from typing import TYPE_CHECKING, Protocol

from emuplugin.cpu import registers as reg

from . import linux
from .table import Errno, refuse, signed32, syscall

if TYPE_CHECKING:
    from emuplugin.cpu.stops import Stops

    from .kernel import Kernel

SECOND = 1_000_000_000
#: Nanoseconds that pass with every reading, so that time always moves and loops on it end.
TICK = 100


class Clock(Protocol):
    """Nanoseconds since the machine's start (``monotonic``, which starts at one second), since
    1970 (``realtime``), and of work, without sleep (``cpu``)."""

    virtual: bool
    in_guest: bool
    offset: int
    slept_for: int
    started: int
    """``realtime`` at the machine's start."""

    @property
    def now(self) -> int:
        """``monotonic``, for those who only look on: time does not move by it."""

    def monotonic(self) -> int: ...
    def realtime(self) -> int: ...
    def cpu(self) -> int: ...

    def advance_to(self, monotonic: int) -> None:
        """Jump to a later moment, as if everybody had slept until then."""

    def slept(self, nanoseconds: int) -> None:
        """Everybody slept for real for so long."""


class VirtualClock:
    """See :class:`Clock`. ``epoch`` is the date, in seconds since 1970, at which it starts; the
    instructions that ``stops`` counts are the nanoseconds that the guest has worked.

    ``in_guest`` says whether the guest can read it by itself: then its time-stamp counter is
    ``monotonic``, and ``offset`` is how much ``realtime`` is ahead.
    """

    virtual = True

    def __init__(self, epoch: float, stops: Stops) -> None:
        self.offset = round(epoch * SECOND)
        self._stops = stops
        # All time but that of work. Not 0: Go takes a nanotime of 0 for a broken clock.
        stops.passed = SECOND
        self._slept = SECOND
        self.started = self.offset + SECOND
        self.in_guest = stops.tell_time(TICK) and self.offset >= 0

    @property
    def slept_for(self) -> int:
        """Nanoseconds that were no work."""
        return self._slept

    @slept_for.setter
    def slept_for(self, nanoseconds: int) -> None:
        self._slept = nanoseconds

    @property
    def now(self) -> int:
        return self._stops.passed + self._stops.executed

    def monotonic(self) -> int:
        self._stops.passed += TICK
        return self.now

    def realtime(self) -> int:
        return self.offset + self.monotonic()

    def cpu(self) -> int:
        self._stops.passed += TICK
        return self.now - self._slept

    def advance_to(self, monotonic: int) -> None:
        self.slept(max(monotonic - self.now, 0))

    def slept(self, nanoseconds: int) -> None:
        self._stops.passed += nanoseconds
        self._slept += nanoseconds


class HostClock:
    """See :class:`Clock`: real time. It moves by itself."""

    virtual = in_guest = False
    offset = slept_for = 0

    def __init__(self) -> None:
        self._start = host.monotonic_ns() - SECOND
        self.started = host.time_ns()
        self._cpu_start = host.process_time_ns()

    @property
    def now(self) -> int:
        return self.monotonic()

    def monotonic(self) -> int:
        return host.monotonic_ns() - self._start

    def realtime(self) -> int:
        return host.time_ns()

    def cpu(self) -> int:
        return host.process_time_ns() - self._cpu_start

    def advance_to(self, monotonic: int) -> None:
        """Nobody skips time."""

    def slept(self, nanoseconds: int) -> None:
        """It was counted while it passed."""


_RDTSC, _RDTSCP = b"\x0f\x31", b"\x0f\x01\xf9"


def emulate_time_stamp(kernel: Kernel, rip: int) -> bool:
    """Execute RDTSC or RDTSCP at ``rip``, whose counter is the monotonic clock. The processor
    leaves them to the kernel (CR4.TSD), but for RDTSC when it can tell the time itself. False for
    any other instruction."""
    area = kernel.space.find(rip)
    code = b"" if area is None else kernel.memory.read(rip, min(3, area.end - rip))
    if code != _RDTSCP and code[:2] != _RDTSC:
        return False
    engine, now = kernel.engine, kernel.clock.monotonic()
    engine.write_register(reg.RAX, now & 0xFFFFFFFF)
    engine.write_register(reg.RDX, now >> 32 & 0xFFFFFFFF)
    if code == _RDTSCP:
        engine.write_register(reg.RCX, 0)  # IA32_TSC_AUX: processor 0
    engine.write_register(reg.RIP, rip + len(code if code == _RDTSCP else _RDTSC))
    return True


_REALTIME = frozenset((linux.CLOCK_REALTIME, linux.CLOCK_REALTIME_COARSE, 8, linux.CLOCK_TAI))
_PROCESS_CPU, _THREAD_CPU = linux.CLOCK_PROCESS_CPUTIME_ID, linux.CLOCK_THREAD_CPUTIME_ID
# CLOCK_SGI_CYCLE (10) and the auxiliary clocks are not there; alarms need a privilege.
_KNOWN = frozenset((*range(10), linux.CLOCK_TAI))
_COARSE = frozenset((linux.CLOCK_REALTIME_COARSE, linux.CLOCK_MONOTONIC_COARSE))
_COARSE_RESOLUTION = 4_000_000  # HZ=250


def cpu_clock(kernel: Kernel, clock: int) -> int | None:
    """The tid of a CPU-time clock (0: the whole process), None for clocks of other kinds.

    Negative clock numbers hold a pid or tid (man 3 clock_getcpuclockid; linux/posix-timers.h):
    ``~pid << 3 | thread << 2 | kind``.
    """
    if clock == _PROCESS_CPU:
        return 0
    if clock == _THREAD_CPU:
        return kernel.threads.current.tid
    if clock >= 0:
        return None
    number, per_thread, kind = ~(clock >> 3), bool(clock & 4), clock & 3
    if kind == 3:  # a file descriptor of a clock device
        raise Errno(linux.EINVAL)
    if per_thread:
        tid = number or kernel.threads.current.tid
        if tid not in kernel.threads.all:
            raise Errno(linux.EINVAL)
        return tid
    if number not in (0, kernel.pid):
        raise Errno(linux.EINVAL)
    return 0


def read(kernel: Kernel, clock: int) -> int:
    """Nanoseconds of one of Linux's clocks."""
    tid = cpu_clock(kernel, clock)
    if tid is not None:
        return kernel.threads.cpu_time(tid) if tid else kernel.clock.cpu()
    if clock not in _KNOWN:
        raise Errno(linux.EINVAL)
    return kernel.clock.realtime() if clock in _REALTIME else kernel.clock.monotonic()


def timespec(kernel: Kernel, at: int) -> int:
    """Read a ``struct timespec`` as nanoseconds."""
    seconds, nanoseconds = kernel.read_i64(at), kernel.read_i64(at + 8)
    if seconds < 0 or not 0 <= nanoseconds < SECOND:
        raise Errno(linux.EINVAL)
    return seconds * SECOND + nanoseconds


def write_timespec(kernel: Kernel, at: int, nanoseconds: int) -> None:
    kernel.check_writable(at, 16)
    kernel.write_u64(at, nanoseconds // SECOND)
    kernel.write_u64(at + 8, nanoseconds % SECOND)


@syscall(228, "clock_gettime")
def clock_gettime(kernel: Kernel, clock: int, at: int) -> int:
    write_timespec(kernel, at, read(kernel, signed32(clock)))
    return 0


@syscall(229, "clock_getres")
def clock_getres(kernel: Kernel, clock: int, at: int) -> int:
    read(kernel, signed32(clock))
    if at:
        write_timespec(kernel, at, _COARSE_RESOLUTION if signed32(clock) in _COARSE else 1)
    return 0


@syscall(96, "gettimeofday")
def gettimeofday(kernel: Kernel, at: int, zone: int) -> int:
    now = kernel.clock.realtime()
    if at:
        kernel.check_writable(at, 16)
        kernel.write_u64(at, now // SECOND)
        kernel.write_u64(at + 8, now % SECOND // 1000)
    if zone:
        kernel.write_u64(zone, 0)
    return 0


@syscall(201, "time")
def time(kernel: Kernel, at: int) -> int:
    now = kernel.clock.realtime() // SECOND
    if at:
        kernel.write_u64(at, now)
    return now


def _sleep(kernel: Kernel, deadline: int, remaining: int) -> int:
    def interrupted() -> None:
        if remaining:
            left = max(deadline - kernel.clock.monotonic(), 0)
            write_timespec(kernel, remaining, left)

    return kernel.threads.wait(deadline=deadline, timeout=0, interrupted=interrupted)


@syscall(35, "nanosleep")
def nanosleep(kernel: Kernel, request: int, remaining: int) -> int:
    span = timespec(kernel, request)
    return _sleep(kernel, kernel.clock.monotonic() + span, remaining)


@syscall(230, "clock_nanosleep")
def clock_nanosleep(kernel: Kernel, clock: int, flags: int, request: int, remaining: int) -> int:
    clock = signed32(clock)
    if clock >= 0 and clock not in _KNOWN:
        raise Errno(linux.EINVAL)
    if clock in (linux.CLOCK_MONOTONIC_RAW, _THREAD_CPU, *_COARSE):
        raise Errno(linux.EOPNOTSUPP)
    moment = timespec(kernel, request)
    now = read(kernel, clock)
    absolute = bool(flags & linux.TIMER_ABSTIME)
    if not absolute:
        moment += now
    deadline = kernel.clock.monotonic() + moment - now
    return _sleep(kernel, deadline, 0 if absolute else remaining)


@syscall(159, "adjtimex", "partial", "reads the state of a clock that keeps time by itself")
def adjtimex(kernel: Kernel, at: int) -> int:
    if kernel.read_u32(at):  # modes
        raise Errno(linux.EPERM)
    now = kernel.clock.realtime()
    buffer = bytearray(208)
    buffer[40:44] = (0x40).to_bytes(4, "little")  # status: STA_UNSYNC
    buffer[72:80] = (now // SECOND).to_bytes(8, "little")
    buffer[80:88] = (now % SECOND // 1000).to_bytes(8, "little")
    buffer[88:96] = (10_000).to_bytes(8, "little")  # tick: microseconds
    kernel.write(at, bytes(buffer))
    return 5  # TIME_ERROR: not synchronised


@syscall(305, "clock_adjtime", "partial", "as adjtimex")
def clock_adjtime(kernel: Kernel, clock: int, at: int) -> int:
    read(kernel, signed32(clock))
    if signed32(clock) != linux.CLOCK_REALTIME:
        raise Errno(linux.EOPNOTSUPP)
    return adjtimex(kernel, at)


for _number, _name in ((164, "settimeofday"), (227, "clock_settime")):
    refuse(_number, _name, linux.EPERM, "the clock is the machine's")
