"""The worker's values in messages: what lives here goes as numbers, and exceptions as facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from types import GeneratorType
from typing import Any, Final
from weakref import WeakKeyDictionary

from emuplugin.errors import EmupluginError, GoError
from emuplugin.isolation.standins import Shape, StandIn, StandIns, State
from emuplugin.isolation.things import (
    BUFFER,
    FACTS,
    FAILURE,
    FAILURES,
    FOREIGN,
    OBJECT,
    RECORD,
    RECORDS,
    THING,
    TYPE,
    WRITABLE,
    Kind,
    known_base,
)
from emuplugin.isolation.wire import Reader, WireError, Writer
from emuplugin.plugin import Plugin
from emuplugin.values import Function, GoType, Variable
from emuplugin.values.arrays import ArrayView
from emuplugin.values.channels import ChannelView
from emuplugin.values.error_values import HeldInterface
from emuplugin.values.function import Signed
from emuplugin.values.interfaces import Interface
from emuplugin.values.live import Live
from emuplugin.values.maps import MapView
from emuplugin.values.methods import BoundMethod
from emuplugin.values.pointers import Pointer
from emuplugin.values.slices import SliceView
from emuplugin.values.structs import StructView
from emuplugin.values.times import TimeView
from emuplugin.values.type_object import TypeObject
from emuplugin.values.unsafe_pointers import UnsafePointer

_KINDS: Final[dict[type, Kind]] = {
    Variable: Kind.VARIABLE,
    Function: Kind.FUNCTION,
    BoundMethod: Kind.METHOD,
    StructView: Kind.STRUCT,
    TimeView: Kind.STRUCT,
    ArrayView: Kind.ARRAY,
    SliceView: Kind.SLICE,
    MapView: Kind.MAP,
    Pointer: Kind.POINTER,
    Interface: Kind.INTERFACE,
    ChannelView: Kind.CHANNEL,
    UnsafePointer: Kind.UNSAFE_POINTER,
    TypeObject: Kind.TYPE_OBJECT,
    Plugin: Kind.PLUGIN,
    HeldInterface: Kind.ERROR,
    GeneratorType: Kind.ITERATOR,
}
_NAMED: Final = (Kind.VARIABLE, Kind.FUNCTION, Kind.METHOD, Kind.TYPE_OBJECT)
_UNTYPED: Final = (Kind.PLUGIN, Kind.ERROR, Kind.ITERATOR)
_MAX_CAUSES = 20


class ForeignValue(Live):
    """Stands for a value of another machine, to be refused."""

    __slots__ = ("_context",)
    _type: Any = type("", (), {"string": "a Go value"})

    def __init__(self) -> None:
        self._context = None  # type: ignore[assignment,misc]


class ForeignFunction(Signed):
    """Stands for a function of another machine, to be refused."""

    @property
    def go_type(self) -> GoType:
        raise WireError("a function of another machine was used")

    def belongs_to(self, context: object) -> bool:
        return False


class WorkerValues:
    """Numbers for what lives here, and what the numbers from the parent mean."""

    def __init__(self, stand_ins: StandIns) -> None:
        self.stand_ins = stand_ins
        #: Memory of Go that the callback under way may write to.
        self.writable: list[memoryview] = []
        self._things: dict[int, Any] = {}
        self._last = 0
        self._types: list[GoType] = []
        self._type_numbers: dict[GoType, int] = {}
        self._told: set[int] = set()
        self._failures: WeakKeyDictionary[EmupluginError, int] = WeakKeyDictionary()

    def keep(self, thing: Any) -> int:
        """A number for something that lives here."""
        self._last += 1
        self._things[self._last] = thing
        return self._last

    def thing(self, number: int) -> Any:
        """What a number stands for."""
        return self._things[number]

    def release(self, numbers: Iterable[int]) -> None:
        """The parent has dropped these."""
        for number in numbers:
            del self._things[number]

    # --- writing ----------------------------------------------------------------------------

    def write(self, writer: Writer, value: Any) -> None:
        """Write what is not plain data."""
        kind = _KINDS.get(type(value))
        if kind is not None:
            writer.out += bytes((THING, kind))
            writer.number(self.keep(value))
            self._write_type_of(writer, kind, value)
            writer.text(value.name if kind in _NAMED else "")
        elif isinstance(value, StandIn):
            writer.out.append(OBJECT)
            writer.number(value._number)
        elif isinstance(value, GoType):
            writer.out.append(TYPE)
            writer.number(self._type_number(value))
        elif isinstance(value, BaseException):
            self._write_exception(writer, value)
        elif RECORDS.get(type(value).__name__) is type(value):
            self._write_record(writer, value)
        elif isinstance(value, memoryview):
            writer.out.append(WRITABLE)
            writer.number(len(self.writable))
            writer.raw(bytes(value))
            self.writable.append(value)
        elif isinstance(value, tuple | list | dict | str | bytes | int | float):
            writer.value(_plain(value))
        else:
            raise TypeError(f"a {type(value).__name__} cannot leave the worker")

    def _write_record(self, writer: Writer, value: Any) -> None:
        names = [f.name for f in fields(value)] if is_dataclass(value) else value._fields
        writer.out.append(RECORD)
        writer.text(type(value).__name__)
        writer.value(tuple(getattr(value, name) for name in names))

    def _write_exception(self, writer: Writer, error: BaseException) -> None:
        number = error.__dict__.get("_number")
        if number is not None:
            writer.out.append(OBJECT)
            writer.number(number)
            return
        writer.enter()
        writer.out.append(FAILURE)
        writer.number(self._failure_number(error))
        name = known_base(type(error), FAILURES)
        known = type(error) is FAILURES.get(name) or isinstance(error, OSError)
        writer.text(name if known else "")
        args = error.args if known else (f"{type(error).__name__}: {error}",)
        if isinstance(error, OSError) and error.filename is not None:
            args = (error.errno, error.strerror, error.filename)
        writer.value(tuple(map(_data, args)))
        facts = error.__dict__ if isinstance(error, EmupluginError) else {}
        writer.value({k: _fact(v) for k, v in facts.items() if k in FACTS})
        notes = getattr(error, "__notes__", [])
        writer.value([note for note in notes if type(note) is str])
        cause = error.__cause__ if writer.depth < _MAX_CAUSES else None
        writer.value(cause)
        writer.value(error.__suppress_context__)
        writer.depth -= 1

    def _failure_number(self, error: BaseException) -> int:
        """The same number for the same exception, where that can be told; else 0."""
        if not isinstance(error, EmupluginError):
            return 0
        number = self._failures.get(error)
        if number is None:
            self._last += 1
            number = self._failures[error] = self._last
        return number

    def take_notes(self, error: BaseException) -> list[str]:
        """The notes that a stand-in of an exception was given here: they are the parent's now."""
        if error.__dict__.get("_number") is None:
            return []
        notes: list[str] = error.__dict__.pop("__notes__", [])
        return notes

    def _write_type_of(self, writer: Writer, kind: Kind, value: Any) -> None:
        """The number of a value's type, and its name the first time."""
        if kind in _UNTYPED:
            writer.number(0)
            writer.out.append(0)
            return
        go_type = value._type if isinstance(value, Live) else value.go_type
        number = self._type_number(go_type)
        writer.number(number)
        writer.out.append(number not in self._told)
        if number not in self._told:
            self._told.add(number)
            writer.text(go_type.string)

    def _type_number(self, go_type: GoType) -> int:
        number = self._type_numbers.get(go_type)
        if number is None:
            self._types.append(go_type)
            number = self._type_numbers[go_type] = len(self._types)
        return number

    # --- reading ----------------------------------------------------------------------------

    def read(self, reader: Reader, kind: int) -> Any:
        """Read what is not plain data."""
        if kind == THING:
            return self._things[reader.number()]
        if kind == TYPE:
            return self._types[reader.number() - 1]
        if kind == OBJECT:
            return self._read_object(reader)
        if kind == BUFFER:
            return _read_buffer(reader)
        if kind == FOREIGN:
            return ForeignFunction() if reader.byte() else ForeignValue()
        raise WireError(f"an unknown kind of value: {kind}")

    def _read_object(self, reader: Reader) -> Any:
        number, class_number, new = reader.number(), reader.number(), reader.byte()
        if new == 2:  # a GoError that holds an error of Go's
            return GoError(reader.text(), reader.text(), value=reader.value())
        if new:
            self.stand_ins.define(class_number, Shape(*reader.value()))
        return self.stand_ins.of(number, class_number, State(*reader.value()))


def _plain(value: Any) -> Any:
    """A value of a subclass of a builtin as one of that."""
    kinds: tuple[Any, ...] = (bool, int, float, str, bytes, tuple, list, dict)
    for kind in kinds:
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(type(value).__name__)


def _data(value: Any) -> Any:
    """An argument of an exception, which may be anything."""
    return value if isinstance(value, str | int | float | bytes | None) else str(value)


def _fact(value: Any) -> Any:
    """An attribute of an exception: data, an error of Go's, or a cause."""
    if isinstance(value, tuple | list):
        return tuple(map(_data, value))
    return value if isinstance(value, HeldInterface | BaseException) else _data(value)


def _read_buffer(reader: Reader) -> Any:
    mutable = reader.byte()
    format_: Any = reader.text()
    shape, data = reader.value(), reader.raw()
    if mutable == 1:
        return bytearray(data)
    if mutable == 2:  # one with gaps, which not every place takes
        view = memoryview(bytearray(2 * len(data))).cast("B").cast(format_)[::2]
        view[:] = memoryview(data).cast(format_)
        return view
    view = memoryview(data)
    if not data:
        return view.cast(format_)
    return view.cast(format_, shape) if len(shape) != 1 else view.cast(format_)
