"""Live: what all Python faces of Go values that lie in guest memory have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emuplugin.values.mismatch import Mismatch, wrong_type

if TYPE_CHECKING:
    from emuplugin.values.codec import Codec
    from emuplugin.values.context import Context
    from emuplugin.values.gotype import GoType


class Live:
    """A Go value with a type of its own. Structs own the plain names: ours start with ``_``."""

    __slots__ = ()

    _codec: Codec

    @property
    def _type(self) -> GoType:
        return self._codec.type

    @property
    def _context(self) -> Context:
        return self._codec.context

    def _repr_html_(self) -> str:
        from emuplugin.values.html import to_html

        return to_html(self)


def unboxed(codec: Codec, value: Any) -> Any:
    """What is in an interface of the codec's own type, which keeps a named scalar's type; any
    other value as it is."""
    return value.value if isinstance(value, Live) and value._codec is codec else value  # type: ignore[attr-defined]


def refused(codec: Codec, value: object, hint: str = "") -> Mismatch:
    """The mismatch for a value of the wrong type; Go values are named by their Go type."""
    if isinstance(value, Live):
        message = f"expected {codec.expected}, got {value._type.string}"
        if value._context is not codec.context:
            # Said without asking the other machine, which may be closed.
            message = f"expected {codec.expected}, got a Go value of another machine"
        return Mismatch(message)
    return wrong_type(codec.expected, value, hint)
