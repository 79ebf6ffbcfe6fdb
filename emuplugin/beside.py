"""Doing something while something else is done."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """An action in a thread of its own: while the host reads and copies for one, the other runs
    Python.

    It is a bare thread: one of :mod:`threading` takes as long to start as a plugin to be found."""

    def __init__(self, action: Callable[[], T]) -> None:
        self._action = action
        self._outcomes: list[T] = []
        self._error: BaseException | None = None
        self._done = _thread.allocate_lock()
        self._done.acquire()
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # no thread, or the interpreter is about to end
            self._run()

    def _run(self) -> None:
        try:
            self._outcomes.append(self._action())
        except BaseException as error:
            self._error = error
        finally:
            self._done.release()

    def outcome(self) -> T:
        """Wait for it. Raises what the action has raised."""
        with self._done:
            if self._error is not None:
                raise self._error
            return self._outcomes[0]
