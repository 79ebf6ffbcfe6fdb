"""Threads of the emulated process: who runs, and who waits for what.

One thread runs at a time, on the one processor. A thread that has to wait gives way to the next
that can run; when none can, the virtual clock jumps to the nearest deadline, or the machine sleeps
for real: by the host's clock, or because something outside can wake a thread. Where nothing can
ever happen again: :class:`AllAsleepError`.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from emuplugin.cpu import registers as reg
from emuplugin.cpu.memory import GuestMemoryError

from . import linux
from .table import Errno

if TYPE_CHECKING:
    from .kernel import Kernel

# System calls that start again after a handler with SA_RESTART, if they wait without a timeout:
# read, write, ioctl, readv, writev, connect, accept, sendto, recvfrom, sendmsg, recvmsg, wait4,
# fcntl, flock, futex, openat, accept4, preadv, pwritev, recvmmsg, sendmmsg, getrandom.
# See man 7 signal.
_RESTARTED = frozenset(
    (0, 1, 16, 19, 20, 42, 43, 44, 45, 46, 47, 61, 72, 73, 202, 257, 288, 295, 296, 299, 307, 318)
)
_ROBUST_LIST_LIMIT = 2048


class AllAsleepError(Exception):
    """Every thread waits, none with a deadline."""


class WaitingError(Exception):
    """Internal: the calling thread waits now; its system call has no result yet."""


class Pending(NamedTuple):
    """A signal that was sent and not delivered. ``info`` is its ``siginfo_t``, without padding."""

    number: int
    info: bytes


@dataclass(slots=True)
class Wait:
    """What a thread waits for. ``ready`` gives the result once there is one; ``timeout`` is the
    result when the deadline (monotonic nanoseconds) passes first. ``interrupted`` is called when a
    signal ends the wait; ``signals`` are those (a mask) that the call itself waits for; ``call`` is
    the system call."""

    deadline: int | None
    timeout: int
    futex: int = 0
    bitset: int = 0
    ready: Callable[[], int | None] | None = None
    interrupted: Callable[[], None] | None = None
    signals: int = 0
    call: int = -1


@dataclass(slots=True, eq=False)
class Thread:
    """``context`` holds the registers while another thread has the processor; ``result`` goes
    into RAX when it is this one's turn again.

    ``saved_mask`` is the mask to return to after a call that changed it for its own time.
    ``interrupted`` says that a signal ended the thread's call and nobody has looked at it since;
    ``restart`` is that call, if a handler's SA_RESTART may restart it.
    """

    tid: int
    context: Any = None
    start: dict[int, int] | None = None
    result: int | None = None
    wait: Wait | None = None
    signal_mask: int = 0
    saved_mask: int | None = None
    pending: deque[Pending] = field(default_factory=deque)
    alternate_stack: tuple[int, int, int] = (0, linux.SS_DISABLE, 0)
    interrupted: bool = False
    restart: int | None = None
    clear_child_tid: int = 0
    robust_list: int = 0
    name: bytes = b""
    policy: int = 0
    affinity: int = (1 << 64) - 1
    cpu: int = 0


class Threads:
    """The threads of one process. ``current`` has the processor."""

    def __init__(self, kernel: Kernel, pid: int) -> None:
        self._kernel = kernel
        self.current = Thread(pid)
        self.all: dict[int, Thread] = {pid: self.current}
        self.switch_to: Thread | None = None
        #: Called when every thread waits, before time passes: True if it has woken one.
        self.on_stall: Callable[[], bool] = _nobody
        #: Called when a wait ends, with its result; for those who look on.
        self.on_wake: Callable[[Thread, int | None], None] | None = None
        #: Who can run, in turn.
        self.runnable: deque[Thread] = deque()
        self.last_tid = pid
        #: When the current thread got the processor, on the clock of work.
        self.since = 0

    # --- waiting ----------------------------------------------------------------------------

    def wait(
        self,
        *,
        deadline: int | None = None,
        timeout: int = -linux.ETIMEDOUT,
        futex: int = 0,
        bitset: int = 0,
        ready: Callable[[], int | None] | None = None,
        interrupted: Callable[[], None] | None = None,
        signals: int = 0,
    ) -> int:
        """Let the current thread wait. Returns the result if it need not give way for it."""
        thread, kernel = self.current, self._kernel
        call = kernel.engine.read_register(reg.RAX)
        thread.wait = Wait(deadline, timeout, futex, bitset, ready, interrupted, signals, call)
        if (thread.pending or kernel.signals.shared) and kernel.signals.deliverable(thread):
            self.interrupt(thread)
            kernel.engine.stop_at_once()
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
        while not self.runnable:
            if not self.on_stall():
                self._let_time_pass()
                self._wake_the_ready()
        return self.runnable.popleft()

    def park(self) -> None:
        """Let the current thread wait until it is woken. Only between runs of the engine."""
        self.current.wait = Wait(None, 0)
        self.switch_to = self._next()

    def _let_time_pass(self) -> None:
        """Everybody sleeps: until the nearest deadline, or until something happens outside."""
        kernel = self._kernel
        deadlines = [
            thread.wait.deadline
            for thread in self.all.values()
            if thread.wait is not None and thread.wait.deadline is not None
        ]
        timer = kernel.timers.nearest()
        if timer is not None:
            deadlines.append(timer)
        if not deadlines:
            if not kernel.outside.active and not kernel.awaits_signals():
                raise AllAsleepError
            kernel.sleep(None)
            return
        nearest = min(deadlines)
        if kernel.clock.virtual and not kernel.outside.active:
            kernel.clock.advance_to(nearest)
        else:
            kernel.sleep(max(nearest - kernel.clock.monotonic(), 0) / 1e9)

    def _wake_the_ready(self) -> None:
        kernel = self._kernel
        kernel.timers.check()
        now = None
        expired = []
        for thread in list(self.all.values()):
            wait = thread.wait
            if wait is None:
                continue
            if wait.ready is not None and (result := self._attempt(thread, wait)) is not None:
                self.wake(thread, result)
            elif wait.deadline is not None:
                now = now or kernel.clock.monotonic()
                if wait.deadline <= now:
                    expired.append((wait.deadline, thread.tid, thread))
        for _, _, thread in sorted(expired, key=lambda entry: entry[:2]):
            if thread.wait is not None:
                self.wake(thread, thread.wait.timeout)

    def _attempt(self, thread: Thread, wait: Wait) -> int | None:
        """What a waiting thread's ``ready`` says. It is that thread's call: its errors are its
        results, and who it is matters to what it may do."""
        assert wait.ready is not None
        current, self.current = self.current, thread
        try:
            return wait.ready()
        except Errno as error:
            return -error.number
        except GuestMemoryError:
            return -linux.EFAULT
        finally:
            self.current = current

    def wake(self, thread: Thread, result: int | None) -> None:
        """End a thread's wait with ``result``."""
        if self.on_wake is not None:
            self.on_wake(thread, result)
        thread.wait = None
        thread.result = result
        if thread.saved_mask is not None and result != -linux.EINTR:
            thread.signal_mask, thread.saved_mask = thread.saved_mask, None
        self.runnable.append(thread)

    def interrupt(self, thread: Thread) -> None:
        """A signal came for a thread: if it waits, its call fails with EINTR."""
        wait = thread.wait
        if wait is None:
            return
        if wait.interrupted is not None:
            wait.interrupted()
        if wait.deadline is None and wait.call in _RESTARTED:
            thread.restart = wait.call
        thread.interrupted = True
        self.wake(thread, -linux.EINTR)

    # --- the processor ----------------------------------------------------------------------

    def yield_(self) -> None:
        """Put the current thread behind all others that can run."""
        self._wake_the_ready()
        if self.runnable:
            self.runnable.append(self.current)
            self._give_way(self.runnable.popleft())

    def _give_way(self, thread: Thread) -> None:
        self.switch_to = thread
        self._kernel.engine.stop_at_once()

    def switch(self) -> None:
        """Give the processor to ``switch_to``. Only between runs of the engine."""
        target = self.switch_to
        self.switch_to = None
        if target is None or target is self.current:
            return
        engine = self._kernel.engine
        now = self._kernel.clock.cpu()
        self.current.cpu += now - self.since
        self.since = now
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

    def cpu_time(self, tid: int) -> int:
        """Nanoseconds of work that a thread has done."""
        thread = self.all[tid]
        return thread.cpu + (self._kernel.clock.cpu() - self.since if thread is self.current else 0)

    def add(self, start: dict[int, int]) -> Thread:
        """A new thread: the current one's registers, but for those in ``start``."""
        limit = self._kernel.sandbox.limits.threads
        if len(self.all) >= limit:
            raise Errno(linux.EAGAIN)
        self.last_tid += 1
        thread = Thread(self.last_tid, self._kernel.engine.save(), start)
        thread.signal_mask = self.current.signal_mask
        thread.name = self.current.name
        thread.policy, thread.affinity = self.current.policy, self.current.affinity
        self.all[thread.tid] = thread
        self.runnable.append(thread)
        return thread

    def exit_current(self) -> None:
        """End the current thread and go on with another."""
        thread = self.current
        self._release_robust_locks(thread)
        del self.all[thread.tid]
        self._kernel.timers.thread_ended(thread.tid)
        if thread.clear_child_tid:
            # As in Linux: the address is the thread's own affair.
            with suppress(Errno):
                self._kernel.write_u32(thread.clear_child_tid, 0)
                self.wake_futex(thread.clear_child_tid, 1)
        self._give_way(self._next())
        raise WaitingError

    def _release_robust_locks(self, thread: Thread) -> None:
        """Mark the locks that a thread holds as those of a dead owner and wake who waits for them
        (``kernel/futex/core.c: exit_robust_list``)."""
        if not thread.robust_list:
            return
        head, kernel = thread.robust_list, self._kernel
        try:
            entry, offset, operation = struct.unpack("<QqQ", kernel.read(head, 24))
            for _ in range(_ROBUST_LIST_LIMIT):
                if entry & ~1 == head:
                    break
                following = kernel.read_u64(entry & ~1)
                if entry != operation:
                    self._mark_dead((entry & ~1) + offset, thread.tid)
                entry = following
            if operation:
                self._mark_dead((operation & ~1) + offset, thread.tid)
        except (Errno, GuestMemoryError):
            return  # as in Linux: the list is the thread's own affair

    def _mark_dead(self, at: int, tid: int) -> None:
        word = self._kernel.read_u32(at)
        if word & linux.FUTEX_TID_MASK == tid:
            self._kernel.write_u32(at, word & linux.FUTEX_WAITERS | linux.FUTEX_OWNER_DIED)
            if word & linux.FUTEX_WAITERS:
                self.wake_futex(at, 1)

    # --- futexes (see futex.py) -------------------------------------------------------------

    def waiters(self, address: int) -> list[Thread]:
        """Who waits at a futex, in the order of their tids."""
        return [t for t in self.all.values() if t.wait is not None and t.wait.futex == address]

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


def _nobody() -> bool:
    return False
