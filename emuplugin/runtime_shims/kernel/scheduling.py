"""The scheduler's settings (man 7 sched). They are kept and shown: threads take turns on the one
processor whatever they say."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from . import linux
from .table import Errno, refuse, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel
    from .threads import Thread

_OTHER, _FIFO, _RR, _BATCH, _IDLE, _DEADLINE = 0, 1, 2, 3, 5, 6
_FAIR = frozenset((_OTHER, _BATCH, _IDLE))
_REAL_TIME = frozenset((_FIFO, _RR))
_RESET_ON_FORK = 0x40000000
_ATTRIBUTES = 48  # struct sched_attr, SCHED_ATTR_SIZE_VER0
_NEWEST_ATTRIBUTES = 56


def _thread(kernel: Kernel, pid: int) -> Thread:
    tid = signed32(pid)
    if tid < 0:
        raise Errno(linux.EINVAL)
    thread = kernel.threads.all.get(tid) if tid else kernel.threads.current
    if thread is None:
        raise Errno(linux.EPERM if tid == 1 else linux.ESRCH)
    return thread


def _check_policy(policy: int, priority: int) -> None:
    """What a user without privilege may have."""
    if policy in _REAL_TIME:
        if not 1 <= priority <= 99:
            raise Errno(linux.EINVAL)
        raise Errno(linux.EPERM)
    if policy == _DEADLINE:
        raise Errno(linux.EPERM)
    if policy not in _FAIR or priority:
        raise Errno(linux.EINVAL)


@syscall(24, "sched_yield")
def sched_yield(kernel: Kernel) -> int:
    kernel.threads.yield_()
    return 0


@syscall(145, "sched_getscheduler")
def sched_getscheduler(kernel: Kernel, pid: int) -> int:
    return _thread(kernel, pid).policy


@syscall(144, "sched_setscheduler", "partial", "kept and shown; real-time policies: EPERM")
def sched_setscheduler(kernel: Kernel, pid: int, policy: int, at: int) -> int:
    if not at:
        raise Errno(linux.EINVAL)
    wanted = signed32(policy)
    priority = signed32(kernel.read_u32(at))
    thread = _thread(kernel, pid)
    if wanted < 0:
        raise Errno(linux.EINVAL)
    _check_policy(wanted & ~_RESET_ON_FORK, priority)
    thread.policy = wanted
    return 0


@syscall(143, "sched_getparam")
def sched_getparam(kernel: Kernel, pid: int, at: int) -> int:
    if not at:
        raise Errno(linux.EINVAL)
    _thread(kernel, pid)
    kernel.write_u32(at, 0)
    return 0


@syscall(142, "sched_setparam")
def sched_setparam(kernel: Kernel, pid: int, at: int) -> int:
    if not at:
        raise Errno(linux.EINVAL)
    priority = signed32(kernel.read_u32(at))
    _thread(kernel, pid)
    if priority:
        raise Errno(linux.EINVAL)
    return 0


@syscall(146, "sched_get_priority_max")
def sched_get_priority_max(kernel: Kernel, policy: int) -> int:
    return _priority(policy, 99)


@syscall(147, "sched_get_priority_min")
def sched_get_priority_min(kernel: Kernel, policy: int) -> int:
    return _priority(policy, 1)


def _priority(policy: int, real_time: int) -> int:
    wanted = signed32(policy)
    if wanted in _REAL_TIME:
        return real_time
    if wanted in _FAIR or wanted == _DEADLINE:
        return 0
    raise Errno(linux.EINVAL)


@syscall(148, "sched_rr_get_interval")
def sched_rr_get_interval(kernel: Kernel, pid: int, at: int) -> int:
    _thread(kernel, pid)
    kernel.write(at, struct.pack("<qq", 0, 10_000_000))
    return 0


@syscall(315, "sched_getattr")
def sched_getattr(kernel: Kernel, pid: int, at: int, size: int, flags: int) -> int:
    size &= 0xFFFFFFFF
    if not at or not _ATTRIBUTES <= size <= 4096 or flags & 0xFFFFFFFF:
        raise Errno(linux.EINVAL)
    thread = _thread(kernel, pid)
    policy = thread.policy & ~_RESET_ON_FORK
    reset = int(bool(thread.policy & _RESET_ON_FORK))
    filled = min(size, _NEWEST_ATTRIBUTES)
    data = struct.pack("<IIQiIQQQII", filled, policy, reset, kernel.niceness, *[0] * 6)
    kernel.write(at, data[:filled].ljust(size, b"\0"))
    return 0


@syscall(314, "sched_setattr", "partial", "kept and shown; real-time policies: EPERM")
def sched_setattr(kernel: Kernel, pid: int, at: int, flags: int) -> int:
    if not at or flags & 0xFFFFFFFF:
        raise Errno(linux.EINVAL)
    size = kernel.read_u32(at) or _ATTRIBUTES
    if not _ATTRIBUTES <= size <= 4096:
        kernel.write_u32(at, _NEWEST_ATTRIBUTES)
        raise Errno(linux.E2BIG)
    data = kernel.read(at, size)
    if any(data[_NEWEST_ATTRIBUTES:]):
        kernel.write_u32(at, _NEWEST_ATTRIBUTES)
        raise Errno(linux.E2BIG)
    _, policy, options, nice, priority = struct.unpack_from("<IIQiI", data)
    thread = _thread(kernel, pid)
    if options & ~0x7F:
        raise Errno(linux.EINVAL)
    _check_policy(policy, priority)
    if nice < kernel.niceness:
        raise Errno(linux.EPERM)
    kernel.niceness = min(nice, 19)
    thread.policy = policy | (_RESET_ON_FORK if options & 1 else 0)
    return 0


def _all_processors(kernel: Kernel) -> int:
    return (1 << kernel.sandbox.cpus) - 1


@syscall(204, "sched_getaffinity")
def sched_getaffinity(kernel: Kernel, pid: int, size: int, mask: int) -> int:
    size &= 0xFFFFFFFF
    if size < 8 or size % 8:
        raise Errno(linux.EINVAL)
    thread = _thread(kernel, pid)
    allowed = thread.affinity & _all_processors(kernel) or _all_processors(kernel)
    kernel.write(mask, allowed.to_bytes(8, "little"))
    return 8


@syscall(203, "sched_setaffinity", "partial", "kept and shown")
def sched_setaffinity(kernel: Kernel, pid: int, size: int, mask: int) -> int:
    size &= 0xFFFFFFFF
    wanted = int.from_bytes(kernel.read(mask, min(size, 8)), "little")
    thread = _thread(kernel, pid)
    if not wanted & _all_processors(kernel):
        raise Errno(linux.EINVAL)
    thread.affinity = wanted & _all_processors(kernel)
    return 0


_MEMBARRIER_COMMANDS = 0x1FF | 0x200


@syscall(324, "membarrier", "full", "with one processor every order is the program's")
def membarrier(kernel: Kernel, command: int, flags: int) -> int:
    command &= 0xFFFFFFFF
    if flags & 0xFFFFFFFF and not (command == 0x80 and flags & 0xFFFFFFFF == 1):
        raise Errno(linux.EINVAL)
    if not command:
        return _MEMBARRIER_COMMANDS
    if command & (command - 1) or not command & _MEMBARRIER_COMMANDS:
        raise Errno(linux.EINVAL)
    return 0


refuse(334, "rseq", linux.ENOSYS, "nothing may depend on it")
