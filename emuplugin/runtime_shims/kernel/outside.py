"""What the machine waits for outside of itself: host sockets, Python code that will answer, time.

While every thread of the guest sleeps and something is registered here, or the clock is the
host's, the machine sleeps for real, in :meth:`Outside.wait`. Any Python thread can end that sleep
with :meth:`Outside.wake`; what the sleepers wait for is looked at again then.
"""

from __future__ import annotations

import selectors
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Protocol, cast

#: Seconds of one sleep at most. On Windows nothing interrupts a sleep, so Ctrl-C is looked for.
_LONGEST = 0.05 if sys.platform == "win32" else 3600.0


class HasFileno(Protocol):
    """A host socket (or, but not on Windows, any other file that can be waited for)."""

    def fileno(self) -> int: ...


Ready = list[tuple[HasFileno, int]]
"""Host objects and what they are ready for."""


class Outside:
    """Host objects to wait for. ``keep`` counts the reasons to wait that are no such object:
    Python code that is going to call :meth:`wake`."""

    def __init__(self) -> None:
        self.keep = 0
        #: Called with what is ready at the end of each wait.
        self.on_wait: Callable[[Ready], None] | None = None
        self._selector: selectors.BaseSelector | None = None
        self._objects: dict[HasFileno, int] = {}
        self._lock = threading.Lock()
        self._woken = False
        self._closed = False
        self._pair: tuple[socket.socket, socket.socket] | None = None

    @property
    def active(self) -> bool:
        """Whether anything outside can wake a sleeper."""
        return bool(self._objects) or self.keep > 0

    def add(self, fileobj: HasFileno, events: int) -> None:
        """Wait for ``fileobj`` to become ready for ``events`` (``selectors.EVENT_READ``,
        ``EVENT_WRITE``), from now on; for one that is known already, for these events instead.
        It counts as long as it is ready: an object that nobody looks at must be removed."""
        selector = self._open()
        if fileobj in self._objects:
            selector.modify(fileobj, events)
        else:
            selector.register(fileobj, events)
        self._objects[fileobj] = events

    def remove(self, fileobj: HasFileno) -> None:
        """Wait for ``fileobj`` no longer. Do this before closing it; unknown ones are ignored."""
        if self._objects.pop(fileobj, None) is not None and self._selector is not None:
            self._selector.unregister(fileobj)

    def wait(self, seconds: float | None) -> Ready:
        """Sleep until an object is ready, :meth:`wake` was called (before counts, too), or
        ``seconds`` have passed; also earlier. Ctrl-C raises KeyboardInterrupt."""
        selector = self._open()
        limit = _LONGEST if seconds is None else min(max(seconds, 0.0), _LONGEST)
        if self._woken:
            limit = 0.0
        found: Ready = []
        assert self._pair is not None
        for key, events in selector.select(limit):
            if key.fileobj is self._pair[0]:
                with self._lock:
                    self._woken = False
                    self._pair[0].recv(64)
            else:
                found.append((cast("HasFileno", key.fileobj), events))
        if self.on_wait is not None:
            self.on_wait(found)
        return found

    def wake(self) -> None:
        """End the sleep that is on, or the next one. Any thread may call it."""
        with self._lock:
            if not self._woken and not self._closed:
                self._woken = True
                if self._pair is not None:
                    self._pair[1].send(b"!")

    def forget(self) -> None:
        """Wait for nothing any more; the registered objects stay as they are."""
        for fileobj in tuple(self._objects):
            self.remove(fileobj)
        self.keep = 0
        self._woken = False

    def close(self) -> None:
        """Forget everything; the registered objects stay as they are."""
        with self._lock:
            self._closed = True
            self._objects.clear()
            if self._selector is not None:
                _close(self._selector, *(self._pair or ()))
                self._selector = self._pair = None

    def _open(self) -> selectors.BaseSelector:
        """The selector, made when it is first needed: most machines never sleep for real."""
        if self._selector is None:
            with self._lock:
                self._pair = socket.socketpair()
                for end in self._pair:
                    end.setblocking(False)
                self._selector = selectors.DefaultSelector()
                self._selector.register(self._pair[0], selectors.EVENT_READ)
                # A machine that nobody closes goes away quietly.
                weakref.finalize(self, _close, self._selector, *self._pair)
                if self._woken:
                    self._pair[1].send(b"!")
        return self._selector


def _close(*things: selectors.BaseSelector | socket.socket) -> None:
    for thing in things:
        thing.close()
