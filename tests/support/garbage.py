"""Keeping Python's garbage collector out of a test."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """No garbage is collected inside. Python raises KeyboardInterrupt in whatever runs next: in the
    callback of a weak reference to garbage, a thread's among them, it drops it, and the Ctrl-C of
    the test is lost."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
