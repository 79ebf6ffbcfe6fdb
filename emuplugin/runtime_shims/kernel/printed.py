"""What went to the standard streams, for those who come to the same place another way."""

from __future__ import annotations

#: Bytes that are remembered at most: what inits print is little.
MOST = 1 << 16


class Printed:
    """``parts``: each stream's number and what was written to it, in order. Once that is more than
    :data:`MOST` bytes, nothing is remembered, and ``complete`` is False."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, bytes]] = []
        self.complete = True
        self._size = 0

    def add(self, number: int, data: bytes) -> None:
        """Something is written to a stream."""
        if not self.complete:
            return
        self._size += len(data)
        if self._size > MOST:
            self.parts.clear()
            self.complete = False
        else:
            self.parts.append((number, data))
