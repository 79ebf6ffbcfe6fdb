"""Threads of the emulated process: who runs, who waits for what, and futexes (man 2 clone, futex).

One thread runs at a time, on the one processor. A thread that has to wait gives way to the next
that can run; when none can, the virtual clock jumps to the nearest deadline. Where there is no
deadline either, nothing can ever happen again: :class:`AllAsleepError`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emuplugin.cpu import registers as reg

from . import linux
from .clock import timespec
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel


class AllAsleepError(Exception):
    """Every thread waits, none with a deadline."""


class WaitingError(Exception):
    """Internal: the calling thread waits now; its system call has no result yet."""


@dataclass(slots=True)
class Wait:
    """What a thread waits for. ``ready`` gives the result once there is one; ``timeout`` is the
    result when the deadline (monotonic nanoseconds) passes first."""

    deadline: int | None
    timeout: int
    futex: int = 0
    bitset: int = 0
    ready: Callable[[], int | None] | None = None


@dataclass(slots=True, eq=False)
class Thread:
    """``context`` holds the registers while another thread has the processor; ``result`` goes
    into RAX when it is this one's turn again."""

    tid: int
    context: Any = None
    start: dict[int, int] | None = None
    result: int | None = None
    wait: Wait | None = None
    signal_mask: int = 0
    pending: deque[tuple[int, int, int]] = field(default_factory=deque)
    alternate_stack: tuple[int, int, int] = (0, linux.SS_DISABLE, 0)
    clear_child_tid: int = 0


class Threads:
    """The threads of one process. ``current`` has the processor."""

    def __init__(self, kernel: Kernel, pid: int) -> None:
        self._kernel = kernel
        self.current = Thread(pid)
        self.all: dict[int, Thread] = {pid: self.current}
        self.switch_to: Thread | None = None
        self._runnable: deque[Thread] = deque()
        self._last_tid = pid

    # --- waiting ----------------------------------------------------------------------------

    def wait(
        self,
        *,
        deadline: int | None = None,
        timeout: int = -linux.ETIMEDOUT,
        futex: int = 0,
        bitset: int = 0,
        ready: Callable[[], int | None] | None = None,
    ) -> int:
        """Let the current thread wait. Returns the result if it need not give way for it."""
        thread = self.current
        thread.wait = Wait(deadline, timeout, futex, bitset, ready)
        nearest = self._next()
        if nearest is thread:
            result = thread.result
            thread.result = None
            return result or 0
        self._give_way(nearest)
        raise WaitingError

    def _next(self) -> Thread:
        """The next thread to run, waking one by letting time pass if need be."""
        self._wake_the_ready()
        if not self._runnable:
            waiting = [t for t in self.all.values() if t.wait and t.wait.deadline is not None]
            if not waiting:
                raise AllAsleepError
            first = min(waiting, key=lambda t: (t.wait.deadline, t.tid))  # type: ignore[union-attr]
            assert first.wait is not None
            assert first.wait.deadline is not None
            self._kernel.clock.advance_to(first.wait.deadline)
            self.wake(first, first.wait.timeout)
        return self._runnable.popleft()

    def _wake_the_ready(self) -> None:
        now = None
        for thread in self.all.values():
            wait = thread.wait
            if wait is None:
                continue
            if wait.ready is not None and (result := wait.ready()) is not None:
                self.wake(thread, result)
            elif wait.deadline is not None:
                now = now or self._kernel.clock.monotonic()
                if wait.deadline <= now:
                    self.wake(thread, wait.timeout)

    def wake(self, thread: Thread, result: int | None) -> None:
        """End a thread's wait with ``result``."""
        thread.wait = None
        thread.result = result
        self._runnable.append(thread)

    def interrupt(self, thread: Thread) -> None:
        """A signal came for a thread: if it waits, its call fails with EINTR."""
        if thread.wait is not None:
            self.wake(thread, -linux.EINTR)

    # --- the processor ----------------------------------------------------------------------

    def yield_(self) -> None:
        """Put the current thread behind all others that can run."""
        self._wake_the_ready()
        if self._runnable:
            self._runnable.append(self.current)
            self._give_way(self._runnable.popleft())

    def _give_way(self, thread: Thread) -> None:
        self.switch_to = thread
        self._kernel.engine.stop()

    def switch(self) -> None:
        """Give the processor to ``switch_to``. Only between runs of the engine."""
        target = self.switch_to
        self.switch_to = None
        if target is None or target is self.current:
            return
        engine = self._kernel.engine
        if self.current.tid in self.all:
            self.current.context = engine.save()
        engine.restore(target.context)
        target.context = None
        self.current = target
        if target.start is not None:
            for register, value in target.start.items():
                engine.write_register(register, value)
            target.start = None
        if target.result is not None:
            engine.write_register(reg.RAX, target.result & 0xFFFFFFFFFFFFFFFF)
            target.result = None

    def add(self, start: dict[int, int]) -> Thread:
        """A new thread: the current one's registers, but for those in ``start``."""
        limit = self._kernel.sandbox.limits.threads
        if len(self.all) >= limit:
            raise Errno(linux.EAGAIN)
        self._last_tid += 1
        thread = Thread(self._last_tid, self._kernel.engine.save(), start)
        thread.signal_mask = self.current.signal_mask
        self.all[thread.tid] = thread
        self._runnable.append(thread)
        return thread

    def exit_current(self) -> None:
        """End the current thread and go on with another."""
        thread = self.current
        del self.all[thread.tid]
        if thread.clear_child_tid:
            try:
                self._kernel.write_u32(thread.clear_child_tid, 0)
                self.wake_futex(thread.clear_child_tid, 1)
            except Errno:
                pass  # as in Linux: the address is the thread's own affair
        self._give_way(self._next())
        raise WaitingError

    def wake_futex(self, address: int, count: int, bitset: int = 0xFFFFFFFF) -> int:
        """Wake up to ``count`` threads that wait at ``address``; returns how many."""
        woken = 0
        for thread in list(self.all.values()):
            if woken >= count:
                break
            wait = thread.wait
            if wait is not None and wait.futex == address and wait.bitset & bitset:
                self.wake(thread, 0)
                woken += 1
        return woken

    def requeue(self, address: int, target: int, count: int) -> int:
        """Move up to ``count`` waiters from one futex to another."""
        moved = 0
        for thread in self.all.values():
            if moved < count and thread.wait is not None and thread.wait.futex == address:
                thread.wait.futex = target
                moved += 1
        return moved


@syscall(
    202, "futex", "partial", "WAIT, WAKE, their BITSET forms, REQUEUE; no priority inheritance"
)
def futex(kernel: Kernel, at: int, op: int, value: int, timeout: int, at2: int, value3: int) -> int:
    command = op & ~(linux.FUTEX_PRIVATE_FLAG | linux.FUTEX_CLOCK_REALTIME) & 0xFFFFFFFF
    value &= 0xFFFFFFFF
    if at & 3:
        raise Errno(linux.EINVAL)
    if command in (linux.FUTEX_WAIT, linux.FUTEX_WAIT_BITSET):
        if kernel.read_u32(at) != value:
            raise Errno(linux.EAGAIN)
        deadline = None
        if timeout:
            deadline = timespec(kernel, timeout)
            if command == linux.FUTEX_WAIT:
                deadline += kernel.clock.monotonic()
            elif op & linux.FUTEX_CLOCK_REALTIME:
                deadline += kernel.clock.monotonic() - kernel.clock.realtime()
        bitset = value3 & 0xFFFFFFFF if command == linux.FUTEX_WAIT_BITSET else 0xFFFFFFFF
        if not bitset:
            raise Errno(linux.EINVAL)
        return kernel.threads.wait(deadline=deadline, futex=at, bitset=bitset)
    if command == linux.FUTEX_WAKE:
        return kernel.threads.wake_futex(at, value)
    if command == linux.FUTEX_WAKE_BITSET:
        return kernel.threads.wake_futex(at, value, value3 & 0xFFFFFFFF)
    if command in (linux.FUTEX_REQUEUE, linux.FUTEX_CMP_REQUEUE):
        if command == linux.FUTEX_CMP_REQUEUE and kernel.read_u32(at) != value3 & 0xFFFFFFFF:
            raise Errno(linux.EAGAIN)
        woken = kernel.threads.wake_futex(at, value)
        return woken + kernel.threads.requeue(at, at2, timeout & 0xFFFFFFFF)
    raise Errno(linux.ENOSYS)


@syscall(56, "clone", "partial", "threads of this process; a new process is refused with EPERM")
def clone(kernel: Kernel, flags: int, stack: int, parent_tid: int, child_tid: int, tls: int) -> int:
    if not flags & linux.CLONE_VM or not flags & linux.CLONE_THREAD:
        kernel.report_refusal("clone")
        raise Errno(linux.EPERM)
    start = {reg.RAX: 0, reg.RIP: kernel.engine.rip + 2}  # behind the syscall instruction
    if stack:
        start[reg.RSP] = stack
    if flags & linux.CLONE_SETTLS:
        start[reg.FS_BASE] = tls
    thread = kernel.threads.add(start)
    if flags & linux.CLONE_PARENT_SETTID:
        kernel.write_u32(parent_tid, thread.tid)
    if flags & linux.CLONE_CHILD_SETTID:
        kernel.write_u32(child_tid, thread.tid)
    if flags & linux.CLONE_CHILD_CLEARTID:
        thread.clear_child_tid = child_tid
    return thread.tid


@syscall(60, "exit")
def exit_(kernel: Kernel, status: int) -> int:
    if len(kernel.threads.all) == 1:
        kernel.exit(status & 0xFF)
    kernel.threads.exit_current()
    raise AssertionError("unreachable")


@syscall(231, "exit_group")
def exit_group(kernel: Kernel, status: int) -> int:
    kernel.exit(status & 0xFF)
    raise AssertionError("unreachable")


@syscall(24, "sched_yield")
def sched_yield(kernel: Kernel) -> int:
    kernel.threads.yield_()
    return 0


@syscall(186, "gettid")
def gettid(kernel: Kernel) -> int:
    return kernel.threads.current.tid


@syscall(218, "set_tid_address")
def set_tid_address(kernel: Kernel, at: int) -> int:
    kernel.threads.current.clear_child_tid = at
    return kernel.threads.current.tid


@syscall(273, "set_robust_list", "partial", "accepted and ignored")
def set_robust_list(kernel: Kernel, head: int, size: int) -> int:
    if size != 24:
        raise Errno(linux.EINVAL)
    return 0


@syscall(204, "sched_getaffinity")
def sched_getaffinity(kernel: Kernel, pid: int, size: int, mask: int) -> int:
    if size < 8 or size % 8 or signed32(pid) < 0:
        raise Errno(linux.EINVAL)
    kernel.write(mask, ((1 << kernel.sandbox.cpus) - 1).to_bytes(8, "little"))
    return 8


@syscall(203, "sched_setaffinity", "partial", "accepted and ignored")
def sched_setaffinity(kernel: Kernel, pid: int, size: int, mask: int) -> int:
    return 0
