"""Fields of struct types."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from emuplugin.values import abi_type as abi
from emuplugin.values.names import read_name, read_string

if TYPE_CHECKING:
    from emuplugin.values.gotype import GoType


class Field(NamedTuple):
    """A field of a struct. ``pkg_path`` is empty for exported fields."""

    name: str
    type: GoType
    offset: int
    tag: str
    embedded: bool
    exported: bool
    pkg_path: str


def read_fields(go_type: GoType) -> tuple[Field, ...]:
    """The fields of a struct type, from its descriptor."""
    types = go_type.types
    memory = types.memory
    pkg_path = read_string(memory, memory.read_u64(go_type.address + abi.ELEM))
    raw = go_type.slice(abi.FIELDS, abi.STRUCT_FIELD.size)
    result = []
    for name_address, type_address, offset in abi.STRUCT_FIELD.iter_unpack(raw):
        name = read_name(memory, name_address)
        result.append(
            Field(
                name.name,
                types.at(type_address),
                offset,
                name.tag,
                name.embedded,
                name.exported,
                "" if name.exported else pkg_path,
            )
        )
    return tuple(result)
