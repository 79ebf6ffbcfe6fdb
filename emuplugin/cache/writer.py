"""Writing beside: what goes into the cache when the plugin is in use already."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Writing:
    """Something that is being written; ``name`` is what it is found by."""

    def __init__(self, name: str, write: Callable[[], str]) -> None:
        self.name = name
        self._write = write
        # For the case that it comes to no end: an error of ours, or a fork, which leaves threads.
        self._outcome = "it was not written to the end"
        # The process waits for it when it ends.
        self._thread = threading.Thread(target=self._run, name="emuplugin cache", daemon=False)

    def _run(self) -> None:
        write, self._write = self._write, str  # which holds a copy of memory
        self._outcome = write()

    def start(self) -> None:
        """Begin. Raises RuntimeError where there can be no thread."""
        self._thread.start()

    def outcome(self) -> str:
        """Wait for the end: empty if it was written, else why not."""
        self._thread.join()
        return self._outcome


class Writer:
    """At most one thing is written at a time: who comes with the next waits for the one before, so
    that not much is in memory only to be written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Writing | None = None

    def write(self, name: str, write: Callable[[], str]) -> Callable[[], str]:
        """Call ``write`` soon, in another thread. What waits for its answer and returns it."""
        with self._lock:
            if self._last is not None:
                self._last.outcome()
            writing = Writing(name, write)
            try:
                writing.start()
            except RuntimeError:  # no thread, or the interpreter is about to end
                answer = write()
                return lambda: answer
            self._last = writing
            return writing.outcome

    def wait(self, name: str | None = None) -> None:
        """Until ``name``, or whatever it is, was written, if that is under way."""
        last = self._last
        if last is not None and name in (None, last.name):
            last.outcome()


#: Of this process.
writer = Writer()
