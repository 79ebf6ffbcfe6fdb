"""What several formats take: telling how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

#: Is told how many of how many events were written.
OnProgress = Callable[[int, int], None] | None

_STEP: Final = 10_000


def ticks(items: Iterable[T], total: int, on_progress: OnProgress) -> Iterator[T]:
    """The items; every ten thousand ``on_progress`` hears of it, and at the end."""
    if on_progress is None:
        yield from items
        return
    done = 0
    for done, item in enumerate(items, 1):
        yield item
        if done % _STEP == 0:
            on_progress(min(done, total), total)
    on_progress(total, total)
