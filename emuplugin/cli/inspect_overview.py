"""The page that ``emuplugin inspect`` shows first."""

from __future__ import annotations

from collections.abc import Iterator

from emuplugin.cli.inspect_text import count, cut, heading, listing, table
from emuplugin.cli.style import dim, item, plain, width
from emuplugin.inspection import Capability, Inspection
from emuplugin.inspection.names import readable, short_name
from emuplugin.inspection.packages import OWN, STANDARD, THIRD_PARTY

_LABEL = 14
_MAX_EXPORTS = 20


def overview_lines(inspection: Inspection) -> Iterator[str]:
    """What the plugin is, what it can do, what it is made of."""
    yield heading(inspection.path)
    yield from _file(inspection)
    yield from _capabilities(inspection)
    yield from _exports(inspection)
    yield from _inits(inspection)
    yield from _packages(inspection)
    yield from _contents(inspection)


def _file(inspection: Inspection) -> Iterator[str]:
    info, columns = inspection.build_info, width()
    symbols = "symbol table and DWARF" if inspection.has_dwarf else "symbol table, no DWARF"
    stripped = f"not stripped ({symbols})" if inspection.has_symbols else "stripped"
    yield f"{inspection.size:,} bytes, {stripped}"
    yield item("Go version", plain(info.go_version), _LABEL, columns)
    yield item("Plugin path", plain(inspection.plugin_path), _LABEL, columns)
    if info.main.path:
        text = f"{info.main.path} {info.main.version}".strip()
        yield item("Module", plain(text), _LABEL, columns)
    for number, module in enumerate(info.deps):
        text = f"{module.path} {module.version}"
        if module.replace:
            text += f" => {module.replace.path} {module.replace.version}".rstrip()
        yield item("Needs" if not number else "", plain(text), _LABEL, columns)


def _capabilities(inspection: Inspection) -> Iterator[str]:
    yield ""
    found = inspection.capabilities
    if not found:
        yield heading("What it can do: compute and print; no way to anything else was found")
        return
    yield heading("What it can do")
    yield from table([(c.name, c.certainty, evidence(c, inspection.plugin_path)) for c in found])


def evidence(capability: Capability, plugin_path: str) -> str:
    """The way to a capability in one line, its middle left out; the main package by that name."""
    names = [
        short_name(readable(name).replace(f"{plugin_path}.", "main.")) for name in capability.path
    ]
    if len(names) > 3:
        names = [names[0], "…", *names[-2:]]
    return " > ".join(names)


def _exports(inspection: Inspection) -> Iterator[str]:
    exports = inspection.exports
    if not exports:
        return
    yield ""
    yield heading(f"Exports ({len(exports)})")
    yield from table(
        [(e.name, e.kind, e.type.removeprefix("func")) for e in exports[:_MAX_EXPORTS]]
    )
    if len(exports) > _MAX_EXPORTS:
        yield dim(f"  and {len(exports) - _MAX_EXPORTS} more: --exports")


def _inits(inspection: Inspection) -> Iterator[str]:
    own = [init for init in inspection.inits if inspection.origin(init.package) != STANDARD]
    if not own:
        return
    standard = len(inspection.inits) - len(own)
    yield ""
    yield heading("Runs when it is opened")
    yield from table(
        [("standard library", count(standard, "package"))]
        + [
            (init.package, ", ".join(_short(function.name) for function in init.functions))
            for init in own
        ],
        names=(0,),
    )


def _short(function: str) -> str:
    """``init.0`` of ``example.com/hello.init.0``."""
    at = function.rfind(".init")
    return function[at + 1 :] if at >= 0 else function


def _packages(inspection: Inspection) -> Iterator[str]:
    packages = inspection.packages
    yield ""
    yield heading(f"Packages ({len(packages)})")
    rows = []
    for origin in (OWN, THIRD_PARTY, STANDARD):
        of_it = [package for package in packages if package.origin == origin]
        if of_it:
            functions = sum(package.functions for package in of_it)
            size = sum(package.size for package in of_it)
            rows.append(
                (origin, f"{len(of_it):,}", count(functions, "function"), f"{size:,} bytes of code")
            )
    yield from table(rows, right=(1, 2, 3))
    named = [p.path for p in packages if p.origin in (OWN, THIRD_PARTY)]
    yield from listing(named, 2)


def _contents(inspection: Inspection) -> Iterator[str]:
    c_imports = len(inspection.c_imports)
    rows = [
        (count(len(inspection.functions), "function"), "--functions"),
        (count(len(inspection.types), "type"), "--types"),
        (count(len(inspection.interfaces), "interface"), "--interfaces"),
        (count(len(inspection.variables), "variable"), "--variables"),
        (count(len(inspection.strings), "string literal"), "--strings"),
        (count(c_imports, "C import"), "--imports"),
    ]
    embedded = [file for file in inspection.embedded_files if not file.is_folder]
    if embedded:
        rows.append((count(len(embedded), "embedded file"), "--embedded"))
    yield ""
    yield heading("Inside")
    for line in table(rows):
        yield cut(line, width())
