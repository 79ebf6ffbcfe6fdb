"""Methods in type descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from emuplugin.values import abi_type as abi
from emuplugin.values.names import Name, read_string

if TYPE_CHECKING:
    from emuplugin.values.gotype import GoType


class Method(NamedTuple):
    """A method of a concrete type or of an interface.

    ``type`` is its func type without receiver. ``ifn`` is the code that takes the receiver as one
    word, as interfaces call it, ``tfn`` the code that takes the receiver itself; both are 0 for
    methods of interfaces. All three are None where the linker removed the method because nothing
    in the program could reach it.
    """

    name: str
    exported: bool
    pkg_path: str
    type: GoType | None
    ifn: int | None
    tfn: int | None


class Uncommon(NamedTuple):
    """``abi.UncommonType``, at ``address``. ``pkg_path`` is a name offset; ``methods_offset``
    counts from this struct."""

    address: int
    pkg_path: int
    method_count: int
    exported_count: int
    methods_offset: int


def read_uncommon(go_type: GoType) -> Uncommon | None:
    """The part of a descriptor that only types with a name or methods have; behind the rest."""
    if not go_type.flags & abi.TFLAG_UNCOMMON:
        return None
    types = go_type.types
    if go_type.kind == "map":
        address = go_type.address + types.map_layout.size
    else:
        address = go_type.address + abi.BASE_SIZES.get(go_type.kind, abi.TYPE.size)
    raw = types.memory.read(address, abi.UNCOMMON.size)
    return Uncommon(address, *abi.UNCOMMON.unpack(raw)[:4])


def interface_methods(go_type: GoType) -> tuple[Method, ...]:
    """The methods of an interface type."""
    memory, offsets = go_type.types.memory, go_type.types.offsets
    own_path = read_string(memory, memory.read_u64(go_type.address + abi.ELEM))
    raw = go_type.slice(abi.FIELDS, abi.IMETHOD.size)
    result = []
    for name_offset, type_offset in abi.IMETHOD.iter_unpack(raw):
        name = offsets.name(go_type.address, name_offset)
        type_address = offsets.type(go_type.address, type_offset)
        method_type = None if type_address is None else go_type.types.at(type_address)
        path = _path(go_type, name, own_path)
        result.append(Method(name.name, name.exported, path, method_type, 0, 0))
    return tuple(result)


def type_methods(go_type: GoType) -> tuple[Method, ...]:
    """The method set of a type that is no interface."""
    uncommon = go_type.uncommon
    if uncommon is None or not uncommon.method_count:
        return ()
    offsets = go_type.types.offsets
    own_path = offsets.name(go_type.address, uncommon.pkg_path).name
    raw = go_type.types.memory.read(
        uncommon.address + uncommon.methods_offset,
        uncommon.method_count * abi.METHOD.size,
    )
    result = []
    for name_offset, type_offset, ifn, tfn in abi.METHOD.iter_unpack(raw):
        name = offsets.name(go_type.address, name_offset)
        type_address = offsets.type(go_type.address, type_offset)
        result.append(
            Method(
                name.name,
                name.exported,
                _path(go_type, name, own_path),
                None if type_address is None else go_type.types.at(type_address),
                offsets.text(go_type.address, ifn),
                offsets.text(go_type.address, tfn),
            )
        )
    return tuple(result)


def _path(go_type: GoType, name: Name, own_path: str) -> str:
    if name.exported:
        return ""
    if name.pkg_path_offset is None:
        return own_path
    return go_type.types.offsets.name(go_type.address, name.pkg_path_offset).name
