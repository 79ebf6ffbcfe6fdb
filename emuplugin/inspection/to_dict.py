"""An inspection as plain values: what ``--json`` prints. The schema is docs/inspect-schema.json."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from emuplugin.elf.buildinfo import BuildInfo, Module
from emuplugin.inspection.disassembly import Instruction
from emuplugin.inspection.functions import Function

if TYPE_CHECKING:
    from emuplugin.inspection.inspection import Inspection

Row = dict[str, Any]


def to_dict(inspection: Inspection, sections: Iterable[str] | None = None) -> Row:
    """The file's own facts and the given sections (see :data:`SECTIONS`), or all of them."""
    chosen = SECTIONS if sections is None else {name: SECTIONS[name] for name in sections}
    return {**header(inspection), **{name: make(inspection) for name, make in chosen.items()}}


def header(inspection: Inspection) -> Row:
    """What is there whatever sections are asked for."""
    return {
        "path": inspection.path,
        "size": inspection.size,
        "go_version": inspection.build_info.go_version,
        "plugin_path": inspection.plugin_path,
        "symbol_table": inspection.has_symbols,
        "dwarf": inspection.has_dwarf,
        "build_info": build_info(inspection.build_info),
    }


def build_info(info: BuildInfo) -> Row:
    """All that ``go version -m`` prints."""
    return {
        "go_version": info.go_version,
        "path": info.path,
        "main": _module(info.main) if info.main.path else None,
        "deps": [_module(module) for module in info.deps],
        "settings": dict(info.settings),
    }


def _module(module: Module) -> Row:
    return {
        "path": module.path,
        "version": module.version,
        "sum": module.sum,
        "replace": None if module.replace is None else _module(module.replace),
    }


def plain(value: object) -> Any:
    """A dataclass as a dictionary of its public fields; what it holds likewise."""
    if is_dataclass(value):
        return {
            field.name: plain(getattr(value, field.name))
            for field in fields(value)
            if not field.name.startswith("_") and field.repr
        }
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def _function(function: Function) -> Row:
    return {
        **plain(function),
        "end_line": function.end_line,
        "inlined": sorted(function.inlined_names),
    }


def instruction(item: Instruction) -> Row:
    """One instruction; its bytes in hexadecimal."""
    return {**plain(item), "code": item.code.hex()}


def _calls(inspection: Inspection) -> list[Row]:
    return [edge._asdict() for edge in inspection.calls]


def _itabs(inspection: Inspection) -> list[Row]:
    return [{**plain(itab), "methods": dict(itab.methods)} for itab in inspection.itabs]


def _functions(inspection: Inspection) -> list[Row]:
    return [_function(function) for function in inspection.functions]


def _plain(read: Callable[[Inspection], object]) -> Callable[[Inspection], Any]:
    return lambda inspection: plain(read(inspection))


SECTIONS: Final[Mapping[str, Callable[[Inspection], Any]]] = {
    "capabilities": _plain(attrgetter("capabilities")),
    "exports": _plain(attrgetter("exports")),
    "inits": _plain(attrgetter("inits")),
    "packages": _plain(attrgetter("packages")),
    "functions": _functions,
    "types": _plain(attrgetter("types")),
    "interfaces": _plain(attrgetter("interfaces")),
    "itabs": _itabs,
    "variables": _plain(attrgetter("variables")),
    "strings": _plain(attrgetter("strings")),
    "embedded_files": _plain(attrgetter("embedded_files")),
    "c_imports": _plain(attrgetter("c_imports")),
    "libraries": _plain(attrgetter("libraries")),
    "relocations": lambda inspection: dict(inspection.relocations),
    "calls": _calls,
}
"""The sections by name, in the order in which they are printed."""
