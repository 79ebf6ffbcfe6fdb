"""Python objects in Go interfaces.

An object whose class has all methods of an interface can be passed where Go wants that interface:
as a value of a Go type of its own, ``*python.CLASS``, whose methods call the object's.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any

from emuplugin.errors import EmulationError
from emuplugin.values.handles import Handles
from emuplugin.values.heap import Allocations
from emuplugin.values.mismatch import Mismatch
from emuplugin.values.python_types import PythonType, PythonTypes, bound_method, has_method

if TYPE_CHECKING:
    from emuplugin.values.context import Context
    from emuplugin.values.gotype import GoType
    from emuplugin.values.guest import IncomingCall, Root

_WORDS = struct.Struct("<QQ")


class PythonObjects:
    """The Python objects that one machine's Go code holds in interfaces.

    The methods are called like :class:`PythonFunctions`. The same object is equal to itself
    in Go and a good map key; when it comes back to Python it is the object itself.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.types = PythonTypes(context)
        self.handles = Handles(context.guest)

    def __len__(self) -> int:
        """How many objects Go holds."""
        return len(self.handles)

    def implements(self, value: object, interface: GoType) -> bool:
        """Whether ``value`` can stand in for an ``interface``: if it has all methods, and where
        there are none to have, if it is an exception or has any method that Go knows."""
        if interface.methods:
            return all(has_method(value, method.name) for method in interface.methods)
        return isinstance(value, BaseException) or (
            type(value).__module__ != "builtins" and self.types.offers(value)
        )

    def image(self, value: object, interface: GoType, allocations: Allocations) -> bytes:
        """The two words of an interface that holds ``value``; Mismatch if it lacks methods."""
        context, python_type = self._context, self.types.of(value, interface)
        allocations.protect()
        root = self._root(value, python_type)
        allocations.keep(root)
        word = python_type.address
        if interface.methods:
            # runtime/iface.go: getitab(inter, typ, canfail)
            word = context.guest.call_runtime("getitab", interface.address, word, 1)
            if not word:
                raise Mismatch(f"expected {interface.string}, got {type(value).__name__}")
        return _WORDS.pack(word, root.address)

    def panic_value(self, error: BaseException) -> tuple[int, Root]:
        """Type and data of an ``any`` that holds an exception."""
        python_type = self.types.of(error, self._error)
        return python_type.address, self._root(error, python_type)

    def find(self, type_address: int, data: int) -> Any:
        """The Python object in an interface of that dynamic type and data word; None if what is in
        it is Go's."""
        return None if self.types.at(type_address) is None else self.handles.find(data)

    def at(self, data: int) -> Any:
        """The Python object whose handle is at an address; None if there is none."""
        return self.handles.find(data)

    def _root(self, value: object, python_type: PythonType) -> Root:
        serve = partial(_serve, value, python_type)
        return self.handles.root((python_type.address, id(value)), value, serve)

    @property
    def _error(self) -> GoType:
        address = self._context.guest.symbol("type:error")
        assert address is not None  # the runtime itself uses it
        return self._context.types.at(address)


def _serve(value: object, python_type: PythonType, call: IncomingCall) -> None:
    """Go calls a method of ``value``."""
    if call.method is None or call.method >= len(python_type.methods):
        raise EmulationError(f"Go called a method that {type(value).__name__} does not have")
    method = python_type.methods[call.method]
    method.plan.serve(
        bound_method(value, method.name), call, f"{type(value).__name__}.{method.name}"
    )
