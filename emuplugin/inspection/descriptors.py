"""All type descriptors of a plugin: those that the linker listed, and all that these lead to.

Until Go 1.26 ``moduledata.typelinks`` lists them (a plugin's holds all types, not only literals:
any may meet its equal in another module), from 1.27 on they lie side by side
(``runtime/type.go: moduleTypelinks``). Types that itabs, exports, fields, elements, parameters and
methods name are added, so a cut-down list costs nothing that something else mentions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from emuplugin.errors import FormatError
from emuplugin.inspection.module import Module
from emuplugin.values import GoType, Types
from emuplugin.values import abi_type as abi

MAX_TYPES: Final = 1 << 20

_WORD: Final = 8
_PTAB_ENTRY: Final = struct.Struct("<ii")
_MAX_METHODS: Final = 1 << 16


class Descriptors:
    """The types of a module, each read once; FormatError for descriptors that are none."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self.types = Types(module)

    @cached_property
    def by_address(self) -> dict[int, GoType]:
        """The descriptors by address, ascending."""
        found: dict[int, GoType] = {}
        pending = [*self._listed(), *self._exported()]
        while pending:
            address = pending.pop()
            if address in found:
                continue
            if len(found) > MAX_TYPES:
                raise FormatError(f"more than {MAX_TYPES:,} type descriptors")
            go_type = found[address] = self.read(address)
            pending += self._parts(go_type)
        return dict(sorted(found.items()))

    def read(self, address: int) -> GoType:
        """The type at ``address``."""
        if not self._module.types <= address < self._module.etypes:
            raise FormatError(f"a type descriptor at {address:#x}, where no types are")
        try:
            return self.types.at(address)
        except ValueError as error:
            raise FormatError(str(error)) from error

    # --- where they are listed ----------------------------------------------------------------

    def _listed(self) -> Iterator[int]:
        if self._module.has("typelinks.array"):
            links = self._module.slice("typelinks", 4).cast("i")
            return (self._module.types + offset for offset in links)
        return self._side_by_side()

    def _side_by_side(self) -> Iterator[int]:
        """``internal/abi: (*Type).DescriptorSize``, Go 1.27."""
        at = self._module.types + _WORD
        end = min(self._module.types + self._module.field("typedesclen"), self._module.etypes)
        while at < end:
            at = -(-at // _WORD) * _WORD
            if at >= end:
                return
            yield at
            at += self._descriptor_size(self.read(at))

    def _descriptor_size(self, go_type: GoType) -> int:
        image, kind, address = self._module.image, go_type.kind, go_type.address
        if kind == "map":
            size = self.types.map_layout.size
        else:
            size = abi.BASE_SIZES.get(kind, abi.TYPE.size)
        uncommon = bool(go_type.flags & abi.TFLAG_UNCOMMON)
        methods = image.read_u16(address + size + 4) if uncommon else 0
        if uncommon:
            size += abi.UNCOMMON.size
        if kind == "func":
            ins = image.read_u16(address + abi.ELEM)
            outs = image.read_u16(address + abi.FUNC_OUT_COUNT) & ~abi.FUNC_VARIADIC
            size += _WORD * (ins + outs)
        elif kind == "struct":
            size += abi.STRUCT_FIELD.size * image.read_u64(address + abi.FIELDS + _WORD)
        elif kind == "interface":
            size += abi.IMETHOD.size * image.read_u64(address + abi.FIELDS + _WORD)
        return size + methods * abi.METHOD.size

    def _exported(self) -> Iterator[int]:
        for _name, offset in _PTAB_ENTRY.iter_unpack(self._module.slice("ptab", 8)):
            yield self._module.types + offset

    # --- where they lead ----------------------------------------------------------------------

    def _parts(self, go_type: GoType) -> Iterator[int]:
        """The descriptors that a descriptor names."""
        image, address, kind = self._module.image, go_type.address, go_type.kind
        if kind in ("ptr", "slice", "array", "chan", "map"):
            yield image.read_u64(address + abi.ELEM)
        if kind in ("array", "map"):
            yield image.read_u64(address + abi.MAP_ELEM)
        if kind == "struct":
            count = image.read_u64(address + abi.FIELDS + _WORD)
            fields = image.view(
                image.read_u64(address + abi.FIELDS) if count else 0,
                count * abi.STRUCT_FIELD.size,
            )
            yield from (type_ for _, type_, _ in abi.STRUCT_FIELD.iter_unpack(fields))
        elif kind == "func":
            start = address + abi.FUNC_SIZE
            if go_type.flags & abi.TFLAG_UNCOMMON:
                start += abi.UNCOMMON.size
            ins = image.read_u16(address + abi.ELEM)
            outs = image.read_u16(address + abi.FUNC_OUT_COUNT) & ~abi.FUNC_VARIADIC
            yield from image.words(start, ins + outs)
        elif kind == "interface":
            count = image.read_u64(address + abi.FIELDS + _WORD)
            methods = image.view(
                image.read_u64(address + abi.FIELDS) if count else 0, count * abi.IMETHOD.size
            )
            yield from self._offsets(type_ for _, type_ in abi.IMETHOD.iter_unpack(methods))
        yield from self._offsets([go_type.ptr_to_this_offset])
        yield from self._offsets(self._method_types(go_type))

    def _method_types(self, go_type: GoType) -> Iterator[int]:
        if go_type.kind == "interface" or not go_type.flags & abi.TFLAG_UNCOMMON:
            return
        at = go_type.address + (
            self.types.map_layout.size
            if go_type.kind == "map"
            else abi.BASE_SIZES.get(go_type.kind, abi.TYPE.size)
        )
        image = self._module.image
        _path, count, _exported, start, _unused = abi.UNCOMMON.unpack(
            image.view(at, abi.UNCOMMON.size)
        )
        if count <= _MAX_METHODS:
            methods = image.view(at + start if count else 0, count * abi.METHOD.size)
            yield from (type_ for _, type_, _, _ in abi.METHOD.iter_unpack(methods))

    def _offsets(self, offsets: Iterator[int] | list[int]) -> Iterator[int]:
        types = self._module.types
        return (types + offset for offset in offsets if offset not in (0, -1))
