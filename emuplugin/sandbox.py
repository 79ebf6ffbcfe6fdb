"""What a machine may do and what it may use up: frozen, and safe as it comes."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

Source = Callable[[int], bytes]
Sink = Callable[[bytes], None]

#: 2026-01-01T00:00:00Z, where the virtual clock starts unless told otherwise.
DEFAULT_EPOCH = 1767225600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a machine may use up. ``None`` means no limit.

    ``memory``: bytes of guest memory that is present (code, data, stacks, heap).
    ``seconds``: host time for one call (and for opening).
    ``output``: bytes written to stdout and stderr together.
    ``open_files``, ``threads``: how many at once.
    """

    memory: int = 1 << 30
    seconds: float | None = None
    output: int | None = None
    open_files: int = 1024
    threads: int = 256

    def __post_init__(self) -> None:
        for name in ("memory", "seconds", "output", "open_files", "threads"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"Limits({name}={value!r}): must be greater than 0")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a plugin finds in its machine.

    ``args`` and ``env`` are ``os.Args`` and the environment (nothing of the host's is passed on
    by itself). ``stdin``, ``stdout``, ``stderr`` are file objects, binary or text; by default
    standard input is empty and output goes to whatever ``sys.stdout`` and ``sys.stderr`` are at
    the time. ``epoch`` is the time (seconds since 1970) at which the virtual clock starts.
    ``seed`` feeds all randomness; ``None`` takes the host's. ``cpus`` is ``runtime.NumCPU()``.
    """

    args: tuple[str, ...] = ("plugin",)
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: IO[Any] | None = None
    stdout: IO[Any] | None = None
    stderr: IO[Any] | None = None
    epoch: float = DEFAULT_EPOCH
    seed: int | None = 0
    cpus: int = 1
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 1 <= self.cpus <= 64:
            raise ValueError(f"Sandbox(cpus={self.cpus!r}): must be between 1 and 64")
        for name, value in self.env.items():
            if not name or "=" in name or "\0" in name or "\0" in value:
                raise ValueError(f"Sandbox(env=...): {name!r} cannot be an environment variable")

    def streams(self) -> tuple[Source, Sink, Sink]:
        """Standard input, output and error as functions over bytes."""
        return (
            _source(self.stdin),
            _sink(lambda: self.stdout or sys.stdout),
            _sink(lambda: self.stderr or sys.stderr),
        )


def _source(stream: IO[Any] | None) -> Source:
    def read(size: int) -> bytes:
        if stream is None:
            return b""
        data = stream.read(size)
        return (
            data.encode(errors="surrogateescape") if isinstance(data, str) else bytes(data or b"")
        )

    return read


def _sink(current: Callable[[], IO[Any]]) -> Sink:
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
