"""Package variables by name: where they lie, and of which type they are."""

from __future__ import annotations

from emuplugin.errors import CorruptDataError
from emuplugin.runtime_shims.layouts.debug_info import (
    DAMAGE,
    children,
    go_units,
    name_of,
    open_dwarf,
    referenced,
)
from emuplugin.values.names import read_string

from .dwarf_types import DwarfTypes
from .guest import TracedGuest, TracedModule
from .show import TypeLike

_DECLARED = {"DW_AT_name", "DW_AT_type"}


def find_variable(guest: TracedGuest, name: str) -> tuple[int, int, TypeLike | None] | None:
    """Address, size and type of the variable that the source calls ``name`` (``main.Counter``; one
    of the package main also without ``main.``). The type is None if neither the plugin's
    exports nor its DWARF tell; None for a name that no file has."""
    for module in guest.modules:
        for linker_name in _linker_names(module, name):
            symbol = module.image.file.symbols.find(linker_name)
            if symbol is None or not symbol.defined:
                continue
            address = module.image.base + symbol.value
            go_type = _exported(guest, module, linker_name) or _debug(guest, module, linker_name)
            size = symbol.size or (go_type.size if go_type is not None else 8)
            return address, go_type.size if go_type is not None else size, go_type
    return None


def _linker_names(module: TracedModule, name: str) -> list[str]:
    main = f"{module.plugin_path}."
    if name.startswith("main."):
        return [main + name.removeprefix("main."), name]
    return [name] if "." in name else [main + name]


def _exported(guest: TracedGuest, module: TracedModule, linker_name: str) -> TypeLike | None:
    """The type of an exported variable (``moduledata.ptab`` has a pointer to it)."""
    prefix = f"{module.plugin_path}."
    if not linker_name.startswith(prefix):
        return None
    memory, types, at = guest.memory, module.types.types, module.get("ptab.array")
    for index in range(module.get("ptab.len")):
        if (
            read_string(memory, types + memory.read_i32(at + 8 * index))
            != linker_name[len(prefix) :]
        ):
            continue
        go_type = guest.types.at(types + memory.read_i32(at + 8 * index + 4))
        return go_type.elem if go_type.kind == "ptr" else None
    return None


def _debug(guest: TracedGuest, module: TracedModule, linker_name: str) -> TypeLike | None:
    """The type that DWARF gives a variable."""
    file = module.image.file
    if ".debug_info" not in file.sections:
        return None

    def descriptor(offset: int) -> TypeLike | None:
        address = module.types.types + offset
        try:
            return guest.types.at(address) if address < module.types.etypes else None
        except CorruptDataError:
            return None

    types = DwarfTypes(descriptor, module.plugin_path)
    package = linker_name[: linker_name.find(".", linker_name.rfind("/") + 1)]
    try:
        for path, unit in go_units(open_dwarf(file)):
            if path != package:
                continue
            for die in children(unit.get_top_DIE()):
                if die.tag != "DW_TAG_variable" or not die.attributes.keys() >= _DECLARED:
                    continue
                if name_of(die) == linker_name:
                    return types.at(referenced(die, "DW_AT_type"))
    except DAMAGE:
        return None
    return None
