"""Function: a Go function that Python can call."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Root
from emuplugin.values.plan import CallPlan

if TYPE_CHECKING:
    from emuplugin.values.context import Context


class Function:
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
        self.go_type = go_type
        self.address = address
        self.closure = 0 if closure is None else closure.address
        self._root = closure
        self._context = context
        self.__name__ = self.__qualname__ = name

    @property
    def type(self) -> str:
        """The Go type, as ``reflect.Type.String`` has it."""
        return self.go_type.string

    @property
    def signature(self) -> str:
        """The parameters and results, written out even where the func type has a name."""
        return self.go_type.signature

    def __call__(self, *args: Any) -> Any:
        plan = self._plan
        if plan.only_integers:
            return plan.call_integers(self.address, self.closure, args)
        return plan.outcome(plan.call(self.address, self.closure, args))

    def results(self, *args: Any) -> tuple[Any, ...]:
        """Call it and return all results as Go has them, a last ``error`` too (None for nil)."""
        return tuple(self._plan.call(self.address, self.closure, args))

    async def call_async(self, *args: Any) -> Any:
        """Call it in a thread of the machine's: ``await f.call_async(1, 2)``.

        The calls of one machine take place one after the other, those of several side by side.
        Cancelling interrupts the call as Ctrl-C does; see :meth:`emuplugin.Machine.interrupt`.
        """
        return await self._context.worker.call(self, *args)

    def belongs_to(self, context: Context) -> bool:
        """Whether it is a function of this machine."""
        return self._context is context

    @cached_property
    def _plan(self) -> CallPlan:
        return CallPlan(self._context, self.go_type, self.name)

    @property
    def __signature__(self) -> inspect.Signature:
        """The signature with Go types as annotations, for ``help`` and ``inspect.signature``."""
        return signature_of(self.go_type)

    def __repr__(self) -> str:
        return f"<Go func {self.name}{self.signature.removeprefix('func')}>"


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
