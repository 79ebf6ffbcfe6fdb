"""Buffers: numbers in guest memory as Python's and NumPy's arrays see them, without a copy.

Python 3.12 and later ask an object for its buffer (``memoryview(s)``); before, only types written
in C have one, so there ``s.memoryview()`` and ``numpy.asarray(s)`` must do.
"""

from __future__ import annotations

import ctypes
from abc import abstractmethod
from builtins import memoryview as Buffer
from typing import Any, NamedTuple, cast

from emuplugin.errors import UnsupportedTypeError
from emuplugin.values.gotype import GoType
from emuplugin.values.live import Live

_LETTERS = {
    "bool": "?",
    "int": "q", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint": "Q", "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q", "uintptr": "Q",
    "float32": "f", "float64": "d",
}  # fmt: skip
_NUMPY_KINDS = {"bool": "b", "float": "f", "int": "i", "uint": "u", "complex": "c"}
_SIGNED, _UNSIGNED = frozenset("bhilqn"), frozenset("BHILQN")


class Numbers(NamedTuple):
    """How a type without pointers looks as numbers: ``shape`` is that of one value, ``letter`` its
    numbers' format in :mod:`struct` (empty where there is none), ``typestr`` NumPy's."""

    letter: str
    typestr: str
    shape: tuple[int, ...]
    descr: list[Any] | None = None


def numbers_of(go_type: GoType) -> Numbers | None:
    """How values of ``go_type`` are laid out; None if they are not all numbers."""
    kind = go_type.kind
    if kind == "array":
        inner = numbers_of(go_type.elem)
        return inner and inner._replace(shape=(go_type.length, *inner.shape))
    if kind == "struct":
        descr = _descr(go_type)
        return None if descr is None else Numbers("", f"|V{go_type.size}", (), descr)
    family = _NUMPY_KINDS.get(kind.rstrip("0123456789").removesuffix("ptr"))
    if family is None:
        return None
    order = "|" if go_type.size == 1 else "<"
    return Numbers(_LETTERS.get(kind, ""), f"{order}{family}{go_type.size}", ())


def _descr(go_type: GoType) -> list[Any] | None:
    """The fields of a struct for NumPy, padding included; None if some are not numbers."""
    descr: list[Any] = []
    at = 0
    for field in go_type.fields:
        numbers = numbers_of(field.type)
        if numbers is None:
            return None
        if field.offset > at:
            descr.append(("", f"|V{field.offset - at}"))
        at = field.offset + field.type.size
        if not field.type.size:
            continue
        inner = numbers.descr or numbers.typestr
        name = field.name if field.name != "_" else ""
        descr.append((name, inner, numbers.shape) if numbers.shape else (name, inner))
    if go_type.size > at:
        descr.append(("", f"|V{go_type.size - at}"))
    return descr or None


class Buffered(Live):
    """A sequence whose elements may be numbers."""

    __slots__ = ()

    @abstractmethod
    def _span(self) -> tuple[int, int, GoType, object]:
        """Address and number of the elements, their type, and what keeps them alive."""

    def memoryview(self) -> Buffer:
        """The elements as a buffer of numbers that shares their memory: writes reach Go.

        It keeps the memory alive. UnsupportedTypeError if the elements are not numbers that
        :mod:`struct` knows.
        """
        numbers, count, data = self._numbers()
        if not numbers.letter:
            raise UnsupportedTypeError(
                f"{self._type.string} has no format as a memoryview; numpy.asarray takes it",
                type=self._type.string,
            )
        format_: Any = numbers.letter
        if not numbers.shape or 0 in (count, *numbers.shape):
            return cast(Buffer, data.cast(format_))
        return cast(Buffer, data.cast(format_, (count, *numbers.shape)))

    def __buffer__(self, flags: int, /) -> Buffer:
        try:
            return self.memoryview()
        except UnsupportedTypeError as error:
            raise BufferError(str(error)) from None

    @property
    def __array_interface__(self) -> dict[str, Any]:
        try:
            numbers, count, data = self._numbers()
        except UnsupportedTypeError as error:
            # NumPy then goes on as with any sequence.
            raise AttributeError(str(error)) from None
        interface: dict[str, Any] = {
            "shape": (count, *numbers.shape),
            "typestr": numbers.typestr,
            "data": data,
            "version": 3,
        }
        if numbers.descr:
            interface["descr"] = numbers.descr
        return interface

    def _numbers(self) -> tuple[Numbers, int, Buffer]:
        address, count, go_type, owner = self._span()
        numbers = numbers_of(go_type)
        if numbers is None:
            raise UnsupportedTypeError(
                f"elements of {self._type.string} are not numbers", type=self._type.string
            )
        size = count * go_type.size
        view = self._context.memory.view(address, size) if size else None
        if view is None:
            if size:
                raise UnsupportedTypeError(
                    f"this {self._type.string} is not one piece of host memory",
                    type=self._type.string,
                )
            return numbers, count, Buffer(bytearray())
        # A buffer that is exported from a ctypes object keeps that, and it keeps the owner.
        exporter = (ctypes.c_ubyte * size).from_buffer(view)
        exporter._owner = owner  # type: ignore[attr-defined]
        return numbers, count, Buffer(exporter).cast("B")


def image_of_buffer(value: object, go_type: GoType) -> tuple[memoryview, int] | None:
    """The bytes of a buffer whose items are numbers just as ``go_type`` has them, and their count.

    None for anything else; items of another format are then converted one by one.
    """
    try:
        view = memoryview(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    numbers = numbers_of(go_type)
    if (
        numbers is None
        or not numbers.letter
        or view.shape is None
        or view.ndim != 1 + len(numbers.shape)
    ):
        return None
    if view.shape[1:] != numbers.shape or not _same_format(view, numbers.letter):
        return None
    data = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
    return data, view.shape[0]


def _same_format(view: memoryview, letter: str) -> bool:
    """Whether the items are such numbers: ``l`` and ``q`` are the same where long has 8 bytes."""
    found = view.format.lstrip("@=<")
    if view.itemsize != ctypes.sizeof(_SIZES[letter]):
        return False
    return found == letter or any({found, letter} <= family for family in (_SIGNED, _UNSIGNED))


_SIZES: dict[str, Any] = {
    "?": ctypes.c_bool, "b": ctypes.c_int8, "h": ctypes.c_int16, "i": ctypes.c_int32,
    "q": ctypes.c_int64, "B": ctypes.c_uint8, "H": ctypes.c_uint16, "I": ctypes.c_uint32,
    "Q": ctypes.c_uint64, "f": ctypes.c_float, "d": ctypes.c_double,
}  # fmt: skip
