"""Proxies of variables, functions, methods, and of types that make values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from emuplugin.errors import ClosedError, DeadMachineError
from emuplugin.isolation.numbers import arrays
from emuplugin.isolation.proxy import Proxy, set_up
from emuplugin.isolation.things import Op
from emuplugin.values import Function, Variable
from emuplugin.values.batches import transposed
from emuplugin.values.function import Signed

if TYPE_CHECKING:
    from emuplugin.isolation.connection import Connection
    from emuplugin.isolation.types import RemoteType


class RemoteVariable(Proxy, Variable):
    """See :class:`emuplugin.Variable`."""

    def __init__(self, end: Connection, number: int, go_type: RemoteType, name: str) -> None:
        set_up(self, end, number, go_type)
        self.name = name

    @property
    def go_type(self) -> Any:  # type: ignore[override]
        """Its Go type."""
        return self._type

    @property
    def type(self) -> str:
        """The Go type, as ``reflect.Type.String`` has it."""
        name: str = self._type.string
        return name

    @property
    def address(self) -> int:  # type: ignore[override]
        """Where it lies in the guest."""
        found: int = self._ask(Op.GET, "address")
        return found

    @property
    def value(self) -> Any:
        """The value now. Setting it converts a Python value to the variable's type."""
        return self._ask(Op.GET, "value")

    @value.setter
    def value(self, value: Any) -> None:
        self._ask(Op.SET, "value", value)

    def _gone(self) -> str:
        return f"<Go var {self.name} of a {self._end.state} machine>"


class _Callable(Proxy, Signed):
    """A function or a method."""

    name: str

    @property
    def go_type(self) -> Any:
        """The func type, without receiver."""
        return self._type

    def __call__(self, *args: Any) -> Any:
        return self._ask(Op.CALL, *args)

    def results(self, *args: Any) -> tuple[Any, ...]:
        """Call it and return all results as Go has them, a last ``error`` too (None for nil)."""
        found: tuple[Any, ...] = self._ask(Op.RESULTS, *args)
        return found

    def map(self, *iterables: Iterable[Any]) -> list[Any]:
        """Call it for each item, with one message; see :meth:`emuplugin.Function.map`."""
        found: list[Any] = self._ask(Op.DO, "map", *map(list, transposed(iterables)))
        return found

    def array(self, *arguments: Any) -> Any:
        """Call it for each number, with one message; see :meth:`emuplugin.Function.array`."""
        found = self._end.trusted(arrays, self._ask(Op.ARRAY, *map(_sent, arguments)))
        if len(found) == 1:
            return found[0]
        return found or None

    async def call_async(self, *args: Any) -> Any:
        """Call it in a thread of the machine's; see :meth:`emuplugin.Function.call_async`."""
        return await self._end.asynchronous.call(self, *args)

    def belongs_to(self, context: object) -> bool:
        return False

    def _describe(self) -> str | None:
        """What ``help`` shows."""
        try:
            return f"{self.name}{self._type.signature.removeprefix('func')}"
        except (ClosedError, DeadMachineError):
            return None


def _sent(value: Any) -> Any:
    """An argument of ``array``: what has a buffer or is a number goes as it is."""
    try:
        memoryview(value)
    except TypeError:
        return list(value) if isinstance(value, Iterable) else value
    return value


class RemoteFunction(_Callable, Function):
    __doc__ = property(_Callable._describe)

    def __init__(self, end: Connection, number: int, go_type: RemoteType, name: str) -> None:
        set_up(self, end, number, go_type)
        self.name = self.__name__ = self.__qualname__ = name

    @property
    def address(self) -> int:  # type: ignore[override]
        """Its code in the guest."""
        found: int = self._ask(Op.GET, "address")
        return found

    @property
    def closure(self) -> int:  # type: ignore[override]
        """The address of the func value if there is one, 0 for declared functions."""
        found: int = self._ask(Op.GET, "closure")
        return found

    def _gone(self) -> str:
        return f"<Go func {self.name} of a {self._end.state} machine>"


class RemoteMethod(_Callable):
    __doc__ = property(_Callable._describe)

    def __init__(self, end: Connection, number: int, go_type: RemoteType, name: str) -> None:
        set_up(self, end, number, go_type)
        self.name = name
        self.__name__ = self.__qualname__ = name.rpartition(".")[2]

    def _gone(self) -> str:
        return f"<Go method {self.name} of a {self._end.state} machine>"


class RemoteTypeObject(Proxy):
    """See :class:`emuplugin.values.type_object.TypeObject`."""

    def __init__(self, end: Connection, number: int, go_type: RemoteType, name: str) -> None:
        set_up(self, end, number, go_type)
        self.name = self.__name__ = self.__qualname__ = name

    @property
    def go_type(self) -> RemoteType:
        """The type itself."""
        found: RemoteType = self._type
        return found

    @property
    def kind(self) -> str:
        """Go's name of the kind: ``struct``, ``int8``, ``ptr``..."""
        kind: str = self._type.kind
        return kind

    def __call__(self, *args: Any, **fields: Any) -> Any:
        return self._ask(Op.CALL, *args, **fields)

    def make(self, *args: Any) -> Any:
        """Go's ``make``."""
        return self._ask(Op.DO, "make", *args)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteTypeObject) and self._type is other._type

    def __hash__(self) -> int:
        return hash(self._type)

    def _gone(self) -> str:
        return f"<Go type {self.name}>"
