"""Structs: a live object whose attributes are the fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from functools import cached_property
from typing import Any, cast

from emuplugin.errors import UnsupportedTypeError
from emuplugin.values.boxed import BoxedCodec, View
from emuplugin.values.fields import Field
from emuplugin.values.go_syntax import go_list
from emuplugin.values.gotype import GoType
from emuplugin.values.heap import Allocations
from emuplugin.values.live import refused
from emuplugin.values.methods import bind
from emuplugin.values.mismatch import Mismatch


class StructView(View):
    """A struct in guest memory: ``point.X``, ``point.X = 3``; also ``point["X"]``.

    Fields of embedded structs are reached directly, as in Go. Fields that are not exported
    can be read and set like the others: Python is a debugger here, not another package.
    """

    __slots__ = ()

    _codec: StructCodec

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._codec.get(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._codec.set(self, name, value)

    def __getitem__(self, name: str) -> Any:
        try:
            return self._codec.get(self, name)
        except AttributeError as error:
            raise KeyError(name) from error

    def __setitem__(self, name: str, value: Any) -> None:
        self._codec.set(self, name, value)

    def __dir__(self) -> list[str]:
        codec = self._codec
        methods = codec.context.methods(codec.type).names()
        return [*super().__dir__(), *codec.own_fields, *codec.promoted, *methods]

    def _ipython_key_completions_(self) -> list[str]:
        return [*self._codec.own_fields, *self._codec.promoted]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StructView) or other._codec is not self._codec:
            return NotImplemented
        names = (name for name in self._codec.own_fields if name != "_")
        return all(self[name] == other[name] for name in names)

    def __hash__(self) -> int:
        if not self._type.comparable:
            raise TypeError(f"unhashable type: {self._type.string}")
        names = (name for name in self._codec.own_fields if name != "_")
        return hash((self._type, *(self[name] for name in names)))


class StructCodec(BoxedCodec):
    """``struct{...}``. Takes views of the same type, mappings by field name, and dataclasses.

    Fields that are not given are zero; names that the struct does not have are refused.
    """

    @cached_property
    def own_fields(self) -> dict[str, Field]:
        """The fields by name; of several blank ones the last."""
        return {field.name: field for field in self.type.fields}

    @cached_property
    def promoted(self) -> dict[str, str]:
        """Names of fields of embedded structs, and the embedded field that leads to each.

        As Go selects: the least deep wins, and two of the same depth hide each other.
        """
        found: dict[str, str] = {}
        level = [(f.name, _struct_behind(f.type)) for f in self.type.fields if f.embedded]
        seen = {self.type}
        while level:
            names: dict[str, set[str]] = {}
            deeper: list[tuple[str, GoType | None]] = []
            for step, go_type in level:
                if go_type is None or go_type in seen:
                    continue
                for field in go_type.fields:
                    names.setdefault(field.name, set()).add(step)
                    if field.embedded:
                        deeper.append((step, _struct_behind(field.type)))
            seen.update(go_type for _, go_type in level if go_type is not None)
            for name, steps in names.items():
                if name not in self.own_fields and name not in found:
                    found[name] = steps.pop() if len(steps) == 1 else ""
            level = deeper
        return {name: step for name, step in found.items() if step}

    def get(self, view: StructView, name: str) -> Any:
        """Read a field; AttributeError if there is none, or if a nil pointer is on the way."""
        field = self.own_fields.get(name)
        if field is not None:
            return self.context.codec(field.type).read(view._address + field.offset, view._owner)
        if name not in self.promoted:
            method = bind(self.context, self.type, name, view._address, view._owner)
            if method is not None:
                return method
        return getattr(self._embedded(view, name), name)

    def set(self, view: StructView, name: str, value: Any) -> None:
        """Set a field."""
        field = self.own_fields.get(name)
        if field is None:
            setattr(self._embedded(view, name), name, value)
            return
        try:
            self.context.codec(field.type).write(view._address + field.offset, value)
        except Mismatch as mismatch:
            raise mismatch.error(f"{self.type.string}.{name}") from None

    def view(self, address: int, owner: object) -> StructView:
        return StructView(self, address, owner)

    def build(self, value: Any, allocations: Allocations) -> bytes:
        if is_dataclass(value) and not isinstance(value, type):
            value = {f.name: getattr(value, f.name) for f in dataclass_fields(value)}
        if not isinstance(value, Mapping):
            raise refused(self, value)
        image = bytearray(self.size)
        for name, item in value.items():
            field = self.own_fields.get(name)
            if field is None:
                raise Mismatch(f"{self.type.string} has no field {name}")
            try:
                part = self.context.codec(field.type).encode(item, allocations)
            except Mismatch as mismatch:
                raise mismatch.inside(f".{name}") from None
            image[field.offset : field.offset + len(part)] = part
        return bytes(image)

    def encode_many(self, values: Sequence[Any], allocations: Allocations) -> bytes:
        """Mappings with the same keys go field by field: each field of all of them at once."""
        if not values or not self.size or not all(type(value) is dict for value in values):
            return super().encode_many(values, allocations)
        names = values[0].keys()
        if names - self.own_fields.keys() or any(value.keys() != names for value in values):
            return super().encode_many(values, allocations)
        image = bytearray(len(values) * self.size)
        try:
            for name in names:
                field = self.own_fields[name]
                column = [value[name] for value in values]
                part = self.context.codec(field.type).encode_many(column, allocations)
                size = field.type.size
                for at in range(size):
                    image[field.offset + at :: self.size] = part[at::size]
        except Mismatch:
            return super().encode_many(values, allocations)  # which says the first that is wrong
        return bytes(image)

    def go_syntax(self, value: Any, depth: int) -> str:
        if not depth:
            return "{...}"
        view = cast(StructView, value)
        items = [f"{name}:{self._field_syntax(view, name, depth)}" for name in self.own_fields]
        return go_list(items, more=False)

    def _field_syntax(self, view: StructView, name: str, depth: int) -> str:
        try:
            codec = self.context.codec(self.own_fields[name].type)
            return codec.go_syntax(self.get(view, name), depth - 1)
        except UnsupportedTypeError as error:
            return f"{error.type}(...)"

    def _embedded(self, view: StructView, name: str) -> Any:
        step = self.promoted.get(name)
        if step is None:
            raise AttributeError(f"{self.type.string} has no field {name}")
        embedded = self.get(view, step)
        if embedded is None:
            raise AttributeError(f"{name} of {self.type.string}: the embedded {step} is nil")
        return embedded


def _struct_behind(go_type: GoType) -> GoType | None:
    """The struct type of an embedded field, also through a pointer."""
    if go_type.kind == "ptr":
        go_type = go_type.elem
    return go_type if go_type.kind == "struct" else None
