"""Pointers: nil is None, any other keeps what it points to alive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cached_property
from typing import Any

from emuplugin.values.boxed import View
from emuplugin.values.codec import Codec
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
from emuplugin.values.live import Live, refused
from emuplugin.values.methods import method_of
from emuplugin.values.mismatch import Mismatch


class Pointer(Live):
    """A pointer that is not nil. ``pointer.value`` is what it points to, read and set.

    Attributes are those of the struct it points to, as Go has it. Two pointers are equal if they
    point to the same place with the same type.
    """

    __slots__ = ("__weakref__", "_address", "_codec", "_root")

    _address: int
    _codec: PointerCodec
    _root: Root

    def __init__(self, codec: PointerCodec, root: Root, address: int) -> None:
        object.__setattr__(self, "_codec", codec)
        object.__setattr__(self, "_root", root)
        object.__setattr__(self, "_address", address)
        if codec.context.newcomers is not None:
            codec.context.newcomers.add(self)

    @property
    def value(self) -> Any:
        """What it points to."""
        return self._codec.element.read(self._address, self._root)

    def _assign(self, value: Any) -> None:
        try:
            self._codec.element.write(self._address, value)
        except Mismatch as mismatch:
            raise mismatch.error(self._codec.type.elem.string) from None

    def __getattr__(self, name: str) -> Any:
        codec = self._codec
        if name.startswith("__"):
            raise AttributeError(name)
        if codec.type.elem.kind != "struct" or codec.context.methods(codec.type).find(name, None):
            return method_of(self, name, self._address, self._root)
        return getattr(self.value, name)

    def __dir__(self) -> list[str]:
        codec = self._codec
        names = [*super().__dir__(), *codec.context.methods(codec.type).names()]
        return [*names, *dir(self.value)] if codec.type.elem.kind == "struct" else names

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "value":
            self._assign(value)
        elif self._codec.type.elem.kind == "struct":
            setattr(self.value, name, value)
        else:
            raise AttributeError(f"{self._codec.type.string} has no field {name}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pointer):
            return NotImplemented
        return self._address == other._address and self._codec is other._codec

    def __hash__(self) -> int:
        return hash((self._address, self._codec.type.address))

    def _text(self) -> str:
        return f"({self._codec.type.string})({self._address:#x})"


class PointerCodec(Codec):
    """``*T``. Takes None, pointers and views of the same machine, and for structs what makes one.

    A view of a ``T`` becomes its address: Go then works on what Python sees. A mapping or dataclass
    becomes a new ``T``, as ``&T{...}`` does.
    """

    @cached_property
    def element(self) -> Codec:
        """The codec of what it points to."""
        return self.context.codec(self.type.elem)

    def decode(self, image: bytes, owner: object) -> Pointer | None:
        address = int.from_bytes(image, "little")
        if not address:
            return None
        return Pointer(self, self.context.guest.hold(address), address)

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        return self._target(value, allocations).to_bytes(8, "little")

    def text(self, value: Any, depth: int) -> str:
        return f"({self.type.string})(nil)" if value is None else self.go_syntax(value, depth)

    def _target(self, value: Any, allocations: Allocations) -> int:
        if value is None:
            return 0
        if isinstance(value, Pointer) and value._codec is self:
            return value._address
        if isinstance(value, View) and value._codec.context is self.context:
            if value._codec.type is self.type.elem:
                return value._address
        elif self.type.elem.kind == "struct" and (
            isinstance(value, Mapping) or (is_dataclass(value) and not isinstance(value, type))
        ):
            image = self.element.encode(value, allocations)
            address = allocations.object(self.element.size, self.type.elem)
            allocations.protect()
            self.context.heap.store(address, image, self.type.elem)
            return address
        raise refused(self, value)
