"""Ctrl-C while this process waits for a worker."""

from __future__ import annotations

# The module signal converts every number to an enumeration and back: it would take longer than
# the rest of a call.
import _signal  # type: ignore[import-not-found]
import threading
from collections.abc import Callable
from signal import SIGINT
from time import monotonic
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class ControlC:
    """While a request is under way the handler is ours: it interrupts the guest, and the user's
    handler is called when the request is over. One that raises between two lines of ours could
    lose a part of a message. ``interrupt`` is what ends the request."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        #: When it was pressed during the request that is under way, by ``monotonic``.
        self.pressed: float | None = None
        self._interrupt = interrupt
        self._handlers: tuple[Any, Any] | None = None

    def held_back(self, action: Callable[..., T], *args: Any) -> T:
        """Make a request."""
        handler = _signal.getsignal(SIGINT) if _is_main_thread() else None
        if not callable(handler):
            return action(*args)
        pressed: list[FrameType | None] = []

        def note(number: int, frame: FrameType | None) -> None:
            pressed.append(frame)
            self.pressed = monotonic()
            self._interrupt()

        outer, self._handlers = self._handlers, (handler, note)
        _signal.signal(SIGINT, note)
        try:
            result = action(*args)
        except BaseException as ended:
            _signal.signal(SIGINT, handler)
            if pressed:
                _raise_instead(handler, pressed[0], ended)
            raise
        finally:
            _signal.signal(SIGINT, handler)
            self.pressed = None
            self._handlers = outer
        if pressed:
            handler(SIGINT, pressed[0])
        return result

    def let_through(self, action: Callable[..., T], *args: Any) -> T:
        """Serve a callback, which is Python of the user's: there it does what it always does."""
        handlers = self._handlers if _is_main_thread() else None
        if handlers is None:
            return action(*args)
        _signal.signal(SIGINT, handlers[0])
        try:
            return action(*args)
        finally:
            _signal.signal(SIGINT, handlers[1])


def _raise_instead(handler: Any, frame: FrameType | None, ended: BaseException) -> None:
    """What the user's handler raises, with the notes of what the request ended with."""
    try:
        handler(SIGINT, frame)
    except BaseException as error:
        for note in getattr(ended, "__notes__", ()):
            error.add_note(note)
        raise error from None


def _is_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident
