"""Signals from Python to ``os/signal``: whether anybody waits for them, and their delivery while
nothing runs.

During a call the kernel takes what was posted at the next stop of the engine. Between calls the
processor stands where the last call ended, on a goroutine of the host's: the runtime's handler runs
from there and returns there.
"""

from __future__ import annotations

from .goruntime import GoRuntime

# var sig struct { note; mask, wanted, ignored, recv [3]uint32; state, delivering uint32;
# inuse bool } (runtime/sigqueue.go, the same from Go 1.21 to 1.27), with its padding 72 bytes.
_WANTED, _WANTED_SIZE, _IN_USE, _SIZE = 20, 12, 64, 72


class Signalling:
    """What ``runtime.sig`` says. The variable is there even if the plugin has no os/signal."""

    def __init__(self, runtime: GoRuntime) -> None:
        self._runtime = runtime
        self._sig = runtime.symbol("runtime.sig")
        self._kernel = runtime.process.kernel

    def awaited(self) -> bool:
        """Whether ``signal.Notify`` asked for any signal: then a process that does nothing else
        is not dead, a signal may come from outside."""
        if self._sig is None:
            return False
        state = self._runtime.memory.read(self._sig, _SIZE)
        return bool(state[_IN_USE]) and any(state[_WANTED : _WANTED + _WANTED_SIZE])

    def deliver(self) -> None:
        """Let the handlers of posted signals run. Only while no call is on."""
        kernel = self._kernel
        kernel.signals.take_posted()
        if kernel.signals.deliver_pending():
            kernel.run(kernel.engine.rip)
