"""DWARF -> :class:`Layout`: the structs and variables of the Go runtime in one plugin.

The generator makes the shipped tables with it, and a plugin of a Go version without a table is
read with it when it is opened. Reading all of a plugin's DWARF takes seconds in Python, so only
the units that matter are read, and of them only what :mod:`.wanted` names: the Go linker puts
the type entries of all packages into one unit of package ``runtime`` and a package's variables
and constants into the unit of that package (cmd/link/internal/ld/dwarf.go).

Type names are Go's, with full import paths. A struct type without a name is called after the
place that has it: ``runtime.debug`` is the type of that variable, ``runtime.mheap.central[]`` the
element type of that field.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from emuplugin.elf.file import ElfFile
from emuplugin.errors import FormatError
from emuplugin.runtime_shims.layouts import wanted
from emuplugin.runtime_shims.layouts.builtin import BUILTIN_SIZES
from emuplugin.runtime_shims.layouts.dies import (
    Die,
    DieReader,
    DW_AT_byte_size,
    DW_AT_const_value,
    DW_AT_count,
    DW_AT_data_member_location,
    DW_AT_encoding,
    DW_AT_go_elem,
    DW_AT_go_kind,
    DW_AT_type,
    DW_TAG_array_type,
    DW_TAG_base_type,
    DW_TAG_constant,
    DW_TAG_member,
    DW_TAG_pointer_type,
    DW_TAG_structure_type,
    DW_TAG_subrange_type,
    DW_TAG_subroutine_type,
    DW_TAG_typedef,
    DW_TAG_variable,
    Unit,
)
from emuplugin.runtime_shims.layouts.layout import Layout, StructRow

#: ``Elf64_Chdr`` without its reserved word: how a compressed section starts.
_CHDR = struct.Struct("<I4xQQ")
SHF_COMPRESSED = 0x800
ELFCOMPRESS_ZLIB = 1

_SECTIONS = (".debug_info", ".debug_abbrev", ".debug_str", ".debug_line_str")

#: ``DW_AT_encoding`` of base types -> the first part of the Go name of such a type.
_ENCODINGS = {0x02: "bool", 0x03: "complex", 0x04: "float", 0x05: "int", 0x07: "uint"}

#: ``DW_AT_go_kind``: ``reflect.Kind`` of the type.
_KIND_SLICE, _KIND_STRING = 23, 24

#: Go writes the kind of an unnamed type at the start of its name.
_UNNAMED = ("map[", "chan ", "chan<- ", "<-chan ", "func(", "interface {")

_TYPE_TAGS = frozenset({DW_TAG_structure_type, DW_TAG_typedef})
_OTHER_TAGS = frozenset({DW_TAG_variable, DW_TAG_constant})


def layout_from_dwarf(file: ElfFile, version: str) -> Layout | None:
    """The layout that a plugin's own DWARF tells, or None if the file has no DWARF.

    ``version`` is what the plugin's build info says, e.g. ``go1.28.1``. Raises
    :class:`~emuplugin.errors.FormatError` where the DWARF is damaged or not what Go writes.
    """
    if any(name not in file.sections for name in _SECTIONS[:2]):
        return None
    return layout_from_sections([_contents(file, name) for name in _SECTIONS], version)


def layout_from_sections(contents: Sequence[bytes], version: str) -> Layout:
    """The layout in ``.debug_info``, ``.debug_abbrev``, ``.debug_str``, ``.debug_line_str``."""
    try:
        return _Collector(DieReader(*contents)).collect(version)
    except (LookupError, OverflowError, RecursionError, ValueError, struct.error) as error:
        raise FormatError(f"corrupt DWARF: {error!r}") from error


class _Collector:
    """Picks the wanted structs out of the DWARF and follows what they hold by value."""

    def __init__(self, reader: DieReader) -> None:
        self._reader = reader
        self._structs: dict[str, StructRow] = {}
        self._named: dict[str, str] = {}
        self._types: dict[int, str] = {}

    def collect(self, version: str) -> Layout:
        types: dict[str, int] = {}
        variables: dict[str, int] = {}
        constants: dict[str, int] = {}
        for unit, package in self._reader.go_units():
            if package == "runtime":
                # The unit of the types is a second one of that name, or holds it all.
                self._index(unit, types, variables, constants)
            elif package in wanted.PACKAGES:
                self._index(unit, {}, variables, constants)
        for name in sorted(set(types).intersection(wanted.STRUCTS)):
            self._type(types[name], name)
        variable_types = {
            name: self._type(type_offset, name) for name, type_offset in sorted(variables.items())
        }
        return Layout(
            version,
            structs=dict(sorted(self._structs.items())),
            named=dict(sorted(self._named.items())),
            variables=variable_types,
            constants=dict(sorted(constants.items())),
        )

    def _index(
        self,
        unit: Unit,
        types: dict[str, int],
        variables: dict[str, int],
        constants: dict[str, int],
    ) -> None:
        """Note what a unit has of wanted things: type offsets, variables, constants."""
        for offset, tag, name in self._reader.named_children(unit, _TYPE_TAGS | _OTHER_TAGS):
            if tag in _TYPE_TAGS:
                if name in wanted.STRUCTS:
                    types.setdefault(name, offset)
                continue
            if tag == DW_TAG_variable:
                die = self._reader.die(offset)
                if DW_AT_type in die.attributes:
                    variables[name] = die.number(DW_AT_type)
            elif _matches(name, wanted.CONSTANTS):
                constants[name] = self._reader.die(offset).number(DW_AT_const_value)

    def _type(self, offset: int, place: str) -> str:
        """The Go name of the type at ``offset``; notes what it is made of, if that is new."""
        known = self._types.get(offset)
        if known is not None:
            return known
        die = self._reader.die(offset)
        name = die.name
        if die.tag == DW_TAG_structure_type and name.startswith("struct {"):
            return self._struct(die, place)  # not remembered: each place has its own name
        if die.tag == DW_TAG_array_type:
            element = self._type(die.number(DW_AT_type), f"{place}[]")
            return f"[{self._array_length(offset)}]{element}"
        self._types[offset] = name
        if die.tag == DW_TAG_typedef:
            self._typedef(die)
        elif die.tag == DW_TAG_structure_type:
            kind = die.attributes.get(DW_AT_go_kind)
            if kind == _KIND_SLICE:
                if not name.startswith("[]"):
                    self._named[name] = "[]" + self._name(die.number(DW_AT_go_elem))
            elif kind == _KIND_STRING:
                if name != "string":
                    self._named[name] = "string"
            else:
                self._struct(die, name)
        elif die.tag == DW_TAG_base_type and name not in BUILTIN_SIZES:
            self._named[name] = _builtin(die)
        elif die.tag == DW_TAG_pointer_type and not name.startswith("*"):
            if name not in BUILTIN_SIZES and not name.startswith(_UNNAMED):
                self._named[name] = "unsafe.Pointer"
        elif die.tag == DW_TAG_subroutine_type and not name.startswith("func("):
            self._named[name] = "func()"
        return name

    def _typedef(self, die: Die) -> None:
        """A named type, or an unnamed map, channel, function or interface."""
        name = die.name
        if name.startswith(_UNNAMED):
            return
        target = die.number(DW_AT_type)
        underlying = self._type(target, name)
        if underlying != name:
            self._named[name] = underlying

    def _struct(self, die: Die, name: str) -> str:
        if name in self._structs:
            return name
        row: StructRow = [die.number(DW_AT_byte_size)]
        self._structs[name] = row
        for member in self._reader.children(die):
            if member.tag != DW_TAG_member:
                continue
            type_name = self._type(member.number(DW_AT_type), f"{name}.{member.name}")
            offset = member.number(DW_AT_data_member_location)
            if " " in member.name:
                raise FormatError(f"corrupt DWARF: a field named {member.name!r}")
            row.append(f"{member.name} {offset} {type_name}")
        return name

    def _array_length(self, offset: int) -> int:
        for child in self._reader.children(self._reader.die(offset)):
            if child.tag == DW_TAG_subrange_type:
                return child.number(DW_AT_count)
        raise FormatError("corrupt DWARF: an array type without a length")

    def _name(self, offset: int) -> str:
        return self._reader.die(offset).name


def _contents(file: ElfFile, name: str) -> bytes:
    """A section, decompressed; empty if there is none."""
    section = file.sections.get(name)
    if section is None:
        return b""
    data = file.section(name)
    if not section.flags & SHF_COMPRESSED:
        return bytes(data)
    try:
        kind, size, _ = _CHDR.unpack_from(data)
        if kind != ELFCOMPRESS_ZLIB:
            raise FormatError(f"section {name} is compressed in the unknown way {kind}")
        unpacked = zlib.decompressobj().decompress(data[_CHDR.size :], size)
    except (struct.error, zlib.error, OverflowError, MemoryError) as error:
        raise FormatError(f"section {name} is compressed and corrupt: {error}") from error
    if len(unpacked) != size:
        raise FormatError(f"section {name} holds {len(unpacked)} bytes, not {size}")
    return unpacked


def _builtin(die: Die) -> str:
    """The predeclared Go type that a named base type is made of."""
    kind = _ENCODINGS[die.number(DW_AT_encoding)]
    return kind if kind == "bool" else f"{kind}{8 * die.number(DW_AT_byte_size)}"


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
