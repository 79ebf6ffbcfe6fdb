"""What ``emuplugin info`` finds out about a file, without running any of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emuplugin.cli.cgo_imports import USUAL
from emuplugin.cli.failures import headline
from emuplugin.elf.buildinfo import BuildInfo
from emuplugin.elf.file import ElfFile
from emuplugin.elf.image import Image
from emuplugin.elf.refusals import check_plugin
from emuplugin.errors import EmupluginError, NotAPluginError, OpenError
from emuplugin.inspection import guarded
from emuplugin.inspection.descriptors import Descriptors
from emuplugin.inspection.exports import exports
from emuplugin.inspection.inits import package_inits
from emuplugin.inspection.module import Module
from emuplugin.inspection.names import package_of


@dataclass(frozen=True)
class Refusal:
    """Why the file cannot be opened: the name of the exception class, and its words."""

    kind: str
    message: str


@dataclass(frozen=True, order=True)
class ExportedName:
    """``kind`` is ``func`` or ``var``; ``type`` is the Go type as Go prints it."""

    name: str
    kind: str
    type: str


@dataclass(frozen=True)
class InitPackage:
    """A package that has init functions."""

    package: str
    functions: tuple[str, ...]


@dataclass(frozen=True)
class SectionSize:
    """A section of the file; ``address`` counts from where the file is mapped."""

    name: str
    address: int
    size: int


@dataclass
class Report:
    """All that is known. What could not be read is None, and ``unreadable`` says why."""

    path: str
    size: int
    refusal: Refusal | None = None
    unreadable: str | None = None
    plugin_path: str | None = None
    build: BuildInfo | None = None
    exports: list[ExportedName] | None = None
    init_order: list[InitPackage] | None = None
    c_imports: list[str] = field(default_factory=list)
    c_imports_beyond_cgo: list[str] = field(default_factory=list)
    libraries: tuple[str, ...] = ()
    sections: list[SectionSize] = field(default_factory=list)
    symbol_table: bool = False
    dwarf: bool = False
    relocations: Mapping[str, int] | None = None

    def as_json(self) -> dict[str, Any]:
        """The report as JSON: the attributes as they are called here, but BuildInfo's own."""
        document = asdict(self)
        build = document.pop("build")
        return {
            **{name: document.pop(name) for name in ("path", "size", "refusal", "unreadable")},
            "plugin_path": document.pop("plugin_path"),
            "go_version": build["go_version"] if build else None,
            "package": build["path"] if build else None,
            "module": _module(build["main"]) if build else None,
            "dependencies": [_module(module) for module in build["deps"]] if build else None,
            "settings": build["settings"] if build else None,
            **document,
        }


def _module(module: dict[str, Any]) -> dict[str, Any] | None:
    if not module["path"]:
        return None  # the main module of a plugin that was built outside any
    replace = module["replace"]
    return {**module, "replace": _module(replace) if replace else None}


def make_report(path: str) -> Report:
    """Read the file at ``path``. Raises OpenError only where it is no readable ELF file."""
    file = ElfFile.open(path)
    report = Report(path, Path(path).stat().st_size)
    try:
        check_plugin(file)
    except OpenError as error:
        report.refusal = _refusal(error)
    report.sections = [
        SectionSize(section.name, section.addr, section.size)
        for section in file.sections.values()
        if section.name
    ]
    report.symbol_table = ".symtab" in file.sections
    report.dwarf = any(name in file.sections for name in (".debug_info", ".zdebug_info"))
    try:
        guarded.call(lambda: _read_go(report, file))
    except EmupluginError as error:
        report.unreadable = headline(error)
        if report.refusal is None:
            report.refusal = _refusal(error)
    return report


def _read_go(report: Report, file: ElfFile) -> None:
    """Fill in part after part, so that what comes before a broken one is there."""
    report.build = file.build_info
    if file.has_dynamic:
        report.libraries = file.needed
        names = {symbol.name for symbol in file.symbols.undefined}
        report.c_imports = sorted(names)
        report.c_imports_beyond_cgo = sorted(names - USUAL)
    image = Image(file)
    report.relocations = dict(image.relocations)
    if report.build is None:
        return
    module = Module(file, image)
    report.plugin_path = module.plugin_path
    if not report.plugin_path and report.refusal is None:
        report.refusal = _refusal(NotAPluginError("runtime: plugin has empty pluginpath"))
    report.exports = sorted(
        ExportedName(export.name, export.kind, export.type)
        for export in exports(module, Descriptors(module))
    )
    report.init_order = list(_init_order(module))


def _init_order(module: Module) -> Iterator[InitPackage]:
    def name_at(entry: int) -> str:
        function = module.functions.find(entry)
        return "" if function is None else function.name

    for init in package_inits(
        module, name_at, lambda entry: package_of(name_at(entry)), lambda entry: ()
    ):
        names = tuple(function.name for function in init.functions if function.name)
        yield InitPackage(init.package, names)


def _refusal(error: EmupluginError) -> Refusal:
    reason = error.reason if isinstance(error, OpenError) else str(error)
    return Refusal(type(error).__name__, reason)
