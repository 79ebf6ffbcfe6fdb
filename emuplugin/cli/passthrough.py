"""Where a plugin's output goes by default: through, unchanged."""

from __future__ import annotations

import io
import sys


class Passthrough(io.RawIOBase):
    """Writes to this command's standard output, and knows whether the last line was ended."""

    def __init__(self) -> None:
        super().__init__()
        self._last = b"\n"

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write all of ``data``, now."""
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        self._last = data[-1:] or self._last
        return len(data)

    def end_line(self) -> None:
        """Put what is printed next on a line of its own."""
        if self._last != b"\n":
            self.write(b"\n")
