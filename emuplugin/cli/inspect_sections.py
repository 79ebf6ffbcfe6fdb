"""The lists of ``emuplugin inspect``: a page per section."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from emuplugin.cli.inspect_text import count, cut, heading, listing, table
from emuplugin.cli.style import bold, dim, plain, width
from emuplugin.inspection import Inspection, Type
from emuplugin.inspection.labels import quoted
from emuplugin.inspection.names import package_of, readable
from emuplugin.inspection.packages import STANDARD
from emuplugin.inspection.types import quoted_tag


class Selection:
    """What of an inspection to show: names that hold ``match``, and the standard library only
    with ``everything``."""

    def __init__(self, inspection: Inspection, match: str = "", everything: bool = False) -> None:
        self.inspection = inspection
        self.match = match.casefold()
        self.everything = everything

    def wants(self, name: str, package: str) -> bool:
        """Whether to show something of that name and package."""
        if self.match and self.match not in name.casefold():
            return False
        return self.everything or bool(package and self.inspection.origin(package) != STANDARD)

    def holds(self, text: str) -> bool:
        """Whether the text has what is looked for."""
        return self.match in text.casefold()

    def opening(self, what: str, shown: int, total: int) -> Iterator[str]:
        """``Functions (12 of 3,888)``, and why nothing follows where that is so."""
        numbers = f"{shown:,}" if shown == total else f"{shown:,} of {total:,}"
        yield heading(f"{what} ({numbers})")
        if shown == 0:
            yield dim(cut(f"  {self._reason(total)}", width()))

    def _reason(self, total: int) -> str:
        if not total:
            return "none"
        if self.match:
            return f"none has {self.match!r} in its name"
        return "all of the standard library: --all shows them"


def section_lines(selection: Selection, name: str) -> Iterator[str]:
    """The page of a section."""
    return _PAGES[name](selection)


def _capabilities(selection: Selection) -> Iterator[str]:
    capabilities = selection.inspection.capabilities
    found = [c for c in capabilities if selection.holds(c.name)]
    if not capabilities:
        yield heading("What it can do: compute and print; no way to anything else was found")
        return
    yield from selection.opening("What it can do", len(found), len(capabilities))
    for capability in found:
        yield f"  {bold(capability.name)} ({capability.certainty})"
        yield f"    {capability.summary}"
        if capability.entry:
            yield f"    from {plain(capability.entry)}"
        for name in capability.path:
            yield cut(f"      {readable(name)}", width())
        if capability.note:
            yield cut(f"    {capability.note}", width())


def _exports(selection: Selection) -> Iterator[str]:
    everything = selection.inspection.exports
    found = [export for export in everything if selection.holds(export.name)]
    yield from selection.opening("Exports", len(found), len(everything))
    yield from table([(e.name, e.kind, e.type, f"{e.address:#x}") for e in found])


def _inits(selection: Selection) -> Iterator[str]:
    inits = selection.inspection.inits
    found = [init for init in inits if selection.wants(init.package, init.package)]
    yield from selection.opening("Init functions, in the order they run", len(found), len(inits))
    for init in found:
        yield f"  {plain(init.package)}"
        for function in init.functions:
            yield cut(f"    {readable(function.name)}", width())
            calls = [
                readable(name)
                for name in function.calls
                if selection.everything or package_of(name) != "runtime"
            ]
            yield from (dim(line) for line in listing(calls, 6))


def _packages(selection: Selection) -> Iterator[str]:
    packages = selection.inspection.packages
    found = [package for package in packages if selection.match in package.path.casefold()]
    yield from selection.opening("Packages", len(found), len(packages))
    yield from table(
        [
            (p.path, p.origin, p.version, f"{p.functions:,}", f"{p.size:,}")
            for p in sorted(found, key=lambda package: (package.origin, package.path))
        ],
        right=(3, 4),
        names=(0,),
    )


def _functions(selection: Selection) -> Iterator[str]:
    functions = selection.inspection.functions
    found = [f for f in functions if selection.wants(f.name, f.package)]
    yield from selection.opening("Functions", len(found), len(functions))
    rows = []
    for function in found:
        lines = ""
        if function.line:
            last = function.end_line
            lines = f"{function.line}" if last <= function.line else f"{function.line}-{last}"
        file = function.file.rpartition("/")[2] if width() is not None else function.file
        where = f"{file}:{lines}" if lines else file or function.language
        rows.append(
            (f"{function.address:#x}", f"{function.size:,}", readable(function.name), where)
        )
    yield from table(rows, right=(0, 1), names=(2,))


def _types(selection: Selection) -> Iterator[str]:
    types = [type_ for type_ in selection.inspection.types if type_.named]
    found = [type_ for type_ in types if selection.wants(type_.name, type_.package)]
    yield from selection.opening("Types", len(found), len(types))
    for type_ in found:
        yield from type_lines(type_)


def type_lines(type_: Type) -> Iterator[str]:
    """A type as Go source, with offsets and sizes in comments."""
    columns = width()
    note = (
        f"{count(type_.size, 'byte')}, package {type_.package}"
        if type_.package
        else (count(type_.size, "byte"))
    )
    yield dim(cut(f"  // {note}", columns))
    if type_.kind == "struct" and type_.fields:
        yield f"  type {bold(plain(type_.name))} struct {{"
        rows = [
            (
                field.type if field.embedded else f"{field.name} {field.type}",
                quoted_tag(field.tag) if field.tag else "",
                f"// {field.offset}",
            )
            for field in type_.fields
        ]
        yield from table(rows, indent=4)
        yield "  }"
    elif type_.kind == "interface" and type_.methods:
        yield f"  type {bold(plain(type_.name))} interface {{"
        for method in type_.methods:
            yield cut(f"    {method.name}{method.signature.removeprefix('func')}", columns)
        yield "  }"
        return
    else:
        yield cut(f"  type {type_.name} {type_.definition}", columns)
    short = type_.name.rpartition(".")[2] if "[" not in type_.name else type_.name
    for method in type_.methods:
        star = "*" if method.pointer else ""
        signature = method.signature.removeprefix("func")
        yield cut(f"  func ({star}{short}) {method.name}{signature}", columns)


def _interfaces(selection: Selection) -> Iterator[str]:
    interfaces = selection.inspection.interfaces
    found = [
        interface
        for interface in interfaces
        if selection.wants(interface.name, interface.package)
        or (selection.match and selection.holds(interface.name))
    ]
    yield from selection.opening("Interfaces", len(found), len(interfaces))
    for interface in found:
        yield cut(f"  {interface.name}: {', '.join(interface.methods)}", width())
        if interface.implementers:
            yield from (dim(line) for line in listing(interface.implementers, 6))


def _itabs(selection: Selection) -> Iterator[str]:
    itabs = selection.inspection.itabs
    found = [
        itab
        for itab in itabs
        if selection.holds(f"{itab.type} {itab.interface}")
        and (selection.everything or any(_is_outside(selection, name) for _, name in itab.methods))
    ]
    yield from selection.opening("Types that become interfaces", len(found), len(itabs))
    yield from table([(itab.type, "as", itab.interface) for itab in found])


def _is_outside(selection: Selection, function: str) -> bool:
    package = package_of(function)
    return bool(package) and selection.inspection.origin(package) != STANDARD


def _variables(selection: Selection) -> Iterator[str]:
    variables = selection.inspection.variables
    found = [v for v in variables if selection.wants(v.name, v.package)]
    yield from selection.opening("Package variables", len(found), len(variables))
    yield from table(
        [
            (
                f"{v.address:#x}",
                f"{v.size:,}",
                readable(v.name),
                v.type or "?",
                count(len(v.functions), "user") if v.functions else "",
            )
            for v in found
        ],
        right=(0, 1),
        names=(2,),
    )
    if not all(v.type for v in found):
        yield dim(cut("  ? the file does not tell the type", width()))


def _strings(selection: Selection) -> Iterator[str]:
    strings = selection.inspection.strings
    found = []
    for string in strings:
        users = [name for name in string.functions if _is_outside(selection, name)]
        if selection.holds(string.value) and (selection.everything or users):
            found.append((string, users or list(string.functions)))
    yield from selection.opening("String literals", len(found), len(strings))
    yield from table(
        [
            (
                quoted(string.value) + ("" if string.exact else " ?"),
                ", ".join(map(readable, users)) or ("(data)" if string.data else ""),
            )
            for string, users in found
        ],
        names=(1,),
    )
    if not all(string.exact for string, _ in found):
        yield dim(cut("  ? where it ends is inferred from the literals beside it", width()))


def _embedded(selection: Selection) -> Iterator[str]:
    files = selection.inspection.embedded_files
    everything = [file for file in files if not file.is_folder]
    found = [file for file in everything if selection.holds(file.name)]
    yield from selection.opening("Embedded files", len(found), len(everything))
    yield from table(
        [(readable(file.variable), file.name, f"{file.size:,}") for file in found],
        right=(2,),
        names=(0,),
    )


def _imports(selection: Selection) -> Iterator[str]:
    inspection = selection.inspection
    found = [name for name in inspection.c_imports if selection.holds(name)]
    yield from selection.opening("C imports", len(found), len(inspection.c_imports))
    yield from listing(found, 2)
    if inspection.libraries:
        yield f"  from {plain(', '.join(inspection.libraries))}"
    yield ""
    yield heading(f"Relocations ({sum(inspection.relocations.values()):,})")
    yield from table(
        [(name, f"{number:,}") for name, number in inspection.relocations.items()], right=(1,)
    )


_PAGES: Final[dict[str, Callable[[Selection], Iterator[str]]]] = {
    "capabilities": _capabilities,
    "exports": _exports,
    "inits": _inits,
    "packages": _packages,
    "functions": _functions,
    "types": _types,
    "interfaces": _interfaces,
    "itabs": _itabs,
    "variables": _variables,
    "strings": _strings,
    "embedded": _embedded,
    "imports": _imports,
}
