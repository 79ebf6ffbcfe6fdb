"""Func values: closures that Go made are callable, Python's functions are themselves, nil is
None."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emuplugin.values.codec import Codec
from emuplugin.values.function import Function, Signed
from emuplugin.values.heap import Allocations
from emuplugin.values.live import refused
from emuplugin.values.mismatch import Mismatch


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
        return self.function(image) if function is None else function

    def function(self, image: bytes) -> Function | None:
        """:meth:`decode`, but a Python function comes as Go sees it."""
        closure = int.from_bytes(image, "little")
        if not closure:
            return None
        root = self.context.guest.hold(closure)
        entry = self.context.memory.read_u64(closure)
        return Function(self.context, self.type.string, self.type, entry, closure=root)

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(8)
        if isinstance(value, Signed):
            if not value.belongs_to(self.context):
                raise Mismatch(f"expected {self.expected}, got a Go function of another machine")
            if value.go_type.signature != self.type.signature:
                raise Mismatch(f"expected {self.expected}, got {value.go_type.signature}")
        if not isinstance(value, Function) and callable(value):
            # Methods too: Go has no code that would call one with its receiver.
            allocations.protect()
            root = self.context.python_functions.value(value, self.type)
            allocations.keep(root)
            return root.address.to_bytes(8, "little")
        if not isinstance(value, Function):
            raise refused(self, value)
        # A declared function needs a closure without variables: nothing but the code address.
        closure = value.closure or allocations.bytes(value.address.to_bytes(8, "little"))
        return closure.to_bytes(8, "little")

    def go_syntax(self, value: Any, depth: int) -> str:
        if value is None:
            return "nil"
        if isinstance(value, Function):
            return f"({self.type.string})({value.closure:#x})"
        return repr(value)

    def text(self, value: Any, depth: int) -> str:
        return f"({self.type.string})(nil)" if value is None else self.go_syntax(value, depth)
