"""Interfaces other than error: nil is None, any other shows its dynamic type and value.

Two words. The first of an empty interface (``any``) is the dynamic type; of others it is the itab,
which holds the dynamic type and its methods. The second is the value itself if that is a single
pointer ("direct"), else a pointer to it (``internal/abi/iface.go``).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from emuplugin.errors import GoError
from emuplugin.values.codec import Codec
from emuplugin.values.error_values import ITAB_TYPE, HeldInterface
from emuplugin.values.function import Signed
from emuplugin.values.go_syntax import MAX_DEPTH
from emuplugin.values.gotype import GoType
from emuplugin.values.heap import Allocations
from emuplugin.values.live import Live, refused
from emuplugin.values.made_types import DICT, LIST
from emuplugin.values.methods import method_of
from emuplugin.values.mismatch import Mismatch, wrong_type
from emuplugin.values.slice_codec import new_array

if TYPE_CHECKING:
    from emuplugin.values.guest import Root

_WORDS = struct.Struct("<QQ")
_DEFAULT_TYPES: dict[type, str] = {
    bool: "bool",
    int: "int",
    float: "float64",
    complex: "complex128",
    str: "string",
    bytes: "[]uint8",
}
"""What Python values become in an interface, as untyped constants do in Go."""

_SHARING = (bool, int, float, complex, str)
"""Several of these lie in one object, which lives as long as any of them is referred to."""

_COMPOSITES: tuple[tuple[Any, str], ...] = (
    (timedelta, "time.Duration"),
    (datetime, "time.Time"),
    (list | tuple, LIST),
    (dict, DICT),
)
"""The same for values that only some plugins have a type for, as encoding/json chooses. Those of
package time are there or not; the others are made."""


class Interface(Live):
    """A non-nil interface value. ``type`` is the dynamic type, ``value`` the value of that type.

    What is in an interface cannot change, so arrays and structs come out as copies.
    """

    __slots__ = ("__weakref__", "_codec", "_data", "_root")

    def __init__(self, codec: Codec, data: int, root: Root | None) -> None:
        """``codec`` is that of the dynamic type."""
        self._codec = codec
        self._data = data
        self._root = root
        if codec.context.newcomers is not None:
            codec.context.newcomers.add(self)

    @property
    def type(self) -> str:
        """The dynamic type, as Go prints it."""
        return self._type.string

    @property
    def value(self) -> Any:
        """The value inside, converted like any value of its type."""
        codec = self._codec
        if self._type.is_direct_iface:
            image = self._data.to_bytes(8, "little")
        else:
            image = self._context.memory.read(self._data, codec.size)
        return codec.finish(codec.decode(image, self._root))

    def __getattr__(self, name: str) -> Any:
        return method_of(self, name, self._data, self._root)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._context.methods(self._type).names()]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Interface):
            return NotImplemented
        return self._type is other._type and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash((self._type, self.value))

    def _text(self) -> str:
        return self._codec.text(self.value, MAX_DEPTH)

    def _html(self) -> str:
        held = self.value
        return held._html() if isinstance(held, Live) else super()._html()


class InterfaceCodec(Codec):
    """An interface type. Takes None, interfaces, values with a Go type of their own, bool, int,
    float, complex, str and bytes as what they are by default in Go, and objects that have the
    methods; see :class:`~emuplugin.values.python_objects.PythonObjects`."""

    def decode(self, image: bytes, owner: object) -> Any:
        word, data = _WORDS.unpack(image)
        if not word:
            return None
        root = self.context.guest.hold(data) if data else None
        memory = self.context.memory
        address = memory.read_u64(word + ITAB_TYPE) if self.type.methods else word
        python_object = self.context.python_objects.find(address, data)
        if python_object is not None:
            return python_object
        return Interface(self.context.codec(self.context.types.at(address)), data, root)

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(_WORDS.size)
        contents = self._contents(value, allocations)
        if contents is None:
            return self.context.python_objects.image(value, self.type, allocations)
        go_type, data = contents
        if not self.type.methods:
            return _WORDS.pack(go_type.address, data)
        # runtime/iface.go: getitab(inter, typ, canfail)
        allocations.protect()
        itab = self.context.guest.call_runtime("getitab", self.type.address, go_type.address, 1)
        if not itab:
            raise Mismatch(f"expected {self.type.string}, got {go_type.string} without its methods")
        return _WORDS.pack(itab, data)

    def encode_many(self, values: Sequence[Any], allocations: Allocations) -> bytes:
        """As in an array; numbers and strings of one type lie in one object."""
        if self.type.methods:
            return super().encode_many(values, allocations)
        places: dict[type, list[int]] = {}
        for index, value in enumerate(values):
            places.setdefault(type(value), []).append(index)
        images = [b""] * len(values)
        for kind, indexes in places.items():
            alike = [values[index] for index in indexes]
            shared = kind in _SHARING and len(alike) > 1
            go_type = self._predeclared(_DEFAULT_TYPES[kind]) if shared else None
            try:
                if go_type is None:
                    encoded = super().encode_many(alike, allocations)
                else:
                    encoded = self._encode_in_one(go_type, alike, allocations)
            except Mismatch as mismatch:
                del mismatch.steps[0]
                raise mismatch.at_index(indexes[mismatch.index]) from None
            for place, index in enumerate(indexes):
                images[index] = encoded[place * _WORDS.size : (place + 1) * _WORDS.size]
        return b"".join(images)

    def _encode_in_one(
        self, go_type: GoType, values: Sequence[Any], allocations: Allocations
    ) -> bytes:
        """The images of values that lie in one object, as values of ``go_type``."""
        codec = self.context.codec(go_type)
        image = codec.encode_many(values, allocations)
        first = new_array(codec, image, len(values), allocations)
        words = [go_type.address] * (2 * len(values))
        words[1::2] = range(first, first + len(image), codec.size)
        return struct.pack(f"<{len(words)}Q", *words)

    def go_syntax(self, value: Any, depth: int) -> str:
        if value is None:
            return f"{self.type.string}(nil)"
        if isinstance(value, Interface):
            return value._codec.text(value.value, depth)
        return repr(value)  # an object of Python's

    def text(self, value: Any, depth: int) -> str:
        return self.go_syntax(value, depth)

    def _contents(self, value: Any, allocations: Allocations) -> tuple[GoType, int] | None:
        """The dynamic type and the data word for a Python value; None if it is to stay what it
        is."""
        if isinstance(value, Interface) and value._context is self.context:
            return value._type, value._data
        held = value.value if isinstance(value, GoError) else None
        if isinstance(held, HeldInterface) and held.context is self.context:
            return held.dynamic_type, held.data
        codec = self._codec_for(value)
        if codec is None:
            return None
        image = codec.encode(value, allocations)
        if codec.type.is_direct_iface:
            return codec.type, int.from_bytes(image, "little")
        address = allocations.object(codec.size, codec.type)
        allocations.protect()
        self.context.heap.store(address, image, codec.type)
        return codec.type, address

    def _codec_for(self, value: Any) -> Codec | None:
        if isinstance(value, Live):
            if value._context is not self.context:
                raise refused(self, value)
            return value._codec
        if isinstance(value, Signed):
            if not value.belongs_to(self.context):
                raise Mismatch(f"expected {self.expected}, got a Go function of another machine")
            return self.context.codec(value.go_type)
        name = _DEFAULT_TYPES.get(type(value))
        if name is not None:
            go_type = self._predeclared(name)
            if go_type is None:
                hint = f"it would be a {name}, and no code of the plugin uses that type"
                raise wrong_type(self.expected, value, hint)
            return self.context.codec(go_type)
        if self.context.python_objects.implements(value, self.type):
            return None
        for kinds, name in _COMPOSITES:
            if isinstance(value, kinds):
                go_type = self.context.made_types.find(name)
                if go_type is not None and (go_type.methods or not self.type.methods):
                    return self.context.codec(go_type)
        if self.type.methods:
            return None  # what it lacks will be said there
        hint = "it has no type in Go; plugin.type(NAME) makes values that have one"
        if callable(value):
            hint = "it has no type in Go; plugin.type('func(int) int')(f) gives it one"
        raise wrong_type(self.expected, value, hint)

    def _predeclared(self, name: str) -> GoType | None:
        """A type that nearly all plugins have."""
        address = self.context.guest.symbol(f"type:{name}")
        if address is not None:
            return self.context.types.at(address)
        return self.context.made_types.find(name)
