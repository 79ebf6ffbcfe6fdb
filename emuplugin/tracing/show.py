"""Go values as text, from their bytes: for observers, who must not let the guest run.

As in the ``repr`` of values, but short, and what would take a call of the runtime is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final, Protocol

from emuplugin.errors import CorruptDataError, FormatError
from emuplugin.values.float_text import go_float
from emuplugin.values.go_syntax import go_quote
from emuplugin.values.shape import Shaped

from .functions import short_name
from .guest import TracedGuest

_MAX_ITEMS: Final = 6
_MAX_TEXT: Final = 64
_MAX_DEPTH: Final = 3
# What values raise that the guest has not finished or has destroyed, and damaged DWARF.
_DAMAGE: Final = (
    CorruptDataError,
    FormatError,
    struct.error,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
_KIND_FLOAT: Final = {4: struct.Struct("<f"), 8: struct.Struct("<d")}


class TypeLike(Shaped, Protocol):
    """What is shown of a type: :class:`emuplugin.values.GoType`, or one that only DWARF knows."""

    @property
    def string(self) -> str: ...
    @property
    def named(self) -> bool: ...
    @property
    def methods(self) -> Sequence[Any]: ...


def show(guest: TracedGuest, go_type: TypeLike, data: bytes, depth: int = 0) -> str:
    """The value whose memory image is ``data``; "?" where it cannot be made out."""
    try:
        return _show(guest, go_type, data, depth)
    except _DAMAGE:
        return "?"


def show_at(guest: TracedGuest, go_type: TypeLike, address: int, depth: int = 0) -> str:
    """The value at an address."""
    try:
        return show(guest, go_type, guest.memory.read(address, go_type.size), depth)
    except _DAMAGE:
        return "?"


def _show(guest: TracedGuest, go_type: TypeLike, data: bytes, depth: int) -> str:
    kind = go_type.kind
    if kind == "bool":
        return "true" if data[0] else "false"
    if kind in ("float32", "float64"):
        return go_float(_KIND_FLOAT[len(data)].unpack(data)[0], len(data))
    if kind in ("complex64", "complex128"):
        half = len(data) // 2
        real, imaginary = (_KIND_FLOAT[half].unpack(data[at : at + half])[0] for at in (0, half))
        sign = "" if go_float(imaginary, half)[0] in "+-" else "+"
        return f"({go_float(real, half)}{sign}{go_float(imaginary, half)}i)"
    if kind in ("uintptr", "unsafe.Pointer"):
        return f"{_word(data):#x}"
    if kind.startswith(("int", "uint")) and kind != "interface":
        return str(int.from_bytes(data, "little", signed=kind.startswith("int")))
    if kind == "string":
        return _string(guest, _word(data), _word(data, 8))
    if kind == "slice":
        return _slice(guest, go_type, data, depth)
    if kind == "array":
        return f"{go_type.string}{_items(guest, go_type.elem, data, go_type.length, depth)}"
    if kind == "struct":
        return f"{go_type.string}{_struct(guest, go_type, data, depth)}"
    if kind == "interface":
        return _interface(guest, go_type, data, depth)
    return _reference(guest, go_type, _word(data), depth)


def _word(data: bytes, at: int = 0) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _string(guest: TracedGuest, address: int, size: int) -> str:
    text = go_quote(guest.memory.read(address, min(size, _MAX_TEXT)) if size else b"")
    return text if size <= _MAX_TEXT else f"{text}..."


def _slice(guest: TracedGuest, go_type: TypeLike, data: bytes, depth: int) -> str:
    address, length = _word(data), _word(data, 8)
    if not address:
        return "nil"
    elem = go_type.elem
    if elem.kind == "uint8":
        return f"{go_type.string}({_string(guest, address, length)})"
    if depth >= _MAX_DEPTH:
        return f"{go_type.string}{{...}}"
    content = guest.memory.read(address, elem.size * min(length, _MAX_ITEMS))
    return f"{go_type.string}{_items(guest, elem, content, length, depth)}"


def _items(guest: TracedGuest, elem: TypeLike, data: bytes, length: int, depth: int) -> str:
    if depth >= _MAX_DEPTH:
        return "{...}"
    size = elem.size
    shown = [
        _inner(guest, elem, data[at * size : at * size + size], depth + 1)
        for at in range(min(length, _MAX_ITEMS))
    ]
    if length > _MAX_ITEMS:
        shown.append(f"... {length} in all")
    return f"{{{', '.join(shown)}}}"


def _struct(guest: TracedGuest, go_type: TypeLike, data: bytes, depth: int) -> str:
    if depth >= _MAX_DEPTH:
        return "{...}"
    fields = [
        f"{field.name}:"
        + _inner(guest, field.type, data[field.offset : field.offset + field.type.size], depth + 1)
        for field in go_type.fields[:_MAX_ITEMS]
        if field.name != "_"
    ]
    if len(go_type.fields) > _MAX_ITEMS:
        fields.append("...")
    return f"{{{', '.join(fields)}}}"


def _inner(guest: TracedGuest, go_type: TypeLike, data: bytes, depth: int) -> str:
    return show(guest, go_type, data, depth)


def _reference(guest: TracedGuest, go_type: TypeLike, address: int, depth: int) -> str:
    kind = go_type.kind
    if not address:
        return "nil"
    if kind == "func":
        function = guest.functions.function(guest.memory.read_u64(address))
        return short_name(guest.functions.name(function)) if function else f"func({address:#x})"
    if kind == "map":
        # Both kinds of maps begin with the number of their entries (hmap.count, Map.used).
        return f"{go_type.string}({guest.memory.read_u64(address)} entries)"
    if kind == "chan":
        return f"({go_type.string})({address:#x})"
    elem = go_type.elem if kind == "ptr" else None
    if elem is not None and elem.kind == "struct" and depth < 1 and elem.size <= 512:
        return f"&{show_at(guest, elem, address, depth + 1)}"
    return f"({go_type.string})({address:#x})"


def _interface(guest: TracedGuest, go_type: TypeLike, data: bytes, depth: int) -> str:
    table, word = _word(data), data[8:16]
    if not table:
        return "nil"
    # An interface with methods points to an itab, {inter, type, ...}; `any` to the type itself.
    if go_type.methods:
        table = guest.memory.read_u64(table + 8)
    return show_boxed(guest, table, word, depth)


def show_boxed(guest: TracedGuest, type_address: int, word: bytes, depth: int = 0) -> str:
    """What an interface holds: the address of a type, and the data word."""
    dynamic = guest.types.at(type_address)
    if dynamic.is_direct_iface:
        data = word[: dynamic.size]
    else:
        data = guest.memory.read(_word(word), dynamic.size)
    text = show(guest, dynamic, data, depth)
    plain = dynamic.kind.startswith(("int", "uint", "float", "complex", "bool", "string"))
    simple = dynamic.string in ("int", "string", "bool", "float64")
    if plain and not simple and dynamic.kind != "interface":
        return f"{dynamic.string}({text})"
    return text
