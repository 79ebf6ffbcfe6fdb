"""Ending a call from outside: Ctrl-C, or another thread that no longer wants the result.

Where the goroutine of a call runs code that may be preempted anywhere, it is made to panic there,
as the runtime does for faults (``runtime/signal_unix.go: sigpanic``): deferred functions run and
the plugin stays usable. Where that does not come about in time, because the goroutine waits or
the runtime itself is busy, the run is given up and the machine with it.
"""

from __future__ import annotations

from time import monotonic

from emuplugin.cpu import registers as reg

from .caller import Caller
from .kernel import linux
from .patches import EntryTraps

_TO_PANIC = 0.08
_TO_RETURN = 1.0
"""Seconds until a machine is given up: from the request, or the next time that the guest runs, to
the panic, and from there to the end."""


class Interruption:
    """The wish to end the outermost call of a machine. ``error`` is what it is to end with."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._runtime = runtime = caller.runtime
        self.error: BaseException | None = None
        self._deadline: float | None = None
        self._traps: EntryTraps | None = None
        self._armed = False
        self._entry = runtime.function("runtime.asyncPreempt.abi0")
        self._panic = runtime.function("runtime.sigpanic0.abi0")
        self._top = runtime.process.engine.batch(reg.RSP)
        self._control = runtime.process.engine.batch(reg.RIP)

    def request(self, error: BaseException) -> None:
        """End the call with ``error``. Any thread may ask."""
        self._deadline = None
        self.error = error

    def end(self) -> None:
        """The outermost call is over."""
        self.error = None
        self._disarm()

    def tick(self) -> bool:
        """Called between runs of the engine every now and then. Whether the running goroutine is to
        be asked to give way."""
        if self.error is None:
            return False
        if self._deadline is None:
            self._deadline = monotonic() + _TO_PANIC
        elif monotonic() > self._deadline:
            raise self.error
        if not self._armed:
            if self._traps is None:
                self._traps = EntryTraps(self._runtime.process, 1)
            self._traps.add({self._entry: self._preempted})
            self._armed = True
        return True

    def sleeping(self) -> None:
        """Called before and after the whole machine sleeps for real: nobody is there to panic."""
        if self.error is not None:
            raise self.error

    def _disarm(self) -> None:
        if self._armed:
            assert self._traps is not None
            self._traps.remove((self._entry,))
            self._armed = False

    def _preempted(self) -> bool:
        """The running goroutine gives way; the place where it was is on its stack."""
        runtime = self._runtime
        g = runtime.g
        if self.error is None or g != self._caller.waited or g not in self._caller.hosts:
            return False
        pc = runtime.memory.read_u64(self._top.load()[0])
        for field, value in (
            ("sig", linux.SIGINT), ("sigcode0", 0), ("sigcode1", 0), ("sigpc", pc),
        ):  # fmt: skip
            runtime.set_at(g, "runtime.g", field, value)
        self._deadline = monotonic() + _TO_RETURN
        self._disarm()
        self._control.values[0] = self._panic
        self._control.store()
        return False
