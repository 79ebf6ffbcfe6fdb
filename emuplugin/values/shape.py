"""The shape of a Go type, as the calling convention sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from emuplugin.cpu.calling import Shape


class Shaped(Protocol):
    """What of a type its shape is made of: a :class:`emuplugin.values.GoType`, or one of which only
    DWARF knows."""

    @property
    def kind(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def align(self) -> int: ...
    @property
    def elem(self) -> Any: ...
    @property
    def length(self) -> int: ...
    @property
    def fields(self) -> Sequence[Any]: ...


def shape_of(go_type: Shaped) -> Shape:
    """How values of ``go_type`` travel. Recursion ends: Go types of finite size contain no cycles
    but through pointers, whose shape does not depend on what they point to."""
    kind = go_type.kind
    if kind in ("float32", "float64"):
        return Shape.floating(go_type.size)
    if kind in ("complex64", "complex128"):
        return Shape.complex(go_type.size)
    if kind in ("ptr", "map", "chan", "func", "unsafe.Pointer"):
        return Shape.pointer()
    if kind in ("string", "interface"):
        return Shape.words(2)
    if kind == "slice":
        return Shape.words(3)
    if kind == "array":
        return Shape.array(shape_of(go_type.elem), go_type.length)
    if kind == "struct":
        fields = [(field.offset, shape_of(field.type)) for field in go_type.fields]
        return Shape.struct(go_type.size, go_type.align, fields)
    return Shape.integer(go_type.size)
