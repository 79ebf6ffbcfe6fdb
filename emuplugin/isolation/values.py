"""Proxies of Go values: as those of :mod:`emuplugin.values`, but that each use asks the worker."""

from __future__ import annotations

from builtins import memoryview as Buffer
from collections.abc import (
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
    ValuesView,
)
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any, cast

from emuplugin.errors import ChangedError, ClosedError, DeadMachineError, UnsupportedTypeError
from emuplugin.isolation.numbers import Numbers
from emuplugin.isolation.proxy import Proxy, set_up
from emuplugin.isolation.things import Op
from emuplugin.values.html import to_html

if TYPE_CHECKING:
    from emuplugin.isolation.connection import Connection
    from emuplugin.isolation.types import RemoteType
    from emuplugin.values.live import Live


class RemoteValue(Proxy):
    """A Go value with a type of its own."""

    __slots__ = ("__weakref__", "_end", "_number", "_type")

    def __init__(self, end: Connection, number: int, go_type: RemoteType, name: str) -> None:
        set_up(self, end, number, go_type)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._ask(Op.GET, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._ask(Op.DIR)]

    def _repr_html_(self) -> str:
        # Made here: HTML of the worker's could hold scripts.
        try:
            return self._html()
        except (ClosedError, DeadMachineError):
            return _code(self)

    def _html(self) -> str:
        return to_html(cast("Live", self))

    def _equal(self, other: object) -> Any:
        """Whether two values of one machine and kind are equal, as the worker finds."""
        if type(other) is not type(self):
            return NotImplemented
        return other._end is self._end and bool(self._ask(Op.EQUAL, other))

    def __eq__(self, other: object) -> Any:
        return self._equal(other)

    def __hash__(self) -> int:
        return hash((self._type.number, self._ask(Op.IDENTITY)))


class _Numeric(RemoteValue):
    """A sequence whose elements may be numbers: they come as a copy, which is read-only, so that
    nobody thinks to have changed Go's memory. Assigning a buffer to a slice of it changes that."""

    __slots__ = ()

    def memoryview(self) -> Buffer:
        """The elements as a buffer of numbers: a copy, read-only."""
        return self._numbers().view(self._type.string)

    def __buffer__(self, flags: int, /) -> Buffer:
        try:
            return self.memoryview()
        except UnsupportedTypeError as error:
            raise BufferError(str(error)) from None

    @property
    def __array_interface__(self) -> dict[str, Any]:
        try:
            return self._numbers().interface()
        except UnsupportedTypeError as error:
            # NumPy then goes on as with any sequence.
            raise AttributeError(str(error)) from None

    def _numbers(self) -> Numbers:
        return self._end.trusted(Numbers.checked, self._ask(Op.NUMBERS))

    def __len__(self) -> int:
        length: int = self._ask(Op.LENGTH)
        return length

    def __getitem__(self, index: Any) -> Any:
        return self._ask(Op.ITEM, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._ask(Op.SET_ITEM, index, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._ask(Op.ELEMENTS))

    def __eq__(self, other: object) -> Any:
        if isinstance(other, _Numeric | list | tuple):
            mine, its = list(self), list(other)
            return mine == its
        return NotImplemented


class RemoteSlice(_Numeric, MutableSequence[Any]):
    """See :class:`emuplugin.values.slices.SliceView`."""

    __slots__ = ()

    @property
    def cap(self) -> int:
        """The number of elements that it could hold without moving."""
        cap: int = self._ask(Op.GET, "cap")
        return cap

    @property
    def is_nil(self) -> bool:
        """Whether it is the nil slice, which is empty too."""
        return bool(self._ask(Op.GET, "is_nil"))

    def __delitem__(self, index: Any) -> None:
        self._ask(Op.DELETE_ITEM, index)

    def insert(self, index: int, value: Any) -> None:
        """Put a value before element ``index``, as ``slices.Insert``."""
        self._ask(Op.DO, "insert", index, value)

    def append(self, value: Any) -> None:
        """``s = append(s, value)``."""
        self._ask(Op.DO, "append", value)

    def extend(self, values: Iterable[Any]) -> None:
        """``s = append(s, values...)``."""
        self._ask(Op.DO, "extend", values)

    def clear(self) -> None:
        """Make it empty: ``s = slices.Delete(s, 0, len(s))``."""
        self._ask(Op.DO, "clear")

    __hash__ = None  # type: ignore[assignment]


class RemoteArray(_Numeric, Sequence[Any]):
    """See :class:`emuplugin.values.arrays.ArrayView`."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(self._ask(Op.IDENTITY))  # the same as that of the tuple that equals it


class RemoteStruct(RemoteValue):
    """See :class:`emuplugin.values.structs.StructView`."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask(Op.SET, name, value)

    def __getitem__(self, name: str) -> Any:
        return self._ask(Op.ITEM, name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._ask(Op.SET_ITEM, name, value)

    def _ipython_key_completions_(self) -> list[str]:
        return [field.name for field in self._type.fields]

    def __eq__(self, other: object) -> Any:
        if isinstance(other, datetime):
            return bool(self._ask(Op.EQUAL, other))
        return self._equal(other)

    def __hash__(self) -> int:
        return super().__hash__()


class RemotePointer(RemoteValue):
    """See :class:`emuplugin.values.pointers.Pointer`."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask(Op.SET, name, value)


class RemoteInterface(RemoteValue):
    """See :class:`emuplugin.values.interfaces.Interface`."""

    __slots__ = ()

    @property
    def type(self) -> str:
        """The dynamic type, as Go prints it."""
        name: str = self._type.string
        return name

    @property
    def value(self) -> Any:
        """The value inside, converted like any value of its type."""
        return self._ask(Op.GET, "value")

    def _html(self) -> str:
        held = self.value
        return held._html() if isinstance(held, RemoteValue) else _code(self)


class RemoteChannel(RemoteValue):
    """See :class:`emuplugin.values.channels.ChannelView`."""

    __slots__ = ()

    def __len__(self) -> int:
        length: int = self._ask(Op.LENGTH)
        return length

    def __bool__(self) -> bool:
        return True

    def send(self, value: Any, timeout: float | None = None) -> None:
        """``c <- value``. A closed channel panics: GoPanic."""
        self._ask(Op.DO, "send", value, timeout)

    def recv(self, timeout: float | None = None) -> Any:
        """``<-c``. Raises ChannelClosed when the channel is closed and empty."""
        return self._ask(Op.DO, "recv", timeout)

    def recv_ok(self, timeout: float | None = None) -> tuple[Any, bool]:
        """``value, ok := <-c``: the zero value and False when the channel is closed and empty."""
        found: tuple[Any, bool] = self._ask(Op.DO, "recv_ok", timeout)
        return found

    def close(self) -> None:
        """``close(c)``. A closed channel panics: GoPanic."""
        self._ask(Op.DO, "close")

    def __iter__(self) -> Iterator[Any]:
        while True:
            value, ok = self.recv_ok()
            if not ok:
                return
            yield value


class RemoteUnsafePointer(RemoteValue):
    """See :class:`emuplugin.values.unsafe_pointers.UnsafePointer`."""

    __slots__ = ()

    def __int__(self) -> int:
        address: int = self._ask(Op.GET, "address")
        return address

    __index__ = __int__


class RemoteMap(RemoteValue, MutableMapping[Any, Any]):
    """See :class:`emuplugin.values.maps.MapView`."""

    __slots__ = ()

    def __len__(self) -> int:
        length: int = self._ask(Op.LENGTH)
        return length

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._pairs())

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._ask(Op.ITEM, key)
        except KeyError as error:
            if error.args == (key,) or self._end.state != "running":
                raise
            raise KeyError(key) from None  # the key itself, not what the worker made of it

    def __contains__(self, key: object) -> bool:
        return bool(self._ask(Op.CONTAINS, key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._ask(Op.SET_ITEM, key, value)

    def __delitem__(self, key: Any) -> None:
        self._ask(Op.DELETE_ITEM, key)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Set entries from a mapping or from pairs; on a value that does not fit, none is set."""
        pairs = list(other.items() if isinstance(other, Mapping) else other)
        self._ask(Op.DO, "update", [*pairs, *more.items()])

    def clear(self) -> None:
        """Take everything out, keys that do not equal themselves too."""
        self._ask(Op.DO, "clear")

    def items(self) -> ItemsView[Any, Any]:
        return _Items(self)

    def values(self) -> ValuesView[Any]:
        return _Values(self)

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        """All entries, fetched at once. If the worker is asked for anything else meanwhile, they
        may be others: from then on they are fetched one by one."""
        keys, values, header = self._ask(Op.ITEMS)
        seen = self._end.requests
        count = len(keys)
        keys.reverse()
        values.reverse()
        while keys:
            yield keys.pop(), values.pop()
            if self._end.requests != seen:
                break
        done = count - len(keys)
        if done == count:
            return
        keys.clear()
        values.clear()
        entries = self._ask(Op.WALK, header, done)
        if entries is None:
            raise ChangedError(f"{self._type.string} changed during iteration")
        while (pair := entries._ask(Op.NEXT)) is not None:
            yield pair

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, Mapping):
            return NotImplemented
        mine = dict(self.items()) if len(self) == len(other) else None
        missing = object()
        return mine is not None and all(other.get(k, missing) == v for k, v in mine.items())

    __hash__ = None  # type: ignore[assignment]

    def _ipython_key_completions_(self) -> list[Any]:
        return list(self)


class _Items(ItemsView[Any, Any]):
    """The items of a map, in one walk."""

    _mapping: RemoteMap

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._pairs()


class _Values(ValuesView[Any]):
    """The elements of a map, in one walk."""

    _mapping: RemoteMap

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._mapping._pairs())


class RemoteIterator(Proxy):
    """What is left of a map's entries."""

    __slots__ = ("__weakref__", "_end", "_number", "_type")

    def __init__(self, end: Connection, number: int, go_type: object, name: str) -> None:
        set_up(self, end, number, None)


class RemoteError(Proxy):
    """An error of Go's, as :attr:`emuplugin.GoError.value` has it."""

    __slots__ = ("__weakref__", "_end", "_number", "_type")

    def __init__(self, end: Connection, number: int, go_type: object, name: str) -> None:
        set_up(self, end, number, None)

    def _gone(self) -> str:
        return f"<Go error of a {self._end.state} machine>"


def _code(value: object) -> str:
    return f"<code>{escape(repr(value))}</code>"
