"""Reading tables of files that may be corrupt: whatever is wrong is told as a FormatError."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

from emuplugin.errors import CorruptDataError, EmupluginError, FormatError

T = TypeVar("T")

#: What a number in a table that leads nowhere can raise in the code that follows it.
_OF_CORRUPT_DATA = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    RecursionError,
    MemoryError,
    struct.error,
)


def call(read: Callable[[], T]) -> T:
    """What ``read`` returns. Errors of emuplugin's own pass."""
    try:
        return read()
    except CorruptDataError as error:
        raise FormatError(f"Go's tables in the file are corrupt: {error}") from error
    except EmupluginError:
        raise
    except _OF_CORRUPT_DATA as error:
        raise FormatError(f"Go's tables in the file are corrupt: {error}") from error


def section(read: Callable[[Any], T]) -> cached_property[T]:
    """A part of an inspection: a property that is read once, with :func:`call`."""

    def guarded(instance: object) -> T:
        return call(lambda: read(instance))

    guarded.__doc__ = read.__doc__
    return cached_property(guarded)
