"""What the process may use and has used (man 2 getrlimit, getrusage, times, sysinfo)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from . import linux
from .clock import SECOND
from .identity import INIT
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_INFINITY = linux.RLIM_INFINITY
_RESOURCES = 16
_NICE, _RTPRIO = 13, 14
_TICKS = 100  # of times, per second (man 3 sysconf: _SC_CLK_TCK)


class ResourceLimits:
    """Soft and hard limits by number (RLIMIT_CPU is 0). They are kept and shown; what holds are
    the sandbox's limits, but for the soft limit of descriptors."""

    def __init__(self, kernel: Kernel) -> None:
        limits = kernel.sandbox.limits
        self.values = [(_INFINITY, _INFINITY)] * _RESOURCES
        self.values[linux.RLIMIT_STACK] = (8 << 20, _INFINITY)
        self.values[linux.RLIMIT_NOFILE] = (limits.open_files, limits.open_files)
        self.values[6] = (limits.threads, limits.threads)  # RLIMIT_NPROC
        self.values[8] = (8 << 20, 8 << 20)  # RLIMIT_MEMLOCK
        self.values[11] = (4096, 4096)  # RLIMIT_SIGPENDING
        self.values[12] = (819200, 819200)  # RLIMIT_MSGQUEUE
        self.values[_NICE] = self.values[_RTPRIO] = (0, 0)

    def set(self, resource: int, soft: int, hard: int) -> None:
        if soft > hard:
            raise Errno(linux.EINVAL)
        if hard > self.values[resource][1]:
            raise Errno(linux.EPERM)
        self.values[resource] = (soft, hard)


@syscall(302, "prlimit64", "partial", "limits are kept; what holds are the sandbox's")
def prlimit64(kernel: Kernel, pid: int, resource: int, new: int, old: int) -> int:
    number = signed32(resource)
    if not 0 <= number < _RESOURCES:
        raise Errno(linux.EINVAL)
    if signed32(pid) == INIT:
        raise Errno(linux.EPERM)
    if signed32(pid) and signed32(pid) not in kernel.threads.all:
        raise Errno(linux.ESRCH)
    wanted = struct.unpack("<QQ", kernel.read(new, 16)) if new else None
    before = kernel.resources.values[number]
    if wanted is not None:
        kernel.resources.set(number, *wanted)
    if old:
        kernel.write(old, struct.pack("<QQ", *before))
    return 0


@syscall(97, "getrlimit")
def getrlimit(kernel: Kernel, resource: int, at: int) -> int:
    if not at:
        raise Errno(linux.EFAULT)
    return prlimit64(kernel, 0, resource, 0, at)


@syscall(160, "setrlimit", "partial", "limits are kept; what holds are the sandbox's")
def setrlimit(kernel: Kernel, resource: int, at: int) -> int:
    if not at:
        raise Errno(linux.EFAULT)
    return prlimit64(kernel, 0, resource, at, 0)


@syscall(99, "sysinfo", "partial", "memory, uptime and threads")
def sysinfo(kernel: Kernel, at: int) -> int:
    total = kernel.space.max_pages << 12
    free = (kernel.space.max_pages - kernel.space.present_pages) << 12
    uptime = kernel.clock.monotonic() // SECOND
    words = (uptime, 0, 0, 0, total, free, 0, 0, 0, 0)
    threads = len(kernel.threads.all)
    kernel.write(at, struct.pack("<10QHHIQQI4x", *words, threads, 0, 0, 0, 0, 1))
    return 0


_RUSAGE_SELF, _RUSAGE_CHILDREN, _RUSAGE_THREAD = 0, -1, 1


@syscall(98, "getrusage", "partial", "time of work, all of it the user's, and the peak of memory")
def getrusage(kernel: Kernel, who: int, at: int) -> int:
    of = signed32(who)
    if of not in (_RUSAGE_SELF, _RUSAGE_CHILDREN, _RUSAGE_THREAD):
        raise Errno(linux.EINVAL)
    spent = peak = 0
    if of == _RUSAGE_THREAD:
        spent = kernel.threads.cpu_time(kernel.threads.current.tid)
    elif of == _RUSAGE_SELF:
        spent = kernel.clock.cpu()
    if of != _RUSAGE_CHILDREN:
        peak = kernel.space.peak_pages * 4
    fields = (spent // SECOND, spent % SECOND // 1000, 0, 0, peak, *[0] * 13)
    kernel.write(at, struct.pack("<18q", *fields))
    return 0


@syscall(100, "times")
def times(kernel: Kernel, at: int) -> int:
    if at:
        kernel.write(at, struct.pack("<4q", kernel.clock.cpu() * _TICKS // SECOND, 0, 0, 0))
    return kernel.clock.monotonic() * _TICKS // SECOND


# --- niceness -----------------------------------------------------------------------------------


def _check_who(kernel: Kernel, which: int, who: int) -> None:
    which, who = signed32(which), signed32(who)
    if not 0 <= which <= 2:
        raise Errno(linux.EINVAL)
    own = {0: (0, *kernel.threads.all), 1: (0, kernel.identity.group), 2: (0, 1000)}
    if who not in own[which]:
        raise Errno(linux.ESRCH)


@syscall(140, "getpriority")
def getpriority(kernel: Kernel, which: int, who: int) -> int:
    _check_who(kernel, which, who)
    return 20 - kernel.niceness  # as the call has it: 1 to 40


@syscall(141, "setpriority", "partial", "kept and shown; everybody has the same processor")
def setpriority(kernel: Kernel, which: int, who: int, value: int) -> int:
    _check_who(kernel, which, who)
    nice = min(max(signed32(value), -20), 19)
    if nice < kernel.niceness:
        raise Errno(linux.EACCES)
    kernel.niceness = nice
    return 0


@syscall(251, "ioprio_set", "partial", "checked and forgotten")
def ioprio_set(kernel: Kernel, which: int, who: int, value: int) -> int:
    _check_who(kernel, signed32(which) - 1, who)
    kind, level = (value & 0xFFFF) >> 13, value & 0x1FFF
    if kind == 1:  # IOPRIO_CLASS_RT
        raise Errno(linux.EPERM)
    if kind > 3 or (kind == 0 and level) or level & 7 != level:
        raise Errno(linux.EINVAL)
    return 0


@syscall(252, "ioprio_get")
def ioprio_get(kernel: Kernel, which: int, who: int) -> int:
    _check_who(kernel, signed32(which) - 1, who)
    return 0


@syscall(309, "getcpu")
def getcpu(kernel: Kernel, cpu: int, node: int) -> int:
    for at in (cpu, node):
        if at:
            kernel.write_u32(at, 0)
    return 0
