"""A thread that interrupts long runs, so that loops without system calls cannot hold the machine.

Stopping the engine from another thread costs the running one nothing, unlike the engine's own
``timeout=``. The thread ends when nothing has run for a while, and it does not keep the machine
alive: one that nobody holds any more is collected like any object.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from weakref import ReferenceType, WeakMethod, ref

#: Seconds between two interruptions of a run: the time slice of Go's sysmon (forcePreemptNS).
PERIOD = 0.01
# After so many seconds without a run the thread ends; the next run starts another.
_IDLE = 1.0


class Watchdog:
    """``with watchdog:`` around a run calls ``wake``, a method, every :data:`PERIOD` seconds from
    a thread."""

    def __init__(self, wake: Callable[[], None] | None = None) -> None:
        self._wake: Callable[[], Callable[[], None] | None] = _nobody
        if wake is not None:
            self.call(wake)
        self._depth = 0
        self._runs = 0
        self._awake = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        # Ends the thread's pause at once.
        self._end = threading.Event()

    def call(self, wake: Callable[[], None]) -> None:
        """Call this method from now on, as long as its object lives."""
        self._wake = WeakMethod(wake)

    def __enter__(self) -> None:
        """A run begins."""
        if not self._depth:  # a run inside a run belongs to the outer one's time
            self._runs += 1
        self._depth += 1
        if not self._awake:
            self._start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1

    # A ``with`` statement costs more than the run of a small function.
    begin = __enter__

    @property
    def running(self) -> bool:
        """Whether a run is on."""
        return self._depth > 0

    def end(self) -> None:
        """The run that :meth:`begin` announced is over."""
        self._depth -= 1

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._end.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _start(self) -> None:
        with self._lock:
            if not self._awake and not self._closed:
                self._awake = True
                self._thread = threading.Thread(
                    target=_watch,
                    args=(ref(self), self._end),
                    name="emuplugin-watchdog",
                    daemon=True,
                )
                self._thread.start()

    def tick(self, runs: int) -> bool:
        """Interrupt the run that is on if it is the one of ``runs``; whether any was on."""
        if self._depth and self._runs == runs:
            wake = self._wake()
            if wake is not None:
                wake()
        return bool(self._depth)

    @property
    def runs(self) -> int:
        """How many runs there were."""
        return self._runs

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def rest(self) -> bool:
        """Called by the thread that wants to end. False when a run has begun meanwhile."""
        with self._lock:
            # In this order: a run counts itself first and looks for a thread afterwards.
            self._awake = False
            self._awake = bool(self._depth)
            return not self._awake


def _nobody() -> None:
    """Nobody is to be called yet."""


def _watch(reference: ReferenceType[Watchdog], end: threading.Event) -> None:
    """The thread. It holds the watchdog only for moments."""
    idle, runs = 0.0, -1
    while True:
        end.wait(PERIOD)
        watchdog = reference()
        if watchdog is None or watchdog.closed:
            return
        idle = 0.0 if watchdog.tick(runs) or watchdog.runs != runs else idle + PERIOD
        if idle >= _IDLE:
            if watchdog.rest():
                return
            idle = 0.0
        runs = watchdog.runs
        del watchdog
