"""Calls that asyncio can wait for: they run in a thread, one for each machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emuplugin.values.guest import Guest


class Worker:
    """The thread in which one machine's calls run while the event loop goes on."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="emuplugin")
        self._running: object = None
        self._lock = Lock()

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call ``function`` in the thread, after what was called before.

        When the task is cancelled a call that waits for its turn is not made, and one that runs is
        interrupted, as on Ctrl-C.
        """
        context, token = copy_context(), object()

        def run() -> Any:
            with self._lock:
                self._running = token
            try:
                return context.run(function, *args)
            finally:
                with self._lock:
                    self._running = None

        future = self._executor.submit(run)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            with self._lock:
                if self._running is token:
                    self._guest.interrupt()
            raise

    def close(self) -> None:
        """Let the thread end."""
        self._executor.shutdown(wait=False, cancel_futures=True)
