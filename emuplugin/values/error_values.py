"""error: Go's error interface as GoError, Python's exceptions as themselves, nil as None.

An interface with methods is two words: the itab, which tells the dynamic type and holds its
methods (``internal/abi.ITab``), and a pointer to the value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emuplugin.errors import GoError, GoPanic
from emuplugin.values.codec import Codec
from emuplugin.values.go_syntax import go_quote
from emuplugin.values.heap import Allocations
from emuplugin.values.mismatch import wrong_type

if TYPE_CHECKING:
    from emuplugin.values.context import Context
    from emuplugin.values.gotype import GoType
    from emuplugin.values.guest import Root

_INTERFACE = struct.Struct("<QQ")
_STRING = struct.Struct("<QQ")
ITAB_TYPE = 8
ITAB_FUN = 24
_MOST_WRAPPED = 100  # errors that are looked at for a Python exception that they wrap
_NEW_ERROR_ITAB = "go:itab.*errors.errorString,error"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class HeldInterface:
    """A non-nil interface value with methods. ``root`` keeps ``data`` alive if it is not nil."""

    context: Context
    itab: int
    data: int
    root: Root | None

    @property
    def dynamic_type(self) -> GoType:
        """The concrete type of the value inside."""
        memory = self.context.memory
        return self.context.types.at(memory.read_u64(self.itab + ITAB_TYPE))

    def method(self, index: int) -> int:
        """The code of the interface's method ``index``, which takes ``data`` as its receiver."""
        return self.context.memory.read_u64(self.itab + ITAB_FUN + 8 * index)


class ErrorCodec(Codec):
    """The predeclared type error. Takes None, exceptions, and objects with a method ``Error``.

    A GoError that came from this machine goes back as the value it was; another one becomes
    what ``errors.New(message)`` makes, if the plugin holds that type, as any does that calls it or
    imports fmt. EOFError becomes ``io.EOF``, likewise. What is left stays what it is; see
    :class:`~emuplugin.values.python_objects.PythonObjects`.
    """

    late = True

    def decode(self, image: bytes, owner: object) -> HeldInterface | BaseException | None:
        itab, data = _INTERFACE.unpack(image)
        if not itab:
            return None
        dynamic_type = self.context.memory.read_u64(itab + ITAB_TYPE)
        python_object = self.context.python_objects.find(dynamic_type, data)
        if isinstance(python_object, BaseException):
            return python_object
        root = self.context.guest.hold(data) if data else None
        held = HeldInterface(self.context, itab, data, root)
        if self.context.newcomers is not None:
            self.context.newcomers.add(held)
        return held

    def finish(self, value: HeldInterface | BaseException | None) -> BaseException | None:
        if not isinstance(value, HeldInterface):
            return value
        error = GoError(self._message(value), value.dynamic_type.string, value=value)
        if len(self.context.python_objects):
            error.__cause__ = self._cause(value)
        return error

    def of_words(self, itab: int, data: int) -> BaseException:
        """The error that an interface holds which is not nil. The caller holds the lock."""
        error = self.finish(self.decode(_INTERFACE.pack(itab, data), None))
        assert error is not None
        return error

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(_INTERFACE.size)
        held = value.value if isinstance(value, GoError) else None
        if isinstance(held, HeldInterface) and held.context is self.context:
            return _INTERFACE.pack(held.itab, held.data)
        symbol = self.context.guest.symbol
        if type(value) is GoError and (itab := symbol(_NEW_ERROR_ITAB)) is not None:
            return self._new_error(itab, value.message, allocations)
        if isinstance(value, EOFError) and (eof := symbol("io.EOF")) is not None:
            return self.context.memory.read(eof, _INTERFACE.size)
        objects = self.context.python_objects
        if not objects.implements(value, self.type):
            raise wrong_type("error as an exception or None", value)
        return objects.image(value, self.type, allocations)

    def go_syntax(self, value: Any, depth: int) -> str:
        if value is None:
            return f"{self.type.string}(nil)"
        held = value.value if isinstance(value, GoError) else None
        if not isinstance(held, HeldInterface):
            return repr(value)
        dynamic_type, memory = held.dynamic_type, self.context.memory
        if dynamic_type.string == "*errors.errorString":
            return f"errors.New({go_quote(value.message.encode('utf-8', 'surrogateescape'))})"
        codec = self.context.codec(dynamic_type)
        direct = dynamic_type.is_direct_iface
        image = held.data.to_bytes(8, "little") if direct else memory.read(held.data, codec.size)
        return codec.text(codec.finish(codec.decode(image, held.root)), depth)

    def text(self, value: Any, depth: int) -> str:
        return self.go_syntax(value, depth)

    def _cause(self, held: HeldInterface) -> BaseException | None:
        """The Python exception that an error wraps, by what its Unwrap methods return."""
        todo: list[HeldInterface | BaseException] = [held]
        for _ in range(_MOST_WRAPPED):
            if not todo:
                break
            error = todo.pop(0)
            if isinstance(error, BaseException):
                return error
            todo += self._wrapped(error)
        return None

    def _wrapped(self, held: HeldInterface) -> Iterator[HeldInterface | BaseException]:
        guest, memory = self.context.guest, self.context.memory
        for method in held.dynamic_type.methods:
            if method.name != "Unwrap" or not method.ifn or method.type is None:
                continue
            try:
                words = guest.call(method.ifn, 0, (held.data,), (), b"", 8).ints
            except GoPanic:
                return
            count, root = 1, None
            if method.type.string == "func() error":
                image = _INTERFACE.pack(*words[:2])
            elif method.type.string == "func() []error" and words[1]:
                root, count = guest.hold(words[0]), words[1]
                image = memory.read(root.address, count * _INTERFACE.size)
            else:
                return
            for at in range(0, count * _INTERFACE.size, _INTERFACE.size):
                wrapped = self.decode(image[at : at + _INTERFACE.size], root)
                if wrapped is not None:
                    yield wrapped

    def _message(self, held: HeldInterface) -> str:
        """What its Error method returns; if that panics, what fmt prints in such a case."""
        guest = self.context.guest
        try:
            result = guest.call(held.method(0), 0, (held.data,), (), b"", 8)
        except GoPanic as panic:
            if not held.data:
                return "<nil>"
            return f"%!v(PANIC=Error method: {panic.value})"
        pointer, length = result.ints[0], result.ints[1]
        if not length:
            return ""
        return self.context.memory.read(pointer, length).decode("utf-8", "surrogateescape")

    def _new_error(self, itab: int, message: str, allocations: Allocations) -> bytes:
        memory = self.context.memory
        pointer_type = self.context.types.at(memory.read_u64(itab + ITAB_TYPE))
        data = message.encode("utf-8", "surrogateescape")
        text = allocations.bytes(data)
        error = allocations.object(_STRING.size, pointer_type.elem)
        allocations.protect()
        self.context.heap.store(error, _STRING.pack(text, len(data)), pointer_type.elem)
        return _INTERFACE.pack(itab, error)
