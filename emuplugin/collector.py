"""Python's collector of cycles, kept still while much is made that stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def still() -> Iterator[None]:
    """Without the collector: opening and importing make many objects, all of which stay, and each
    look at them, and at those of all modules, takes longer than a warm opening. Afterwards they are
    old, as they would be if it had looked at them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if not gc.get_freeze_count():  # else the program has objects of its own there
                gc.freeze()
                gc.unfreeze()
            gc.enable()
