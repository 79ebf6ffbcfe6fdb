"""Methods of Go values, called from Python.

Method tables hold each method as interfaces call it (``abi.Method.Ifn``): the receiver is one
word, the value itself where that is a single pointer, else a pointer to it. So a method of any
value can be called with a word that leads to it. The table of ``*T`` has the methods of ``T`` too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emuplugin.errors import MethodRemovedError
from emuplugin.values.batches import BatchPlan, Target
from emuplugin.values.function import Signed
from emuplugin.values.gotype import GoType
from emuplugin.values.live import Live
from emuplugin.values.method_sets import Method
from emuplugin.values.plan import CallPlan

if TYPE_CHECKING:
    from emuplugin.values.context import Context


class BoundMethod(Signed):
    """A method of one value: ``point.Norm()``. Called like a function of the plugin."""

    def __init__(self, methods: MethodTable, method: Method, word: int, keep: object) -> None:
        """``word`` is the receiver as interfaces hold it, ``keep`` what keeps it alive."""
        self._methods = methods
        self._method = method
        self._word = word
        self._keep = keep
        if keep is not None and methods.context.newcomers is not None:
            methods.context.newcomers.add(self)
        self.name = f"{methods.type.string}.{method.name}"
        self.__name__ = self.__qualname__ = method.name
        self.__doc__ = f"{self.name}{self.go_type.signature.removeprefix('func')}"

    @property
    def go_type(self) -> GoType:
        assert self._method.type is not None
        return self._method.type

    def __call__(self, *args: Any) -> Any:
        return self._methods.caller(self._method)((self._word, *args))

    def map(self, *iterables: Iterable[Any]) -> list[Any]:
        """Call it for each item; see :meth:`Function.map`."""
        return self._batch.map(self._target, iterables)

    def array(self, *arguments: Any) -> Any:
        """Call it for each number; see :meth:`Function.array`."""
        return self._batch.array(self._target, arguments)

    @property
    def _batch(self) -> BatchPlan:
        return self._methods.plan(self._method).batch

    @property
    def _target(self) -> Target:
        assert self._method.ifn is not None
        return Target(self._method.ifn, 0, self._word, self)

    def results(self, *args: Any) -> tuple[Any, ...]:
        """Call it and return all results as Go has them, a last ``error`` too (None for nil)."""
        assert self._method.ifn is not None
        plan = self._methods.plan(self._method)
        return tuple(plan.call(self._method.ifn, 0, args, self._word))

    async def call_async(self, *args: Any) -> Any:
        """Call it in a thread of the machine's; see :meth:`Function.call_async`."""
        return await self._methods.context.worker.call(self, *args)

    def belongs_to(self, context: Context) -> bool:
        return self._methods.context is context

    def __repr__(self) -> str:
        return f"<Go method {self.__doc__}>"


class MethodTable:
    """The methods of values of one type, and of its pointer type where values have an address."""

    def __init__(self, context: Context, go_type: GoType) -> None:
        self.type = go_type
        self.context = context
        self._plans: dict[str, CallPlan] = {}
        self._callers: dict[str, Callable[[tuple[Any, ...]], Any]] = {}

    @cached_property
    def own(self) -> dict[str, Method]:
        """The method set of the type."""
        return _by_name(self.type)

    @cached_property
    def addressed(self) -> dict[str, Method]:
        """The method set of the pointer type; empty if the plugin has none."""
        if self.type.kind in ("ptr", "interface"):
            return {}
        pointer = self.context.pointer_to(self.type)
        return {} if pointer is None else _by_name(pointer)

    def names(self) -> Iterator[str]:
        """The names of all methods that can be called."""
        for name in {**self.addressed, **self.own}:
            if not name.isidentifier():
                continue
            if any(t.get(name, _NONE).ifn is not None for t in (self.own, self.addressed)):
                yield name

    def find(self, name: str, address: int | None) -> tuple[Method, bool] | None:
        """A method and whether its receiver is a pointer to the value, None if there is none.

        ``address`` None means that the value has none. MethodRemovedError for a method that the
        linker removed.
        """
        tables = [(self.own, False)]
        if address is not None:
            tables.append((self.addressed, True))
        removed = False
        for table, by_address in tables:
            method = table.get(name)
            if method is None:
                continue
            if method.ifn is not None and method.type is not None:
                return method, by_address
            removed = True
        if removed:
            raise MethodRemovedError(
                f"the linker removed {self.type.string}.{name}: nothing in the plugin calls it"
                " through an interface or by reflection"
            )
        return None

    def plan(self, method: Method) -> CallPlan:
        """How to call a method."""
        plan = self._plans.get(method.name)
        if plan is None:
            assert method.type is not None
            name = f"{self.type.string}.{method.name}"
            plan = CallPlan(self.context, method.type, name, receiver=True)
            self._plans[method.name] = plan
        return plan

    def caller(self, method: Method) -> Callable[[tuple[Any, ...]], Any]:
        """What a call of a method in Python does, with its receiver before the arguments."""
        caller = self._callers.get(method.name)
        if caller is None:
            assert method.ifn is not None
            caller = self._callers[method.name] = self.plan(method).caller(method.ifn, 0)
        return caller


_NONE = Method("", False, "", None, None, None)


def _by_name(go_type: GoType) -> dict[str, Method]:
    return {method.name: method for method in go_type.methods}


def bind(
    context: Context, go_type: GoType, name: str, address: int, keep: object
) -> BoundMethod | None:
    """A method of the value of ``go_type`` at ``address``, None if it has none of that name."""
    table = context.methods(go_type)
    found = table.find(name, address)
    if found is None:
        return None
    method, by_address = found
    direct = go_type.is_direct_iface and not by_address
    word = context.memory.read_u64(address) if direct else address
    return BoundMethod(table, method, word, keep)


def method_of(value: Live, name: str, word: int, keep: object) -> BoundMethod:
    """A method of a value that has no address, from its word in an interface.

    AttributeError where there is none.
    """
    if not name.startswith("__"):
        table = value._context.methods(value._type)
        found = table.find(name, None)
        if found is not None:
            return BoundMethod(table, found[0], word, keep)
        raise AttributeError(f"{value._type.string} has no method {name}")
    raise AttributeError(name)
