"""What ``sysmon`` does for a goroutine that runs too long (``runtime/proc.go: preemptone``).

The plugin has no sysmon. At the end of each time slice the running goroutine is asked to give way:
at its next function call (``stackguard0``), or, in a loop without calls, where the signal SIGURG
finds it.
"""

from __future__ import annotations

from emuplugin.cpu import registers as reg

from .goruntime import GoRuntime
from .image import TLS_G
from .kernel import linux

_STACK_PREEMPT = 0xFFFFFFFFFFFFFADE  # runtime/stack.go: stackPreempt
_RUNNING = 2  # runtime/runtime2.go: _Grunning


class Preemption:
    """Asks the running goroutine to give way."""

    def __init__(self, runtime: GoRuntime) -> None:
        self._runtime = runtime
        layout = runtime.layout
        self._asynchronous = layout.has("runtime.m", "signalPending")
        self._pending = layout.offset("runtime.m", "signalPending") if self._asynchronous else 0

    def tick(self) -> None:
        """Called between runs of the engine while a thread is in the middle of guest code."""
        runtime, memory = self._runtime, self._runtime.memory
        kernel = runtime.process.kernel
        fs_base = runtime.process.engine.read_register(reg.FS_BASE)
        g = memory.read_u64(fs_base + TLS_G) if fs_base else 0
        if not g:
            return
        m = runtime.get_at(g, "runtime.g", "m")
        if not m or runtime.get_at(m, "runtime.m", "curg") != g:
            return  # on g0 or in a signal handler
        if runtime.get_at(g, "runtime.g", "atomicstatus") != _RUNNING:
            return
        p = runtime.get_at(m, "runtime.m", "p")
        if not p:
            return
        runtime.set_at(g, "runtime.g", "preempt", 1)
        runtime.set_at(g, "runtime.g", "stackguard0", _STACK_PREEMPT)
        runtime.set_at(p, "runtime.p", "preempt", 1)
        if self._asynchronous and not memory.read_u32(m + self._pending):
            memory.write_u32(m + self._pending, 1)
            kernel.signals.send(kernel.threads.current, linux.SIGURG)
