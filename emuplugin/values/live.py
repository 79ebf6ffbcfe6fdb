"""Live: what all Python faces of Go values that lie in guest memory have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emuplugin.errors import ClosedError, DeadMachineError
from emuplugin.values.go_syntax import MAX_DEPTH
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

    def __repr__(self) -> str:
        """The value in Go syntax. Also of values that are gone with their machine: a ``repr`` that
        raises would spoil tracebacks and debuggers."""
        try:
            return self._text()
        except (ClosedError, DeadMachineError):
            return gone(self._context, self._type)

    def _repr_html_(self) -> str:
        try:
            return self._html()
        except (ClosedError, DeadMachineError):
            from html import escape  # imported with its long table of names

            return f"<code>{escape(repr(self))}</code>"

    def _html(self) -> str:
        from emuplugin.values.html import to_html

        return to_html(self)

    def _text(self) -> str:
        return self._codec.text(self, MAX_DEPTH)


def gone(context: Context, go_type: GoType) -> str:
    """What is shown of a value whose machine is closed or dead."""
    try:
        name = go_type.string
    except (ClosedError, DeadMachineError):
        name = "value"  # nobody asked for the type while it could be read
    return f"<Go {name} of a {context.guest.state} machine>"


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
