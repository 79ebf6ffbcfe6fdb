"""A report for people: 80 columns on a terminal, one line per item where a program reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emuplugin.cli.report import Report
from emuplugin.cli.style import bold, green, item, plain, red, width
from emuplugin.elf.buildinfo import BuildInfo, Module

_LABEL = 14
_DEFAULTS = frozenset(
    {"CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS", "DefaultGODEBUG"}
)
"""Settings that are left out where they are empty, and DefaultGODEBUG, which is a page long."""


def lines(report: Report) -> Iterator[str]:
    """The report, line by line."""
    columns = width()
    yield bold(plain(report.path))
    yield from _summary(report, columns)
    if report.build is not None:
        yield from _modules(report.build, columns)
        yield from _settings(report.build, columns)
    yield from _exports(report, columns)
    yield from _packages(report, columns)
    yield from _imports(report, columns)
    yield from _sections(report)
    yield from _relocations(report)


def _summary(report: Report, columns: int | None) -> Iterator[str]:
    build = report.build
    yield item("", f"{report.size:,} bytes, {_symbols(report)}", 0, columns)
    if report.refusal is None:
        yield item("Opens", green("yes"), _LABEL, None)
    else:
        yield item("Opens", f"no: {plain(report.refusal.message)}", _LABEL, columns).replace(
            "no:", red("no:"), 1
        )
    if report.unreadable and (
        report.refusal is None or report.refusal.message not in report.unreadable
    ):
        yield item("Not readable", plain(report.unreadable), _LABEL, columns)
    if build is not None:
        yield item("Go version", plain(build.go_version), _LABEL, columns)
    if report.plugin_path:
        yield item("Plugin path", plain(report.plugin_path), _LABEL, columns)
    if build is not None and build.path and build.path != report.plugin_path:
        yield item("Package", plain(build.path), _LABEL, columns)


def _symbols(report: Report) -> str:
    if report.symbol_table and report.dwarf:
        return "not stripped (symbol table and DWARF)"
    if report.symbol_table:
        return "stripped of DWARF (ldflags -w)"
    if report.dwarf:
        return "stripped of its symbol table, DWARF is there"
    return "stripped (no symbol table, no DWARF)"


def _modules(build: BuildInfo, columns: int | None) -> Iterator[str]:
    if build.main.path:
        yield item("Module", _module(build.main), _LABEL, columns)
    if build.deps:
        yield from _heading(f"Dependencies ({len(build.deps)})")
        for module in build.deps:
            yield item("", _module(module), 2, columns)


def _module(module: Module) -> str:
    text = plain(f"{module.path} {module.version}".strip())
    return f"{text} => {_module(module.replace)}" if module.replace else text


def _settings(build: BuildInfo, columns: int | None) -> Iterator[str]:
    shown = {name: value for name, value in build.settings.items() if _is_shown(name, value)}
    if shown:
        yield from _heading("Build settings")
        yield item("", plain(" ".join(f"{k}={v}" for k, v in shown.items())), 2, columns)


def _is_shown(name: str, value: str) -> bool:
    return name not in _DEFAULTS or bool(value and name != "DefaultGODEBUG")


def _exports(report: Report, columns: int | None) -> Iterator[str]:
    if report.exports is None:
        return
    yield from _heading(f"Exports ({len(report.exports)})")
    indent = 2 + min(max((len(export.name) for export in report.exports), default=0), 20) + 2
    for export in report.exports:
        type_ = export.type if export.kind == "func" else f"var {export.type}"
        yield item(f"  {plain(export.name)}", plain(type_), indent, columns)


def _packages(report: Report, columns: int | None) -> Iterator[str]:
    if report.init_order is None:
        return
    yield from _heading(
        f"Packages with init functions, in the order they run ({len(report.init_order)})"
    )
    yield from _list([package.package for package in report.init_order], columns)


def _imports(report: Report, columns: int | None) -> Iterator[str]:
    usual = len(report.c_imports) - len(report.c_imports_beyond_cgo)
    if not report.c_imports:
        return
    yield from _heading(f"C imports ({len(report.c_imports)})")
    yield item("", f"{usual} that runtime/cgo brings to every plugin", 2, columns)
    if report.c_imports_beyond_cgo:
        extra = report.c_imports_beyond_cgo
        yield item("", f"{len(extra)} more: {plain(', '.join(extra))}", 2, columns)
    if report.libraries:
        yield item("", f"from {plain(', '.join(report.libraries))}", 2, columns)


def _sections(report: Report) -> Iterator[str]:
    if not report.sections:
        yield from _heading("Sections: the file has no section headers")
        return
    yield from _heading(f"Sections ({len(report.sections)})")
    for section in report.sections:
        address = f"{section.address:#10x}" if section.address else " " * 10
        yield f"  {plain(section.name):<24} {address} {section.size:>12,}"


def _relocations(report: Report) -> Iterator[str]:
    if report.relocations is None:
        return
    yield from _heading(f"Relocations ({sum(report.relocations.values()):,})")
    for name, count in sorted(report.relocations.items(), key=lambda entry: -entry[1]):
        yield f"  {name:<24} {count:>10,}"


def _list(words: Sequence[str], columns: int | None) -> Iterator[str]:
    """Words in running lines on a terminal, else one per line."""
    if columns is None:
        for word in words:
            yield f"  {plain(word)}"
    elif words:
        yield item("", plain(", ".join(words)), 2, columns)


def _heading(text: str) -> Iterator[str]:
    yield ""
    yield bold(text)
