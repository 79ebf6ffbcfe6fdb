"""Go types from DWARF: what a file's own debug information says of parameters and results.

Where a type has a descriptor in the running plugin (``DW_AT_go_runtime_type``) that one is used; of
others the kind, size and parts are read here (cmd/link/internal/ld/dwarf.go: newtype).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from elftools.dwarf.die import DIE

from emuplugin.errors import FormatError
from emuplugin.runtime_shims.layouts.debug_info import children, name_of, number, referenced
from emuplugin.values.abi_type import KINDS

from .show import TypeLike

DW_AT_go_kind: Final = 0x2900
DW_AT_go_elem: Final = 0x2902
DW_AT_go_runtime_type: Final = 0x2904
_ENCODINGS: Final = {0x02: "bool", 0x03: "complex", 0x04: "float", 0x05: "int", 0x07: "uint"}
_MAX_LINKS: Final = 32
# The path in front of a package's name, which Go leaves out when it prints a type.
_PATH: Final = re.compile(r"[\w.%~+-]+(?:/[\w.%~+-]+)*/")


def _points(die: DIE) -> bool:
    """Whether a pointer type says what it points to."""
    return not die.attributes.keys().isdisjoint(("DW_AT_type", DW_AT_go_elem))


class DwarfField(NamedTuple):
    """A field of a struct type."""

    name: str
    type: TypeLike
    offset: int


@dataclass(frozen=True, eq=False)
class DwarfType:
    """A type without a descriptor, in the form of :class:`emuplugin.values.GoType`."""

    kind: str
    string: str
    size: int
    align: int
    named: bool
    _die: DIE = field(repr=False)
    _types: DwarfTypes = field(repr=False)

    @cached_property
    def elem(self) -> TypeLike:
        """The element type of a pointer, slice or array."""
        attribute = "DW_AT_type" if "DW_AT_type" in self._die.attributes else DW_AT_go_elem
        return self._types.at(referenced(self._die, attribute))

    @cached_property
    def length(self) -> int:
        """The length of an array."""
        for child in children(self._die):
            if child.tag == "DW_TAG_subrange_type":
                return number(child, "DW_AT_count")
        raise FormatError("corrupt DWARF: an array type without a length")

    @cached_property
    def fields(self) -> tuple[DwarfField, ...]:
        """The fields of a struct."""
        return tuple(
            DwarfField(
                name_of(member),
                self._types.at(referenced(member, "DW_AT_type")),
                number(member, "DW_AT_data_member_location"),
            )
            for member in children(self._die)
            if member.tag == "DW_TAG_member"
        )

    @property
    def methods(self) -> tuple[Any, ...]:
        """Of an interface: as many as matter, which is none or some."""
        under = self._types.resolved(self._die)
        return () if name_of(under) == "runtime.eface" else ("some",)


class DwarfTypes:
    """The types of one file. ``descriptor`` gives the type whose descriptor is so far behind the
    start of the types, None if that is none. ``main`` is the path of the package main."""

    def __init__(self, descriptor: Callable[[int], TypeLike | None], main: str) -> None:
        self._descriptor = descriptor
        self._main = f"{main}."
        self._known: dict[int, TypeLike] = {}

    def at(self, die: DIE) -> TypeLike:
        """The type that an entry describes. Raises what reading DWARF raises."""
        known = self._known.get(die.offset)
        if known is None:
            known = self._known[die.offset] = self._read(die)
        return known

    def resolved(self, die: DIE) -> DIE:
        """What a chain of typedefs leads to."""
        for _ in range(_MAX_LINKS):
            if die.tag != "DW_TAG_typedef":
                return die
            die = referenced(die, "DW_AT_type")
        raise FormatError("corrupt DWARF: typedefs without an end")

    def _read(self, die: DIE) -> TypeLike:
        if DW_AT_go_runtime_type in die.attributes:
            address = number(die, DW_AT_go_runtime_type)
            found = self._descriptor(address) if address else None
            if found is not None:
                return found
        name, under = name_of(die).replace(self._main, "main."), self.resolved(die)
        name = _PATH.sub("", name)
        kind, size, align = self._measures(die, under)
        return DwarfType(kind, name, size, align, die.tag == "DW_TAG_typedef", under, self)

    def _measures(self, die: DIE, under: DIE) -> tuple[str, int, int]:
        """Kind, size and alignment."""
        kind = self._kind(die, under)
        if kind in ("ptr", "map", "chan", "func", "unsafe.Pointer"):
            return kind, 8, 8
        if kind in ("string", "interface", "slice"):
            return kind, 24 if kind == "slice" else 16, 8
        if kind == "array":
            element = self.at(referenced(under, "DW_AT_type"))
            return kind, number(under, "DW_AT_byte_size"), element.align
        if kind == "struct":
            aligns = [
                self.at(referenced(member, "DW_AT_type")).align
                for member in children(under)
                if member.tag == "DW_TAG_member"
            ]
            return kind, number(under, "DW_AT_byte_size"), max(aligns, default=1)
        size = number(under, "DW_AT_byte_size")
        return kind, size, size // 2 if kind.startswith("complex") else size

    def _kind(self, die: DIE, under: DIE) -> str:
        name = name_of(under)
        if name in ("runtime.eface", "runtime.iface"):
            return "interface"
        for entry in (die, under):
            if DW_AT_go_kind in entry.attributes:
                value = number(entry, DW_AT_go_kind) & 0x1F
                if 0 < value < len(KINDS) and (KINDS[value] != "ptr" or _points(under)):
                    return KINDS[value]
        if under.tag == "DW_TAG_base_type":
            kind = _ENCODINGS.get(number(under, "DW_AT_encoding"), "uint")
            return kind if kind == "bool" else f"{kind}{8 * number(under, 'DW_AT_byte_size')}"
        kinds = {
            # That of unsafe.Pointer does not tell to what.
            "DW_TAG_pointer_type": "ptr" if _points(under) else "unsafe.Pointer",
            "DW_TAG_subroutine_type": "func",
            "DW_TAG_array_type": "array",
            "DW_TAG_structure_type": "struct",
        }
        if under.tag not in kinds:
            raise FormatError(f"corrupt DWARF: {under.tag} is no type")
        return kinds[under.tag]
