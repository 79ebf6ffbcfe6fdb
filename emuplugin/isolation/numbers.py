"""Copies of numbers in the worker: as buffers that cannot be written to."""

from __future__ import annotations

import re
from math import prod
from struct import calcsize
from typing import Any, NamedTuple, cast

from emuplugin.errors import UnsupportedTypeError
from emuplugin.isolation.wire import WireError
from emuplugin.values.batches import numbers_from

_LETTERS = frozenset("?bhiqBHIQfd")
# Python objects ("O") above all must never come from there: NumPy takes them for pointers.
_TYPE = re.compile(r"[<|][bfiuc](1|2|4|8|16)|\|V[1-9]\d{0,9}")
_MAX_DEPTH = 50


class Numbers(NamedTuple):
    """As :class:`emuplugin.values.buffers.Numbers`, with the elements themselves."""

    letter: str
    typestr: str
    shape: tuple[int, ...]
    descr: Any
    items: int
    data: bytes

    @classmethod
    def checked(cls, found: Any) -> Numbers:
        """What came from the worker, if it is what it must be; else WireError."""
        if type(found) is not tuple or len(found) != len(cls._fields):
            raise WireError("no numbers")
        numbers = cls(*found)
        good = (
            numbers.letter in (*_LETTERS, "")
            and _is_type(numbers.typestr)
            and _is_shape(numbers.shape)
            and (numbers.descr is None or _is_description(numbers.descr, _MAX_DEPTH))
            and type(numbers.data) is bytes
            and _is_shape((numbers.items,))
        )
        if not good or len(numbers.data) != prod((numbers.items, *numbers.shape)) * int(
            numbers.typestr[2:]
        ):
            raise WireError("numbers that are none")
        return numbers

    def view(self, type_name: str) -> memoryview:
        """The elements as a memoryview."""
        if not self.letter:
            raise UnsupportedTypeError(
                f"{type_name} has no format as a memoryview; numpy.asarray takes it", type=type_name
            )
        data, format_ = memoryview(self.data), cast(Any, self.letter)
        if not self.shape or 0 in (self.items, *self.shape):
            return cast(memoryview, data.cast(format_))
        return cast(memoryview, data.cast(format_, (self.items, *self.shape)))

    def interface(self) -> dict[str, Any]:
        """The elements as NumPy's ``__array_interface__``."""
        found: dict[str, Any] = {
            "shape": (self.items, *self.shape),
            "typestr": self.typestr,
            "data": memoryview(self.data),
            "version": 3,
        }
        if self.descr:
            found["descr"] = self.descr
        return found


def arrays(found: Any) -> tuple[Any, ...]:
    """What ``Function.array`` returns, of formats and bytes; WireError if they are not such."""
    if type(found) is not tuple:
        raise WireError("no arrays")
    for item in found:
        good = type(item) is tuple and tuple(map(type, item)) == (str, bytes)
        if not good or item[0] not in _LETTERS or len(item[1]) % calcsize(item[0]):
            raise WireError("arrays that are none")
    return tuple(numbers_from(*item) for item in found)


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and _TYPE.fullmatch(value) is not None


def _is_shape(value: Any) -> bool:
    return type(value) is tuple and all(type(n) is int and 0 <= n < 1 << 48 for n in value)


def _is_description(descr: Any, depth: int) -> bool:
    """Whether it is NumPy's description of a struct's fields: (name, type) or (name, type, shape),
    where the type may be such a description."""
    return (
        depth > 0
        and type(descr) is list
        and all(
            type(entry) is tuple
            and len(entry) in (2, 3)
            and type(entry[0]) is str
            and (_is_type(entry[1]) or _is_description(entry[1], depth - 1))
            and (len(entry) == 2 or _is_shape(entry[2]))
            for entry in descr
        )
    )
