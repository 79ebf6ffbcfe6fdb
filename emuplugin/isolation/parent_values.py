"""This process's values in messages: what came from the worker is data, numbers and proxies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from emuplugin.errors import EmupluginError, GoError, IsolationError
from emuplugin.isolation.objects import Objects
from emuplugin.isolation.proxy import Proxy
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
)
from emuplugin.isolation.types import RemoteType
from emuplugin.isolation.wire import Reader, WireError, Writer
from emuplugin.values.function import Signed
from emuplugin.values.live import Live

if TYPE_CHECKING:
    from emuplugin.isolation.connection import Connection

Maker = Callable[["Connection", int, "RemoteType | None", str], Any]
_MAX_CAUSES: Final = 25
_UNTYPED: Final = (Kind.PLUGIN, Kind.ERROR, Kind.ITERATOR)


class Writable:
    """Memory of Go that a callback got: a copy, whose changes go back when it returns."""

    def __init__(self, index: int, data: bytes | bytearray) -> None:
        self.index = index
        self.before = bytes(data)
        self.now = bytearray(data)

    @property
    def changed(self) -> bool:
        return self.now != self.before


class ParentValues:
    """What numbers from the worker stand for, and numbers for the worker."""

    def __init__(self, connection: Connection, makers: dict[int, Maker]) -> None:
        self.objects = Objects()
        #: Of the callback that is being read.
        self.writable: list[Writable] = []
        self._connection = connection
        self._makers = makers
        self._types: dict[int, RemoteType] = {}
        self._causes = 0
        self._failures: WeakValueDictionary[int, EmupluginError] = WeakValueDictionary()

    # --- writing ----------------------------------------------------------------------------

    def write(self, writer: Writer, value: Any) -> None:
        """Write what is not plain data."""
        if isinstance(value, Proxy):
            self._write_proxy(writer, value)
        elif isinstance(value, RemoteType):
            writer.out.append(TYPE)
            writer.number(value.number)
        elif isinstance(value, Live | Signed):
            writer.out += bytes((FOREIGN, isinstance(value, Signed)))
        elif isinstance(value, memoryview | bytearray):
            _write_buffer(writer, value)
        elif isinstance(value, datetime):
            writer.value(datetime.combine(value.date(), value.timetz()))
        elif isinstance(value, timedelta):
            writer.value(timedelta(value.days, value.seconds, value.microseconds))
        elif type(value) is GoError and isinstance(value.value, Proxy):
            if value.value._end is not self._connection:
                self.objects.write(writer, GoError(value.message, value.type))
                return
            writer.out.append(OBJECT)
            writer.number(0)
            writer.number(0)
            writer.out.append(2)
            writer.text(value.message)
            writer.text(value.type)
            writer.value(value.value)
        else:
            self._write_other(writer, value)

    def _write_proxy(self, writer: Writer, value: Proxy) -> None:
        if value._end is self._connection:
            writer.out += bytes((THING, 0))[:1]
            writer.number(value._number)
        else:
            writer.out += bytes((FOREIGN, isinstance(value, Signed)))

    def _write_other(self, writer: Writer, value: Any) -> None:
        if not isinstance(value, str | int | float | complex | BaseException):
            try:
                view = memoryview(value)
            except (TypeError, BufferError, ValueError):
                pass  # no buffer: an object then
            else:
                _write_buffer(writer, view)
                return
        self.objects.write(writer, value)

    # --- reading ----------------------------------------------------------------------------

    def read(self, reader: Reader, kind: int) -> Any:
        """Read what is not plain data. Whatever is wrong raises WireError."""
        if kind == THING:
            thing, number, type_number = reader.byte(), reader.number(), reader.number()
            make = self._makers.get(thing)
            if make is None:
                raise WireError(f"an unknown kind of thing: {thing}")
            string = reader.text() if reader.byte() else ""
            go_type = self.type_of(type_number, string) if type_number else None
            name = reader.text()
            if go_type is None and thing not in _UNTYPED:
                raise WireError("a value without a type")
            return make(self._connection, number, go_type, name)
        if kind == TYPE:
            return self.type_of(reader.number())
        if kind == OBJECT:
            return self.objects.find(reader.number())
        if kind == FAILURE:
            return self._read_failure(reader)
        if kind == RECORD:
            return _read_record(reader)
        if kind == WRITABLE:
            writable = Writable(reader.number(), reader.raw())
            self.writable.append(writable)
            return memoryview(writable.now)
        raise WireError(f"an unknown kind of value: {kind}")

    def type_of(self, number: int, string: str = "") -> RemoteType:
        """The Go type of a number: one object for each."""
        found = self._types.get(number)
        if found is None:
            found = self._types[number] = RemoteType(self._connection, number, string)
        return found

    def _read_failure(self, reader: Reader) -> BaseException:
        reader.enter()
        number = reader.number()
        name, args, facts, notes = reader.text(), reader.value(), reader.value(), reader.value()
        self._causes += 1
        try:
            if self._causes > _MAX_CAUSES:
                raise WireError("too many causes")
            cause, suppress = reader.value(), reader.value()
        finally:
            self._causes -= 1
        reader.depth -= 1
        if not (type(args) is tuple and type(facts) is dict and type(notes) is list):
            raise WireError("an exception that is none")
        if not (cause is None or isinstance(cause, BaseException)):
            raise WireError("a cause that is no exception")
        known = self._failures.get(number)
        if known is not None and type(known) is FAILURES.get(name):
            return known  # what ended a machine is one exception, however often it is told
        error = _failure(name, args, facts)
        if number and isinstance(error, EmupluginError):
            self._failures[number] = error
        error.__cause__ = cause
        error.__suppress_context__ = bool(suppress)
        for note in notes:
            if type(note) is not str:
                raise WireError("a note that is no text")
            error.add_note(note)
        return error


def _failure(name: str, args: tuple[Any, ...], facts: dict[Any, Any]) -> BaseException:
    """An exception of a class that may come from the worker."""
    if not name:
        return IsolationError(f"something failed in the worker: {args[0] if args else ''}")
    cls = FAILURES.get(name)
    if cls is None or not FACTS.issuperset(facts):
        raise WireError(f"an exception {name!r} with {', '.join(map(str, facts))}")
    try:
        error = cls.__new__(cls, *args)
        if issubclass(cls, EmupluginError):
            error.args = args
            error.__dict__.update(facts)
        else:
            error = cls(*args)
        str(error)  # what is missing is missing now
    except Exception as problem:
        raise WireError(f"an exception {name!r} that cannot be made: {problem}") from None
    return error


def _read_record(reader: Reader) -> Any:
    name, facts = reader.text(), reader.value()
    cls = RECORDS.get(name)
    if cls is None or type(facts) is not tuple:
        raise WireError(f"an unknown record {name!r}")
    try:
        return cls(*facts)
    except TypeError as error:
        raise WireError(str(error)) from None


def _write_buffer(writer: Writer, value: Any) -> None:
    view = memoryview(value)
    format_ = view.format.lstrip("@=<")
    gaps = view.ndim == 1 and not view.contiguous
    writer.out += bytes((BUFFER, 2 if gaps else type(value) is bytearray))
    writer.text(format_ if len(format_) == 1 else "B")
    writer.value(list(view.shape or ()))
    writer.raw(view.cast("B") if view.nbytes and view.c_contiguous else view.tobytes())
