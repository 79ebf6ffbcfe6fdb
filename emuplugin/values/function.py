"""Function: a Go function that Python can call."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from emuplugin.errors import ClosedError, DeadMachineError, StaleError
from emuplugin.values.batches import BatchPlan, Target
from emuplugin.values.gone import Gone
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Root
from emuplugin.values.plan import CallPlan

if TYPE_CHECKING:
    from emuplugin.values.context import Context

T = TypeVar("T")


class _Signature:
    """The attribute ``__signature__`` of what can be called. The class itself has none:
    ``inspect.signature`` then looks at how it is made."""

    def __get__(self, instance: Signed | None, owner: type) -> inspect.Signature:
        if instance is None:
            raise AttributeError("__signature__")
        return instance.signature


class Signed:
    """What has a Go func type and can be called from Python."""

    __signature__ = _Signature()

    @property
    @abstractmethod
    def go_type(self) -> GoType:
        """The func type, without receiver."""

    @abstractmethod
    def belongs_to(self, context: Context) -> bool:
        """Whether it is a function of this machine."""

    @property
    def type(self) -> str:
        """The Go type, as ``reflect.Type.String`` has it; of a method without receiver."""
        return self.go_type.string

    @property
    def signature(self) -> inspect.Signature:
        """The parameters and results with their Go types as annotations."""
        return signature_of(self.go_type)


class Function(Signed):
    """A function of a plugin. Calling it runs it in the machine, on one goroutine, to its end.

    ``name`` is its name in Go, ``type`` its Go type (``func(int, int) (int, error)``),
    ``address`` its code in the guest, ``closure`` the address of the func value if there is one (0
    for declared functions). A call converts each argument to the parameter's type and
    returns nothing, the one result, or a tuple. A last result of type ``error`` is not returned:
    it is raised as GoError if it is not nil. :meth:`results` returns it.
    """

    def __init__(
        self,
        context: Context,
        name: str,
        go_type: GoType,
        address: int,
        *,
        closure: Root | None = None,
    ) -> None:
        """``closure`` is the func value, for functions that have one: it holds their variables."""
        self.name = name
        self._go_type = go_type
        self.address = address
        self.closure = 0 if closure is None else closure.address
        self._root = closure
        self._context = context
        self.__name__ = self.__qualname__ = name
        if closure is not None and context.newcomers is not None:
            context.newcomers.add(self)

    @property
    def go_type(self) -> GoType:
        return self._go_type

    def __call__(self, *args: Any) -> Any:
        try:
            return self._call(args)
        except StaleError as error:
            raise self._stale(error) from None

    def results(self, *args: Any) -> tuple[Any, ...]:
        """Call it and return all results as Go has them, a last ``error`` too (None for nil)."""
        try:
            return tuple(self._plan.call(self.address, self.closure, args))
        except StaleError as error:
            raise self._stale(error) from None

    def expire(self) -> None:
        """The func value, or the plugin, is no more: the machine went back."""
        gone: Any = Gone(self.go_type)
        self._context, self._go_type = gone, gone.type
        for cached in ("_plan", "_call"):
            self.__dict__.pop(cached, None)

    def _stale(self, error: StaleError) -> StaleError:
        """The error by this function's name, if it is this function that is stale."""
        if self._context.guest.state != "closed":
            return error
        return StaleError(self.name, restored=error.restored)

    def map(self, *iterables: Iterable[Any]) -> list[Any]:
        """Call it for each item, as ``[f(x) for x in xs]``: ``f.map(xs)``, ``f.map(xs, ys)``.

        The calls are made by a loop in the guest, which takes a small part of the time of so many
        calls from Python. There is an iterable for each parameter; the shortest ends it. All items
        are converted before the first call. The first call that panics or returns an error ends it
        with that exception, whose ``index`` tells which it was. Limits of a call are those of
        all calls together.
        """
        return self._many(lambda batch, target: batch.map(target, iterables))

    def array(self, *arguments: Any) -> Any:
        """:meth:`map` from numbers to numbers: ``f.array(xs, ys)``, ``f.array(xs, 2)``.

        Arguments are buffers (arrays, memoryviews, NumPy's arrays), which are copied as they are if
        their numbers are of the parameter's type; or other iterables; or single values, which all
        calls get. The result is an ``array.array`` (of bool a memoryview), or a tuple of them.
        """
        return self._many(lambda batch, target: batch.array(target, arguments))

    def _many(self, run: Callable[[BatchPlan, Target], T]) -> T:
        try:
            return run(self._plan.batch, Target(self.address, self.closure, None, self))
        except StaleError as error:
            raise self._stale(error) from None

    async def call_async(self, *args: Any) -> Any:
        """Call it in a thread of the machine's: ``await f.call_async(1, 2)``.

        The calls of one machine take place one after the other, those of several side by side.
        Cancelling interrupts the call as Ctrl-C does; see :meth:`emuplugin.Machine.interrupt`.
        """
        return await self._context.worker.call(self, *args)

    def belongs_to(self, context: Context) -> bool:
        return self._context is context

    @cached_property
    def _call(self) -> Callable[[tuple[Any, ...]], Any]:
        return self._plan.caller(self.address, self.closure)

    @cached_property
    def _plan(self) -> CallPlan:
        return CallPlan(self._context, self.go_type, self.name)

    def __repr__(self) -> str:
        try:
            signature = self.go_type.signature.removeprefix("func")
        except (ClosedError, DeadMachineError):
            return f"<Go func {self.name} of a {self._context.guest.state} machine>"
        if self.closure:  # nobody has given it a name
            return f"<Go func{signature} at {self.address:#x}>"
        return f"<Go func {self.name}{signature}>"


def signature_of(go_type: GoType) -> inspect.Signature:
    """A func type as Python's signature, with Go types as annotations."""
    params = go_type.params
    kinds: list[inspect._ParameterKind] = [inspect.Parameter.POSITIONAL_ONLY] * len(params)
    types = [param.string for param in params]
    if go_type.variadic:
        kinds[-1] = inspect.Parameter.VAR_POSITIONAL
        types[-1] = params[-1].elem.string
    results = [result.string for result in go_type.results]
    return inspect.Signature(
        [
            inspect.Parameter(f"arg{number}", kind, annotation=type)
            for number, (kind, type) in enumerate(zip(kinds, types, strict=True), 1)
        ],
        return_annotation=results[0] if len(results) == 1 else f"({', '.join(results)})",
    )
