"""A profile for ``go tool pprof``: gzipped protocol buffers.

Sample types are ``samples`` and ``instructions`` where the trace has samples (``profile=N``), and
``alloc_objects`` and ``alloc_space`` where it has allocations: choose with ``-sample_index``.
Samples carry their goroutine, allocations their type and size, as tags. Functions, files and lines
are in the profile, inlined calls as well, so that pprof needs no binary.

Format: github.com/google/pprof, proto/profile.proto; the field numbers below are its.
"""

from __future__ import annotations

import gzip
import os
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from emuplugin.errors import ConfigurationError
from emuplugin.tracing.events import Allocation, Frame, Stack

from .files import written_whole
from .protobuf import data, number, numbers

if TYPE_CHECKING:
    from emuplugin.tracing.functions import FunctionTable
    from emuplugin.tracing.trace import Trace

# message Profile
_SAMPLE_TYPE, _SAMPLE, _MAPPING, _LOCATION, _FUNCTION, _STRING = range(1, 7)
_DURATION_NANOS, _PERIOD_TYPE, _PERIOD, _COMMENT, _DEFAULT_SAMPLE_TYPE = range(10, 15)

_CPU: Final = (("samples", "count"), ("instructions", "count"))
_MEMORY: Final = (("alloc_objects", "count"), ("alloc_space", "bytes"))


class _Key(NamedTuple):
    """What samples are added up by."""

    stack: Stack
    goroutine: int
    type: str
    size: int


class _Tables:
    """The strings, functions, locations and mappings of a profile, by number."""

    def __init__(self, functions: FunctionTable) -> None:
        self._code = functions
        self._strings: dict[str, int] = {"": 0}
        self._functions: dict[tuple[str, str], tuple[int, int]] = {}
        self._locations: dict[tuple[int, tuple[Frame, ...]], int] = {}

    def string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def stack(self, stack: Stack) -> list[int]:
        """The locations of a stack, innermost first. Calls that were inlined into one piece of code
        are one location."""
        found, at = [], 0
        while at < len(stack):
            pc = stack[at].pc
            together = len(self._code.frames(pc))
            # A function that calls itself has the same pc again and again, and is several.
            frames = stack[at : at + together]
            if together < 2 or frames != self._code.frames(pc):
                frames = stack[at : at + 1]
            key = (pc, frames)
            found.append(self._locations.setdefault(key, len(self._locations) + 1))
            at += len(frames)
        return found

    def _function(self, frame: Frame, inlined: bool) -> int:
        """A function's number; the line that it begins on is kept where it is known."""
        key = (frame.function, frame.file)
        if key not in self._functions:
            code = None if inlined else self._code.function(frame.pc)
            line = 0 if code is None else max(code.start_line, 0)
            self._functions[key] = (len(self._functions) + 1, line)
        return self._functions[key][0]

    def encoded(self) -> bytes:
        """All tables, as fields of a profile. Nothing can be added after that."""
        parts = []
        modules = {module.base: at for at, module in enumerate(self._code.modules, 1)}
        for (pc, frames), key in self._locations.items():
            module = self._code.module(pc)
            lines = b"".join(
                data(
                    4, number(1, self._function(frame, frame != frames[-1])) + number(2, frame.line)
                )
                for frame in frames
            )
            mapping = 0 if module is None else modules[module.base]
            location = number(1, key) + number(2, mapping) + number(3, pc) + lines
            parts.append(data(_LOCATION, location))
        for at, module in enumerate(self._code.modules, 1):
            # Offsets in the file: addresses begin at 0 there. The flags say that functions, files,
            # lines and inlined calls are known, or pprof would look for the binary.
            flags = b"".join(number(field, 1) for field in (7, 8, 9, 10))
            path = number(5, self.string(os.fspath(module.path)))
            span = number(1, at) + number(2, module.base) + number(3, module.end)
            parts.append(data(_MAPPING, span + path + flags))
        for (name, file), (key, line) in self._functions.items():
            names = number(2, self.string(name)) + number(3, self.string(name))
            place = number(4, self.string(file)) + number(5, line)
            parts.append(data(_FUNCTION, number(1, key) + names + place))
        parts += [data(_STRING, text.encode("utf-8", "replace")) for text in self._strings]
        return b"".join(parts)


def save(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Write a finished trace."""
    profile = encode(trace)
    with (
        written_whole(path) as stream,
        # Without a name and a time: the same trace gives the same file.
        gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as packed,
    ):
        packed.write(profile)


def encode(trace: Trace) -> bytes:
    """The profile, not yet compressed."""
    ran = Counter(_Key(sample.stack, sample.goroutine, "", 0) for sample in trace.samples)
    made = Counter(
        _Key(event.stack, event.goroutine, event.type, event.size)
        for event in trace.events
        if isinstance(event, Allocation)
    )
    if not ran and not made:
        raise ConfigurationError(
            "the trace has nothing for a profile: trace with profile=10_000 or allocations=True"
        )
    every = trace.sample_every or 1
    tables = _Tables(trace.functions)
    types = (*(_CPU if ran else ()), *(_MEMORY if made else ()))
    parts = [data(_SAMPLE_TYPE, _value_type(tables, *names)) for names in types]
    idle = [0, 0]
    for key, count in ran.items():
        values = [count, count * every, *(idle if made else ())]
        parts.append(data(_SAMPLE, _sample(tables, key, values)))
    for key, count in made.items():
        values = [*(idle if ran else ()), count, count * key.size]
        parts.append(data(_SAMPLE, _sample(tables, key, values)))
    chosen = "instructions" if ran else "alloc_space"
    parts += [
        number(_DURATION_NANOS, trace.duration),
        data(_PERIOD_TYPE, _value_type(tables, *(_CPU[1] if ran else _MEMORY[1]))),
        number(_PERIOD, every if ran else 1),
        numbers(_COMMENT, [tables.string(f"emuplugin, {trace.go_version or 'Go'}")]),
        number(_DEFAULT_SAMPLE_TYPE, tables.string(chosen)),
    ]
    parts.append(tables.encoded())
    return b"".join(parts)


def _value_type(tables: _Tables, name: str, unit: str) -> bytes:
    return number(1, tables.string(name)) + number(2, tables.string(unit))


def _sample(tables: _Tables, key: _Key, values: list[int]) -> bytes:
    sample = numbers(1, tables.stack(key.stack)) + numbers(2, values)
    if key.goroutine:
        sample += data(3, number(1, tables.string("goroutine")) + number(3, key.goroutine))
    if key.type:
        sample += data(3, number(1, tables.string("type")) + number(2, tables.string(key.type)))
    if key.size:
        unit = number(4, tables.string("bytes"))
        sample += data(3, number(1, tables.string("bytes")) + number(3, key.size) + unit)
    return sample
