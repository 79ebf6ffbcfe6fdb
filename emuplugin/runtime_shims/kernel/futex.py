"""Futexes (man 2 futex): waiting, waking, moving waiters, and locks with an owner.

With one processor and no priorities, an owner's inheritance of priority (PI) comes to nothing:
what remains is that the kernel hands the lock over.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import add, eq, ge, gt, le, lt, ne, or_, xor
from typing import TYPE_CHECKING

from . import linux
from .clock import timespec
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_WAITS = frozenset((linux.FUTEX_WAIT, linux.FUTEX_WAIT_BITSET))
_OWNED_WAITS = frozenset((linux.FUTEX_LOCK_PI, linux.FUTEX_LOCK_PI2))
_REQUEUES = frozenset((linux.FUTEX_REQUEUE, linux.FUTEX_CMP_REQUEUE))
_REALTIME_ALLOWED = frozenset((linux.FUTEX_WAIT_BITSET, linux.FUTEX_LOCK_PI2, 11))
_ALL = 0xFFFFFFFF
# FUTEX_OP_SET, ADD, OR, ANDN, XOR of the old value and the argument; CMP_EQ, NE, LT, LE, GT, GE.
_OPERATIONS: dict[int, Callable[[int, int], int]] = {
    0: lambda old, argument: argument,
    1: add,
    2: or_,
    3: lambda old, argument: old & ~argument,
    4: xor,
}
_COMPARISONS: dict[int, Callable[[int, int], bool]] = {0: eq, 1: ne, 2: lt, 3: le, 4: gt, 5: ge}


@syscall(202, "futex", "partial", "all but the requeueing of PI waiters, which answers ENOSYS")
def futex(kernel: Kernel, at: int, op: int, value: int, timeout: int, at2: int, value3: int) -> int:
    op &= 0xFFFFFFFF
    command = op & ~(linux.FUTEX_PRIVATE_FLAG | linux.FUTEX_CLOCK_REALTIME)
    realtime = bool(op & linux.FUTEX_CLOCK_REALTIME)
    value &= 0xFFFFFFFF
    if realtime and command not in _REALTIME_ALLOWED:
        raise Errno(linux.ENOSYS)
    if command in _WAITS or command in _OWNED_WAITS:
        deadline = timespec(kernel, timeout) if timeout else None
        if command == linux.FUTEX_WAIT and deadline is not None:
            deadline += kernel.clock.monotonic()
        elif deadline is not None and (realtime or command == linux.FUTEX_LOCK_PI):
            deadline += kernel.clock.monotonic() - kernel.clock.realtime()
        _check_address(kernel, at)
        if command in _OWNED_WAITS:
            return _lock(kernel, at, deadline, wait=True)
        return _wait(kernel, at, value, deadline, _bits(command, value3))
    if command in (linux.FUTEX_WAKE, linux.FUTEX_WAKE_BITSET):
        bitset = _bits(command, value3)
        _check_address(kernel, at)
        return kernel.threads.wake_futex(at, max(signed32(value), 1), bitset)
    if command in _REQUEUES:
        return _requeue(kernel, at, value, timeout, at2, value3, command)
    if command == linux.FUTEX_WAKE_OP:
        return _wake_op(kernel, at, value, timeout, at2, value3)
    if command == linux.FUTEX_TRYLOCK_PI:
        _check_address(kernel, at)
        return _lock(kernel, at, None, wait=False)
    if command == linux.FUTEX_UNLOCK_PI:
        _check_address(kernel, at)
        return _unlock(kernel, at)
    raise Errno(linux.ENOSYS)


def _check_address(kernel: Kernel, at: int) -> None:
    if at & 3:
        raise Errno(linux.EINVAL)
    if at >> 47:
        raise Errno(linux.EFAULT)


def _bits(command: int, value3: int) -> int:
    if command in (linux.FUTEX_WAIT, linux.FUTEX_WAKE):
        return _ALL
    if not value3 & _ALL:
        raise Errno(linux.EINVAL)
    return value3 & _ALL


def _wait(kernel: Kernel, at: int, value: int, deadline: int | None, bitset: int) -> int:
    if kernel.read_u32(at) != value:
        raise Errno(linux.EAGAIN)
    return kernel.threads.wait(deadline=deadline, futex=at, bitset=bitset)


def _requeue(
    kernel: Kernel, at: int, value: int, count: int, at2: int, expected: int, command: int
) -> int:
    if signed32(value) < 0 or signed32(count) < 0:
        raise Errno(linux.EINVAL)
    _check_address(kernel, at)
    _check_address(kernel, at2)
    if command == linux.FUTEX_CMP_REQUEUE and kernel.read_u32(at) != expected & _ALL:
        raise Errno(linux.EAGAIN)
    woken = kernel.threads.wake_futex(at, value)
    moved = kernel.threads.requeue(at, at2, count & _ALL)
    return woken + (moved if command == linux.FUTEX_CMP_REQUEUE else 0)


def _wake_op(kernel: Kernel, at: int, value: int, count: int, at2: int, encoded: int) -> int:
    """Change the second word, wake at the first, and at the second if it was as asked."""
    _check_address(kernel, at)
    _check_address(kernel, at2)
    operation, comparison = encoded >> 28 & 7, encoded >> 24 & 15
    argument, compared = _signed12(encoded >> 12), _signed12(encoded)
    if encoded >> 31 & 1:  # FUTEX_OP_OPARG_SHIFT
        argument = 1 << (argument & 31)
    old = kernel.read_u32(at2)
    if operation not in _OPERATIONS or comparison not in _COMPARISONS:
        raise Errno(linux.ENOSYS)
    kernel.write_u32(at2, _OPERATIONS[operation](old, argument))
    woken = kernel.threads.wake_futex(at, max(signed32(value), 1))
    if _COMPARISONS[comparison](signed32(old), compared):
        woken += kernel.threads.wake_futex(at2, max(signed32(count), 1))
    return woken


def _signed12(value: int) -> int:
    value &= 0xFFF
    return value - 0x1000 if value & 0x800 else value


# --- locks with an owner: the word holds the owner's tid, and whether anybody waits -------------


def _lock(kernel: Kernel, at: int, deadline: int | None, *, wait: bool) -> int:
    me = kernel.threads.current.tid

    def attempt() -> int | None:
        word = kernel.read_u32(at)
        owner = word & linux.FUTEX_TID_MASK
        if owner == me:
            return -linux.EDEADLK
        if owner:
            if owner not in kernel.threads.all:
                return -linux.ESRCH
            kernel.write_u32(at, word | linux.FUTEX_WAITERS)
            return None
        others = any(thread.tid != me for thread in kernel.threads.waiters(at))
        waiting = linux.FUTEX_WAITERS if others else 0
        kernel.write_u32(at, me | waiting | word & linux.FUTEX_OWNER_DIED)
        return 0

    done = attempt()
    if done is not None:
        return done
    if not wait:
        raise Errno(linux.EAGAIN)

    # Nobody may spin here: the lock is handed over by the one who unlocks it.
    def handed_over() -> int | None:
        word = kernel.read_u32(at)
        if word & linux.FUTEX_TID_MASK == me:
            return 0
        return attempt() if not word & linux.FUTEX_TID_MASK else None

    return kernel.threads.wait(deadline=deadline, futex=at, bitset=0, ready=handed_over)


def _unlock(kernel: Kernel, at: int) -> int:
    me = kernel.threads.current.tid
    if kernel.read_u32(at) & linux.FUTEX_TID_MASK != me:
        raise Errno(linux.EPERM)
    waiters = kernel.threads.waiters(at)
    if not waiters:
        kernel.write_u32(at, 0)
        return 0
    waiting = linux.FUTEX_WAITERS if len(waiters) > 1 else 0
    kernel.write_u32(at, waiters[0].tid | waiting)
    kernel.threads.wake(waiters[0], 0)
    return 0


@syscall(449, "futex_waitv", "refused", "ENOSYS: nothing may depend on it")
def futex_waitv(kernel: Kernel) -> int:
    raise Errno(linux.ENOSYS)
