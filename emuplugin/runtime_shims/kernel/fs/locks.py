"""Advisory locks of an inode: flock, POSIX record locks, and those of open files (OFD).

There is one process, so POSIX locks never conflict with each other; they do with OFD locks. Locks
are the machine's own: a lock on a mounted file is not one on the host.
"""

from __future__ import annotations

from typing import NamedTuple

from .. import linux

END = (1 << 63) - 1


class Range(NamedTuple):
    """A locked range, ``[start, end]``; ``owner`` is the open file, or None for the process."""

    owner: object
    kind: int
    start: int
    end: int


class Locks:
    """All locks of one inode."""

    def __init__(self) -> None:
        self._ranges: list[Range] = []
        self._whole: dict[object, int] = {}

    @property
    def is_empty(self) -> bool:
        return not self._ranges and not self._whole

    def conflict(self, wanted: Range) -> Range | None:
        """The first lock that stands in the way of another one."""
        for held in sorted(self._ranges, key=lambda r: r.start):
            if (
                held.owner is not wanted.owner
                and held.start <= wanted.end
                and wanted.start <= held.end
                and linux.F_WRLCK in (held.kind, wanted.kind)
            ):
                return held
        return None

    def set(self, wanted: Range) -> bool:
        """Set or, with F_UNLCK, remove a lock. False if another one is in the way."""
        if wanted.kind != linux.F_UNLCK and self.conflict(wanted) is not None:
            return False
        kept: list[Range] = []
        for held in self._ranges:
            apart = held.end < wanted.start or wanted.end < held.start
            if held.owner is not wanted.owner or apart:
                kept.append(held)
                continue
            if held.start < wanted.start:
                kept.append(held._replace(end=wanted.start - 1))
            if wanted.end < held.end:
                kept.append(held._replace(start=wanted.end + 1))
        if wanted.kind != linux.F_UNLCK:
            kept.append(wanted)
        self._ranges = kept
        return True

    def lock_whole(self, owner: object, kind: int) -> bool:
        """flock: LOCK_SH, LOCK_EX or LOCK_UN. False if another one is in the way."""
        if kind == linux.LOCK_UN:
            self._whole.pop(owner, None)
            return True
        for other, held in self._whole.items():
            if other is not owner and linux.LOCK_EX in (kind, held):
                return False
        self._whole[owner] = kind
        return True

    def release(self, owner: object) -> None:
        """Everything that ``owner`` holds."""
        self._ranges = [held for held in self._ranges if held.owner is not owner]
        self._whole.pop(owner, None)
