"""Scheduling: letting the plugin's goroutines run while Python waits for one of them.

Blocking in Go is no way to wait: if no goroutine is left that could end the wait, the runtime ends
the process. So Python looks whether what it waits for is there, yields to the other goroutines,
and lets the machine's clock move on to the next timer, until it is, or until all are asleep.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from emuplugin.errors import EmulationError

if TYPE_CHECKING:
    from emuplugin.values.guest import Guest

_SCHED_TICK = 16
"""``runtime.p.schedtick``, behind id, status and link."""
_NEVER = (1 << 63) - 1
"""``runtime.maxWhen``: no timer."""
_MAX_SLEEP = (1 << 32) - 1000
"""Nanoseconds; ``usleep`` takes 32 bits of microseconds, and shorter naps cost nothing."""


class Scheduling:
    """The scheduler of one machine, seen from its caller goroutine."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._mcall = self._address("runtime.mcall")
        # runtime/proc.go: gosched_m(gp *g), as a func value
        self._gosched = self._address("runtime.gosched_m·f")
        self._allp = self._address("runtime.allp")
        self._until = self._address("runtime.timeSleepUntil")
        self._usleep = self._address("runtime.usleep.abi0")
        self._osyield = self._address("runtime.osyield.abi0")
        self._nanotime = self._address("runtime.nanotime1.abi0")

    def now(self) -> int:
        """``runtime.nanotime``: the machine's monotonic clock, in nanoseconds."""
        result = self._guest.call(self._nanotime, 0, (), (), b"", 8)
        value: int = struct.unpack("<q", result.stack)[0]
        return value

    def run_others(self) -> bool:
        """Let the runnable goroutines run; False if there were none, or they only woke others."""
        before = self._ticks()
        # Threads that a signal or a system call has woken make their goroutines runnable.
        self._guest.call(self._osyield, 0, (), (), b"", 0)
        # Twice, because each 61st time the scheduler prefers who waits longest, which is this one.
        for _ in range(2):
            self._guest.call_words(self._mcall, 0, (self._gosched,))
        # One tick each is for the caller goroutine itself.
        return self._ticks() - before & 0xFFFFFFFF > 2

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """Run goroutines until ``ready`` says yes: True. False after ``timeout`` seconds of the
        machine's clock, or at once if nothing is left that could run; see :meth:`asleep`."""
        if ready():
            return True
        end = None if timeout is None else self.now() + int(timeout * 1e9)
        while end is None or self.now() < end:
            if self.run_others():
                if ready():
                    return True
                continue
            if ready():
                return True
            wake = self._guest.call_words(self._until, 0, ())
            if wake >= _NEVER and end is None:
                return False
            self._sleep(min(wake, _NEVER if end is None else end))
        return False

    def asleep(self) -> bool:
        """Whether no goroutine can run and no timer is set."""
        return not self.run_others() and self._guest.call_words(self._until, 0, ()) >= _NEVER

    def _sleep(self, until: int) -> None:
        """Move the clock, in a thread that holds no lock of the runtime."""
        left = until - self.now()
        while left > 0:
            nap = min(left, _MAX_SLEEP)
            micros = struct.pack("<Q", -(-nap // 1000))
            self._guest.call(self._usleep, 0, (), (), micros, 8)
            left = until - self.now()

    def _ticks(self) -> int:
        memory = self._guest.memory
        first = memory.read_u64(memory.read_u64(self._allp))
        return memory.read_u32(first + _SCHED_TICK)

    def _address(self, name: str) -> int:
        address = self._guest.symbol(name)
        if address is None:
            raise EmulationError(f"the plugin's runtime has no symbol {name}")
        return address
