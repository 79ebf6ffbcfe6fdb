"""The text of a panic value, as the runtime prints it (``runtime/error.go: printpanicval``)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from emuplugin.values.context import Context
from emuplugin.values.gotype import GoType


class PanicText(NamedTuple):
    """What was panicked with: its text and its Go type."""

    text: str
    type: str


_INTEGERS = {
    "int": "q", "int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint": "Q", "uint8": "B",
    "uint16": "H", "uint32": "I", "uint64": "Q", "uintptr": "Q",
}  # fmt: skip


def describe_panic(context: Context, type_address: int, printed: tuple[int, int]) -> PanicText:
    """``type_address`` is the type of the value, ``printed`` the ``any`` that would be printed:
    the same value, or the string that its Error or String method gave."""
    if not type_address:
        return PanicText("nil", "nil")
    go_type = context.types.at(type_address)
    printed_type = context.types.at(printed[0]) if printed[0] else go_type
    return PanicText(_text(context, printed_type, printed[1]), go_type.string)


def _text(context: Context, go_type: GoType, data: int) -> str:
    plain = _plain(context, go_type, data)
    if plain is None:
        return f"({go_type.string}) {data:#x}"
    if go_type.string == go_type.kind:
        return plain
    # A named basic type: main.Code(3), main.Name("x").
    return (
        f'{go_type.string}("{plain}")' if go_type.kind == "string" else f"{go_type.string}({plain})"
    )


def _plain(context: Context, go_type: GoType, data: int) -> str | None:
    memory, kind = context.memory, go_type.kind
    if kind == "string":
        address, size = struct.unpack("<QQ", memory.read(data, 16))
        return memory.read(address, size).decode(errors="replace") if size else ""
    if kind == "bool":
        return "true" if memory.read(data, 1) != b"\0" else "false"
    if kind in _INTEGERS:
        return str(struct.unpack("<" + _INTEGERS[kind], memory.read(data, go_type.size))[0])
    if kind in ("float32", "float64"):
        return go_float(
            struct.unpack("<f" if kind == "float32" else "<d", memory.read(data, go_type.size))[0]
        )
    if kind in ("complex64", "complex128"):
        real, imag = struct.unpack(
            "<ff" if kind == "complex64" else "<dd", memory.read(data, go_type.size)
        )
        return f"({go_float(real)}{go_float(imag)}i)"
    return None


def go_float(value: float) -> str:
    """A float as Go's ``print`` writes it: ``+1.500000e+000``."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = f"{value:+.6e}".partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:]:0>3}"
