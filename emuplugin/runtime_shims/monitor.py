"""What ``sysmon`` does for goroutines in long system calls (``runtime/proc.go: retake``).

A thread that waits in a system call keeps its P, the right to run goroutines, for a while: most
calls are short. If it gets long, sysmon gives the P to another thread. The plugin has no sysmon, so
this is one: a thread with an M of its own, started like the runtime's, that sleeps in a trap. When
every thread of the machine waits, before time passes, it hands over the Ps that are held in system
calls, by the runtime's own ``handoffp``.
"""

from __future__ import annotations

from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import PAGE_SIZE, PROT_EXEC, PROT_READ

from .goruntime import GoRuntime
from .kernel.threads import Thread

_CODE = 0x2_4000_0000
_HLT = b"\xf4"
# runtime/runtime2.go
_IDLE, _RUNNING, _SYSCALL = 0, 1, 2
_G_SYSCALL = 3
_ALL_SIGNALS = (1 << 64) - 1


class Monitor:
    """The thread. It exists once :meth:`arrived` was reached."""

    def __init__(self, runtime: GoRuntime, *, there: bool = False) -> None:
        """``there``: memory that is to come holds its code."""
        self._runtime = runtime
        self._thread: Thread | None = None
        self._base = 0
        process = runtime.process
        if not there:
            executable = PROT_READ | PROT_EXEC
            process.space.map(_CODE, PAGE_SIZE, executable, "[emuplugin monitor]", populate=True)
            process.memory.write(_CODE, _HLT)
        process.trap(_CODE, self._arrived)
        self.entry = _CODE
        # P.status says it until Go 1.25; since then the goroutine does.
        self._by_goroutine = runtime.layout.has("runtime.schedt", "nGsyscallNoP")

    @property
    def state(self) -> tuple[int, int] | None:
        """The thread's tid and where its stack begins; None before it has arrived."""
        return None if self._thread is None else (self._thread.tid, self._base)

    def resume(self, state: tuple[int, int]) -> None:
        """Be the monitor whose thread has arrived already."""
        threads = self._runtime.process.kernel.threads
        self._thread, self._base = threads.all[state[0]], state[1]
        threads.on_stall = self._hand_over

    def _arrived(self) -> bool:
        """The thread has started, or has handed over a P."""
        threads = self._runtime.process.kernel.threads
        if self._thread is None:
            self._thread = threads.current
            self._thread.signal_mask = _ALL_SIGNALS
            self._base = self._runtime.process.engine.read_register(reg.RSP)
            sched = self._runtime.get("runtime.sched", "nmsys")
            self._runtime.set("runtime.sched", sched + 1, "nmsys")
            threads.on_stall = self._hand_over
        threads.park()
        return False

    def _hand_over(self) -> bool:
        """Take one P from a thread in a system call and have it handed over. Whether there was
        one."""
        thread, runtime = self._thread, self._runtime
        if thread is None or thread.wait is None:
            return False
        first = runtime.get("runtime.allp", "array")
        for index in range(runtime.get("runtime.allp", "len")):
            p = runtime.memory.read_u64(first + 8 * index)
            if p and self._take(p):
                runtime.memory.write_u64(self._base - 8, _CODE)
                thread.start = {
                    reg.RIP: runtime.function("runtime.handoffp"),
                    reg.RAX: p,
                    reg.RSP: self._base - 8,
                }
                runtime.process.kernel.threads.wake(thread, None)
                return True
        return False

    def _take(self, p: int) -> bool:
        """Make a P idle if its thread is in a system call (``syscallingThread.releaseP``)."""
        runtime = self._runtime
        status = runtime.get_at(p, "runtime.p", "status")
        if not self._by_goroutine:
            if status != _SYSCALL:
                return False
        else:
            m = runtime.get_at(p, "runtime.p", "m")
            g = runtime.get_at(m, "runtime.m", "curg") if m else 0
            if status != _RUNNING or not g:
                return False
            if runtime.get_at(g, "runtime.g", "atomicstatus.value") != _G_SYSCALL:
                return False
            runtime.set_at(p, "runtime.p", "m", 0)
            runtime.set_at(m, "runtime.m", "p", 0)
            without = runtime.get("runtime.sched", "nGsyscallNoP")
            runtime.set("runtime.sched", without + 1, "nGsyscallNoP")
        runtime.set_at(p, "runtime.p", "status", _IDLE)
        tick = runtime.get_at(p, "runtime.p", "syscalltick")
        runtime.set_at(p, "runtime.p", "syscalltick", (tick + 1) & 0xFFFFFFFF)
        return True
