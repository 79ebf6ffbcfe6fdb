"""[]byte: Python's bytes, copied both ways, or a live slice where one is asked for."""

from __future__ import annotations

from typing import Any

from emuplugin.values.go_syntax import go_quote
from emuplugin.values.heap import Allocations
from emuplugin.values.live import Live, refused
from emuplugin.values.mismatch import wrong_type
from emuplugin.values.slice_codec import HEADER, SliceCodec


class BytesCodec(SliceCodec):
    """A slice of bytes. Gives bytes, also for nil.

    Takes objects with a contiguous buffer of single bytes, and None for the nil slice. Go gets a
    copy, so what it writes there does not reach the Python object. It does reach a live slice:
    ``plugin.make("[]byte", 4096)`` makes one to be filled.
    """

    detached = True

    def decode(self, image: bytes, owner: object) -> bytes:
        pointer, length, _capacity = HEADER.unpack(image)
        return self.context.memory.read(pointer, length) if length else b""

    def read(self, address: int, owner: object) -> Any:
        with self.context.guest.lock:
            return self.decode(self.context.memory.read(address, self.size), owner)

    def elements(self, value: Any, allocations: Allocations) -> tuple[bytes | memoryview, int]:
        data = self._data(value)
        return data, len(data)

    def go_syntax(self, value: Any, depth: int) -> str:
        if isinstance(value, Live):
            value = bytes(value)  # type: ignore[call-overload]
        return f"{self.type.string}({go_quote(value)})"

    def text(self, value: Any, depth: int) -> str:
        return self.go_syntax(value, depth)

    def _data(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if isinstance(value, tuple | list):
            return self.element.encode_many(value, Allocations(self.context.guest))
        try:
            view = memoryview(value)
        except TypeError:
            if isinstance(value, Live):
                raise refused(self, value) from None
            hint = "encode it first" if isinstance(value, str) else ""
            raise wrong_type(f"{self.expected} as a bytes-like object", value, hint) from None
        if view.itemsize != 1 or not view.contiguous:
            raise wrong_type(
                f"{self.expected} as a bytes-like object",
                value,
                f"a {'' if view.contiguous else 'non-'}contiguous buffer of {view.itemsize}-byte"
                " items",
            )
        return view.tobytes()
