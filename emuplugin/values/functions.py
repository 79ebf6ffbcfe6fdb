"""Func values: closures that Go made are callable, Python's functions are themselves, nil is
None."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emuplugin.values.codec import Codec
from emuplugin.values.function import Function
from emuplugin.values.heap import Allocations
from emuplugin.values.mismatch import wrong_type


class FunctionCodec(Codec):
    """``func(...)``: a pointer to a closure, which starts with its code address.

    Takes None, functions of the same machine and signature, and Python callables; see
    :class:`~emuplugin.values.python_functions.PythonFunctions`.
    """

    def decode(self, image: bytes, owner: object) -> Callable[..., Any] | None:
        closure = int.from_bytes(image, "little")
        if not closure:
            return None
        function = self.context.python_functions.find(closure)
        if function is not None:
            return function
        root = self.context.guest.hold(closure)
        entry = self.context.memory.read_u64(closure)
        return Function(self.context, self.type.string, self.type, entry, closure=root)

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(8)
        if not isinstance(value, Function) and callable(value):
            allocations.protect()
            root = self.context.python_functions.value(value, self.type)
            allocations.keep(root)
            return root.address.to_bytes(8, "little")
        if not isinstance(value, Function) or not value.belongs_to(self.context):
            raise wrong_type(self.expected, value)
        if value.signature != self.type.signature:
            raise wrong_type(self.expected, value, value.signature)
        # A declared function needs a closure without variables: nothing but the code address.
        closure = value.closure or allocations.bytes(value.address.to_bytes(8, "little"))
        return closure.to_bytes(8, "little")
