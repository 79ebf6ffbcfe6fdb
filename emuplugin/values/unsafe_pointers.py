"""unsafe.Pointer: an address that keeps alive what it points to."""

from __future__ import annotations

from typing import Any

from emuplugin.values.codec import Codec
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
from emuplugin.values.live import Live, refused
from emuplugin.values.pointers import Pointer


class UnsafePointer(Live):
    """An ``unsafe.Pointer`` that is not nil. ``address`` is where it points to in the guest."""

    __slots__ = ("__weakref__", "_codec", "_root", "address")

    def __init__(self, codec: UnsafePointerCodec, root: Root, address: int) -> None:
        self._codec = codec
        self._root = root
        self.address = address
        if codec.context.newcomers is not None:
            codec.context.newcomers.add(self)

    def __int__(self) -> int:
        return self.address

    __index__ = __int__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UnsafePointer):
            return NotImplemented
        return self._context is other._context and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    def _text(self) -> str:
        return f"unsafe.Pointer({self.address:#x})"


class UnsafePointerCodec(Codec):
    """Takes None for nil, pointers of any type of the same machine, and integers as addresses."""

    def decode(self, image: bytes, owner: object) -> UnsafePointer | None:
        address = int.from_bytes(image, "little")
        return UnsafePointer(self, self.context.guest.hold(address), address) if address else None

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(8)
        if isinstance(value, Live) and value._context is self.context:
            if isinstance(value, UnsafePointer):
                return value.address.to_bytes(8, "little")
            if isinstance(value, Pointer):
                return value._address.to_bytes(8, "little")
        if type(value) is int and 0 <= value < 1 << 64:
            return value.to_bytes(8, "little")
        raise refused(self, value)

    def text(self, value: Any, depth: int) -> str:
        return "unsafe.Pointer(nil)" if value is None else self.go_syntax(value, depth)
