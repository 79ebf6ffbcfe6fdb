"""Python functions as Go func values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emuplugin.errors import EmulationError
from emuplugin.values.handles import Handles, identity
from emuplugin.values.incoming import IncomingPlan

if TYPE_CHECKING:
    from emuplugin.values.context import Context
    from emuplugin.values.gotype import GoType
    from emuplugin.values.guest import IncomingCall, Root


class PythonFunctions:
    """The Python functions that one machine's Go code holds.

    A function is called with the arguments converted like results of a call, but for ``[]byte``,
    which is a writable memoryview of Go's memory; further arguments of a variadic func type come
    one by one. What it returns is converted like arguments of a call:
    one value, a tuple for several. Of a func type whose last result is ``error`` that result is
    left out, and raising GoError returns it, as EOFError does ``io.EOF``. Any other exception
    becomes a panic, which Go code can recover, and which is the exception again when it arrives in
    Python.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.handles = Handles(context.guest)
        self._plans: dict[GoType, IncomingPlan] = {}

    def __len__(self) -> int:
        """How many functions Go holds."""
        return len(self.handles)

    def value(self, function: Callable[..., Any], go_type: GoType) -> Root:
        """The func value of type ``go_type`` that calls ``function``: the same for the same
        function and type as long as Go holds it."""
        plan = self._plan(go_type)
        name = name_of(function)

        def serve(call: IncomingCall) -> None:
            if call.method is not None:
                raise EmulationError(f"Go called {name}, a function, as if it were a method")
            plan.serve(function, call, name)

        return self.handles.root((go_type, identity(function)), function, serve)

    def find(self, address: int) -> Callable[..., Any] | None:
        """The Python function behind a func value, None if Go made it."""
        function: Callable[..., Any] | None = self.handles.find(address)
        return function

    def _plan(self, go_type: GoType) -> IncomingPlan:
        plan = self._plans.get(go_type)
        if plan is None:
            plan = self._plans[go_type] = IncomingPlan(self._context, go_type)
        return plan


def name_of(function: object) -> str:
    """What messages call a Python function."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return name.replace("<locals>.", "")
