"""Python's collector of cycles, kept still while much is made that stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def still(*, for_good: bool = False) -> Iterator[None]:
    """Without the collector: opening and importing make many objects, all of which stay for now,
    and each look at them, and at those of all modules, takes longer than a warm opening.

    ``for_good``: they never go. Then they are old at once, which spares the look at the end. (Of
    old objects that go the collector would learn too late: it counts those that it has looked at.)
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if for_good and not gc.get_freeze_count():  # else the program has some of its own there
                gc.freeze()
                gc.unfreeze()
            gc.enable()
