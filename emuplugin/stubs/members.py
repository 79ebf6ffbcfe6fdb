"""The classes of a stub: fields and methods of Go types."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from emuplugin.values.fields import Field
from emuplugin.values.gotype import GoType
from emuplugin.values.structs import StructCodec
from emuplugin.values.times import is_time

if TYPE_CHECKING:
    from emuplugin.stubs.hints import Hints

Body = Callable[[str], list[str]]
"""Makes the lines of a class of that name."""

Hint = Callable[[GoType], str]

MADE_OF = "_Mapping[str, _Any] | _Dataclass"
"""What a struct can be made of."""


def parts_of(name: str) -> str:
    """The class that a struct and pointers to it have in common."""
    return f"_{name}_members"


def struct_class(hints: Hints, name: str, go_type: GoType) -> list[str]:
    """The classes of a struct type: its members, and the struct itself."""
    lines = [f"class {parts_of(name)}:", f"    # {go_type.string}"]
    fields = list(_fields(hints, go_type))
    for field in fields:
        if _speakable(field.name):
            lines += _attribute(field.name, hints.read(field.type), hints.write(field.type))
    if is_time(go_type):
        lines += ["    @property", "    def datetime(self) -> _datetime.datetime: ..."]
    lines += methods(hints, go_type)
    if len(lines) == 2:
        lines.append("    ...")
    lines += ["", f"class {name}({parts_of(name)}):"]
    for field in fields:
        lines += [
            "    @_overload",
            f'    def __getitem__(self, name: _Literal["{field.name}"], /) -> '
            f"{hints.read(field.type)}: ...",
        ]
    if fields:
        lines.append("    @_overload")
    lines.append("    def __getitem__(self, name: str, /) -> _Any: ...")
    lines.append("    def __setitem__(self, name: str, value: _Any, /) -> None: ...")
    return lines


def protocol_class(hints: Hints, name: str, go_type: GoType) -> list[str]:
    """A protocol for Python objects that stand in for an interface."""
    lines = [f"class {name}(_Protocol):"]
    for method in go_type.methods:
        if _speakable(method.name) and method.type is not None:
            params = "".join(f", {param}" for param in hints.params_given(method.type))
            returned = hints.returned(method.type)
            lines.append(f"    def {method.name}(self{params}) -> {returned}: ...")
    return lines if len(lines) > 1 else [*lines, "    ..."]


def methods(hints: Hints, go_type: GoType) -> list[str]:
    """The methods of values of a type, as Python calls them."""
    table = hints.context.methods(go_type)
    lines = []
    for name in sorted(table.names()):
        method = table.own.get(name) or table.addressed[name]
        if _speakable(name) and method.type is not None:
            params = "".join(f", {param}" for param in hints.params(method.type))
            lines.append(f"    def {name}(self{params}) -> {hints.result(method.type)}: ...")
    return lines


def names(hints: Hints, go_type: GoType) -> set[str]:
    """The names of all members of a struct type."""
    fields = {field.name for field in _fields(hints, go_type)}
    return fields | set(hints.context.methods(go_type).names())


def _fields(hints: Hints, go_type: GoType) -> Iterator[Field]:
    """The fields, those of embedded structs too."""
    codec = cast(StructCodec, hints.context.codec(go_type))
    yield from (field for name, field in codec.own_fields.items() if name != "_")
    for name in codec.promoted:
        inner: GoType | None = go_type
        field = None
        while inner is not None:
            codec = cast(StructCodec, hints.context.codec(inner))
            field = codec.own_fields.get(name)
            if field is not None:
                break
            step = codec.own_fields[codec.promoted[name]].type
            inner = step.elem if step.kind == "ptr" else step
        if field is not None and name != "_":
            yield field


def _attribute(name: str, read: str, write: str) -> list[str]:
    return [
        "    @property",
        f"    def {name}(self) -> {read}: ...",
        f"    @{name}.setter",
        f"    def {name}(self, value: {write}) -> None: ...",
    ]


def _speakable(name: str) -> bool:
    """Whether a name can be an attribute; those of builtins would hide these from hints."""
    usable = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
    return usable and not hasattr(builtins, name)
