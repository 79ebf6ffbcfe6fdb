"""Time: the machine's clock, the system calls that read it or sleep (man 2 clock_gettime,
nanosleep), and the processor's time-stamp counter.

The clock is virtual: it starts at a fixed date, moves a little with every look at it and with
work, and jumps when every thread sleeps. So nothing waits, and runs repeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.cpu import registers as reg

from . import linux
from .table import Errno, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

SECOND = 1_000_000_000
#: Nanoseconds that pass with every reading, so that time always moves and loops on it end.
TICK = 100


class VirtualClock:
    """Nanoseconds since the machine's start (``monotonic``) and since the epoch (``realtime``)."""

    def __init__(self, epoch: float) -> None:
        self._start = round(epoch * SECOND)
        # Not 0: Go takes a nanotime of 0 for a broken clock.
        self._now = SECOND

    def monotonic(self) -> int:
        self._now += TICK
        return self._now

    def realtime(self) -> int:
        return self._start + self.monotonic()

    def advance(self, nanoseconds: int) -> None:
        """Let time pass."""
        self._now += max(nanoseconds, 0)

    def advance_to(self, monotonic: int) -> None:
        """Jump to a later moment, as if everybody had slept until then."""
        self._now = max(self._now, monotonic)


_RDTSC, _RDTSCP = b"\x0f\x31", b"\x0f\x01\xf9"


def emulate_time_stamp(kernel: Kernel, rip: int) -> bool:
    """Execute RDTSC or RDTSCP at ``rip``, whose counter is the monotonic clock. The processor
    leaves them to the kernel (CR4.TSD). False for any other instruction."""
    area = kernel.space.find(rip)
    code = b"" if area is None else kernel.memory.read(rip, min(3, area.end - rip))
    if code != _RDTSCP and code[:2] != _RDTSC:
        return False
    engine, now = kernel.engine, kernel.clock.monotonic()
    engine.write_register(reg.RAX, now & 0xFFFFFFFF)
    engine.write_register(reg.RDX, now >> 32)
    if code == _RDTSCP:
        engine.write_register(reg.RCX, 0)  # IA32_TSC_AUX: processor 0
    engine.write_register(reg.RIP, rip + len(code if code == _RDTSCP else _RDTSC))
    return True


_REALTIME = frozenset((linux.CLOCK_REALTIME, linux.CLOCK_REALTIME_COARSE))
_KNOWN = frozenset(range(8))


def read(kernel: Kernel, clock: int) -> int:
    """Nanoseconds of one of Linux's clocks. CPU-time clocks follow the monotonic one."""
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
    kernel.write_u64(at, nanoseconds // SECOND)
    kernel.write_u64(at + 8, nanoseconds % SECOND)


@syscall(228, "clock_gettime")
def clock_gettime(kernel: Kernel, clock: int, at: int) -> int:
    write_timespec(kernel, at, read(kernel, clock & 0xFFFFFFFF))
    return 0


@syscall(229, "clock_getres")
def clock_getres(kernel: Kernel, clock: int, at: int) -> int:
    read(kernel, clock & 0xFFFFFFFF)
    if at:
        write_timespec(kernel, at, 1)
    return 0


@syscall(96, "gettimeofday")
def gettimeofday(kernel: Kernel, at: int, zone: int) -> int:
    now = kernel.clock.realtime()
    if at:
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


@syscall(35, "nanosleep")
def nanosleep(kernel: Kernel, request: int, remaining: int) -> int:
    return kernel.threads.wait(
        deadline=kernel.clock.monotonic() + timespec(kernel, request), timeout=0
    )


@syscall(230, "clock_nanosleep")
def clock_nanosleep(kernel: Kernel, clock: int, flags: int, request: int, remaining: int) -> int:
    moment = timespec(kernel, request)
    now = read(kernel, clock & 0xFFFFFFFF)
    if not flags & linux.TIMER_ABSTIME:
        moment += now
    return kernel.threads.wait(deadline=kernel.clock.monotonic() + moment - now, timeout=0)
