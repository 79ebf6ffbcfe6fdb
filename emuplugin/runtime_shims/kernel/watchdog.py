"""A thread that interrupts long runs, so that loops without system calls cannot hold the machine.

Stopping the engine from another thread costs the running one nothing, unlike the engine's own
``timeout=``. Between runs the thread sleeps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

#: Seconds between two interruptions of a run: the time slice of Go's sysmon (forcePreemptNS).
PERIOD = 0.01
# After so many seconds without a run the thread ends; the next long run starts another.
_IDLE = 1.0


class Watchdog:
    """``with watchdog:`` around a run calls ``wake`` every :data:`PERIOD` seconds, from a thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._depth = 0
        self._runs = 0
        self._active = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False

    def __enter__(self) -> None:
        """A run begins."""
        self._depth += 1
        self._runs += 1
        if not self._active.is_set():
            self._active.set()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="emuplugin-watchdog", daemon=True
                )
                self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1

    # A ``with`` statement costs more than the run of a small function.
    begin = __enter__

    def end(self) -> None:
        """The run that :meth:`begin` announced is over."""
        self._depth -= 1

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._active.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        pause = threading.Event()
        idle = 0.0
        while not self._closed:
            before = self._runs
            pause.wait(PERIOD)
            if self._depth and self._runs == before:
                self._wake()
            elif not self._depth:
                idle += PERIOD
                if idle >= _IDLE:
                    idle = 0.0
                    self._active.clear()
                    if not self._depth:  # a run that started just now did not see the clear
                        self._active.wait()
            else:
                idle = 0.0
