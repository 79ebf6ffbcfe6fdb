"""Standard input, output and error of a sandbox as functions over bytes."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from typing import IO, Any

Source = Callable[[int], bytes]
Sink = Callable[[bytes], None]


def source(stream: IO[Any] | None) -> Source:
    """Read from a file object, binary or text; without one there is nothing to read."""

    def read(size: int) -> bytes:
        if stream is None:
            return b""
        data = stream.read(size)
        return (
            data.encode(errors="surrogateescape") if isinstance(data, str) else bytes(data or b"")
        )

    return read


def sink(current: Callable[[], IO[Any]]) -> Sink:
    """Write to the file object that ``current`` returns, binary or text."""
    # Text streams without bytes below them (a notebook's, StringIO): characters may arrive cut.
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode

    def write(data: bytes) -> None:
        stream = current()
        raw = getattr(stream, "buffer", None)
        if raw is not None:
            stream.flush()
            raw.write(data)
            raw.flush()
        elif isinstance(stream, io.TextIOBase) or hasattr(stream, "encoding"):
            stream.write(decode(data))
        else:
            stream.write(data)

    return write
