"""DWARF -> :class:`Layout`: the structs and variables of the Go runtime in one plugin.

The generator makes the shipped tables with it, and a plugin of a Go version without a table is
read with it when it is opened, which takes a second or two. Reading all of a plugin's DWARF would
take many, so only the units that matter are read, and of them only what :mod:`.wanted` names: the
Go linker puts the type entries of all packages into one unit of package ``runtime`` and a
package's variables and constants into the unit of that package (cmd/link/internal/ld/dwarf.go).

Type names are Go's, with full import paths. A struct type without a name is called after the
place that has it: ``runtime.debug`` is the type of that variable, ``runtime.mheap.central[]`` the
element type of that field.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DWARFInfo

from emuplugin.elf.file import ElfFile
from emuplugin.errors import FormatError
from emuplugin.runtime_shims.layouts import wanted
from emuplugin.runtime_shims.layouts.builtin import BUILTIN_SIZES
from emuplugin.runtime_shims.layouts.debug_info import (
    DAMAGE,
    children,
    go_units,
    name_of,
    number,
    open_dwarf,
    referenced,
)
from emuplugin.runtime_shims.layouts.layout import Layout, StructRow

#: ``DW_AT_encoding`` of base types -> the first part of the Go name of such a type.
_ENCODINGS = {0x02: "bool", 0x03: "complex", 0x04: "float", 0x05: "int", 0x07: "uint"}

#: Go's own attributes (cmd/internal/dwarf). pyelftools has no names for them.
DW_AT_go_kind = 0x2900
DW_AT_go_elem = 0x2902

#: ``DW_AT_go_kind``: ``reflect.Kind`` of the type.
_KIND_SLICE, _KIND_STRING = 23, 24

#: Go writes the kind of an unnamed type at the start of its name.
_UNNAMED = ("map[", "chan ", "chan<- ", "<-chan ", "func(", "interface {")

_INDEXED_TAGS = frozenset(
    {"DW_TAG_structure_type", "DW_TAG_typedef", "DW_TAG_variable", "DW_TAG_constant"}
)


def layout_from_dwarf(file: ElfFile, version: str) -> Layout | None:
    """The layout that a plugin's own DWARF tells, or None if the file has no DWARF.

    ``version`` is what the plugin's build info says, e.g. ``go1.28.1``. Raises
    :class:`~emuplugin.errors.FormatError` where the DWARF is damaged or not what Go writes.
    """
    if any(name not in file.sections for name in (".debug_info", ".debug_abbrev")):
        return None
    try:
        return _Collector(open_dwarf(file)).collect(version)
    except DAMAGE as error:
        raise FormatError(f"corrupt DWARF: {error!r}") from error


class _Collector:
    """Picks the wanted structs out of the DWARF and follows what they hold by value."""

    def __init__(self, info: DWARFInfo) -> None:
        self._info = info
        self._structs: dict[str, StructRow] = {}
        self._named: dict[str, str] = {}
        self._types: dict[int, str] = {}

    def collect(self, version: str) -> Layout:
        types: dict[str, DIE] = {}
        variables: dict[str, DIE] = {}
        constants: dict[str, int] = {}
        for package, unit in go_units(self._info):
            if package == "runtime":
                # The unit of the types is a second one of that name, or holds it all.
                _index(unit, types, variables, constants)
            elif package in wanted.PACKAGES:
                _index(unit, {}, variables, constants)
        for name, die in sorted(types.items()):
            self._type(die, name)
        variable_types = {
            name: self._type(referenced(die, "DW_AT_type"), name)
            for name, die in sorted(variables.items())
        }
        return Layout(
            version,
            structs=dict(sorted(self._structs.items())),
            named=dict(sorted(self._named.items())),
            variables=variable_types,
            constants=dict(sorted(constants.items())),
        )

    def _type(self, die: DIE, place: str) -> str:
        """The Go name of a type; notes what it is made of, if that is new."""
        known = self._types.get(die.offset)
        if known is not None:
            return known
        name = name_of(die)
        if die.tag == "DW_TAG_structure_type" and name.startswith("struct {"):
            return self._struct(die, place)  # not remembered: each place has its own name
        if die.tag == "DW_TAG_array_type":
            element = self._type(referenced(die, "DW_AT_type"), f"{place}[]")
            return f"[{_array_length(die)}]{element}"
        self._types[die.offset] = name
        if die.tag == "DW_TAG_typedef":
            self._typedef(die, name)
        elif die.tag == "DW_TAG_structure_type":
            kind = number(die, DW_AT_go_kind) if DW_AT_go_kind in die.attributes else None
            if kind == _KIND_SLICE:
                if not name.startswith("[]"):
                    self._named[name] = "[]" + name_of(referenced(die, DW_AT_go_elem))
            elif kind == _KIND_STRING:
                if name != "string":
                    self._named[name] = "string"
            else:
                self._struct(die, name)
        elif die.tag == "DW_TAG_base_type" and name not in BUILTIN_SIZES:
            self._named[name] = _builtin(die)
        elif die.tag == "DW_TAG_pointer_type" and not name.startswith("*"):
            if name not in BUILTIN_SIZES and not name.startswith(_UNNAMED):
                self._named[name] = "unsafe.Pointer"
        elif die.tag == "DW_TAG_subroutine_type" and not name.startswith("func("):
            self._named[name] = "func()"
        return name

    def _typedef(self, die: DIE, name: str) -> None:
        """A named type, or an unnamed map, channel, function or interface."""
        if name.startswith(_UNNAMED):
            return
        underlying = self._type(referenced(die, "DW_AT_type"), name)
        if underlying != name:
            self._named[name] = underlying

    def _struct(self, die: DIE, name: str) -> str:
        if name in self._structs:
            return name
        row: StructRow = [number(die, "DW_AT_byte_size")]
        self._structs[name] = row
        for member in children(die):
            if member.tag != "DW_TAG_member":
                continue
            field = name_of(member)
            type_name = self._type(referenced(member, "DW_AT_type"), f"{name}.{field}")
            if " " in field:
                raise FormatError(f"corrupt DWARF: a field named {field!r}")
            row.append(f"{field} {number(member, 'DW_AT_data_member_location')} {type_name}")
        return name


def _index(
    unit: CompileUnit,
    types: dict[str, DIE],
    variables: dict[str, DIE],
    constants: dict[str, int],
) -> None:
    """Note what a unit has of wanted things: types, variables, values of constants."""
    for die in children(unit.get_top_DIE()):
        if die.tag not in _INDEXED_TAGS or "DW_AT_name" not in die.attributes:
            continue
        name = name_of(die)
        if die.tag == "DW_TAG_variable":
            if "DW_AT_type" in die.attributes:
                variables[name] = die
        elif die.tag == "DW_TAG_constant":
            if _matches(name, wanted.CONSTANTS):
                constants[name] = number(die, "DW_AT_const_value")
        elif name in wanted.STRUCTS:
            types.setdefault(name, die)


def _array_length(array: DIE) -> int:
    for child in children(array):
        if child.tag == "DW_TAG_subrange_type":
            return number(child, "DW_AT_count")
    raise FormatError("corrupt DWARF: an array type without a length")


def _builtin(die: DIE) -> str:
    """The predeclared Go type that a named base type is made of."""
    kind = _ENCODINGS[number(die, "DW_AT_encoding")]
    return kind if kind == "bool" else f"{kind}{8 * number(die, 'DW_AT_byte_size')}"


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
