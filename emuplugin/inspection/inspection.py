"""Inspection: everything that can be told of a plugin without running it, read when asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from emuplugin.elf.buildinfo import BuildInfo
from emuplugin.elf.file import ElfFile
from emuplugin.errors import OpenError
from emuplugin.inspection import guarded
from emuplugin.inspection.calls import CallGraph
from emuplugin.inspection.capabilities import Capability, CapabilityFinder
from emuplugin.inspection.data_symbols import DataSymbols
from emuplugin.inspection.descriptors import Descriptors
from emuplugin.inspection.disassembly import Disassembler, Instruction
from emuplugin.inspection.embedded import EmbeddedFile, embedded_files
from emuplugin.inspection.exports import Export, exports
from emuplugin.inspection.functions import C, Function, c_functions, go_functions
from emuplugin.inspection.graph import GraphBuilder, variable_users
from emuplugin.inspection.inits import PackageInit, package_inits
from emuplugin.inspection.interfaces import Interface, Itab, RawItab, interfaces, itab_addresses
from emuplugin.inspection.labels import Labels, data_names
from emuplugin.inspection.lookup import FunctionLookup
from emuplugin.inspection.module import Module
from emuplugin.inspection.names import package_of
from emuplugin.inspection.packages import STANDARD, Origins, Package, goroot_of, packages
from emuplugin.inspection.references import References
from emuplugin.inspection.roots import find_roots
from emuplugin.inspection.strings import String, StringFinder
from emuplugin.inspection.types import Type, TypeReader
from emuplugin.inspection.variable_types import VariableTypes
from emuplugin.inspection.variables import Variable, variables


class Inspection:
    """A plugin, read but not run. Get one with :func:`emuplugin.inspect`.

    ``path`` is the file and ``size`` its bytes. Each attribute is read when it is first asked for,
    and kept: an overview of a large plugin takes a second, what needs all of its code some more.
    A part of the file that is corrupt raises FormatError when it is read.
    """

    def __init__(self, file: ElfFile) -> None:
        self._file = file
        self.path = file.path
        self.size = len(file.data)
        self._module = guarded.call(lambda: Module(file))

    def __repr__(self) -> str:
        version = self.build_info.go_version
        return f"<Inspection of {self.path!r}: {self.plugin_path}, {version}>"

    # --- the file ---------------------------------------------------------------------------

    @property
    def build_info(self) -> BuildInfo:
        """What ``go version -m`` tells: Go version, modules, build settings."""
        info = self._file.build_info
        assert info is not None, "the module was not read"
        return info

    @guarded.section
    def plugin_path(self) -> str:
        """What Go calls the plugin: the import path of its main package, or ``plugin/unnamed-``
        and a hash."""
        return self._module.plugin_path

    @property
    def has_symbols(self) -> bool:
        """Whether the file has its symbol table (not built with ``-ldflags=-s``)."""
        return self._file.static_symbols is not None

    @property
    def has_dwarf(self) -> bool:
        """Whether the file has debug information (not built with ``-ldflags=-w``)."""
        return ".debug_info" in self._file.sections

    @property
    def relocations(self) -> Mapping[str, int]:
        """How many relocations of each kind the file has."""
        return self._module.image.relocations

    @guarded.section
    def libraries(self) -> tuple[str, ...]:
        """The shared libraries that the file asks for."""
        return self._file.needed

    @guarded.section
    def c_imports(self) -> tuple[str, ...]:
        """The symbols that C libraries must define, sorted; weak ones too."""
        return tuple(sorted(symbol.name for symbol in self._file.symbols.undefined if symbol.name))

    # --- packages and functions -----------------------------------------------------------------

    @guarded.section
    def functions(self) -> tuple[Function, ...]:
        """All functions, by address: Go's from its function table, C's from the symbols."""
        found = [*go_functions(self._module), *c_functions(self._module)]
        return tuple(sorted(found, key=lambda function: function.address))

    @guarded.section
    def _lookup(self) -> FunctionLookup:
        return FunctionLookup(self._module, self.functions, self._references)

    def function(self, name: str) -> Function:
        """The function of that name: the linker's, or with dots as people write them, or ``main.F``
        for one of the main package. SymbolNotFoundError where there is none."""
        return self._lookup.named(name)

    @guarded.section
    def _origins(self) -> Origins:
        goroot = goroot_of(function.file for function in self.functions)
        origins = Origins(self.build_info, self.plugin_path, goroot)
        for function in self.functions:
            if function.package and function.file and function.language != C:
                origins.origin(function.package, function.file)
        return origins

    def origin(self, package: str) -> str:
        """Whose a package is: ``own``, ``standard`` or ``third-party``."""
        return self._origins.origin(package)

    @guarded.section
    def packages(self) -> tuple[Package, ...]:
        """The packages that functions, types or variables belong to, by path."""
        more = {go_type.pkg_path for go_type in self._descriptors.by_address.values()}
        more |= {package_of(s.name) for s in self._data_symbols.all if not s.generated}
        return tuple(packages(self.functions, more, self._origins))

    @guarded.section
    def exports(self) -> tuple[Export, ...]:
        """What ``plugin.Lookup`` finds, sorted by name."""
        return tuple(sorted(exports(self._module, self._descriptors), key=lambda e: e.name))

    # --- types ------------------------------------------------------------------------------

    @guarded.section
    def _descriptors(self) -> Descriptors:
        return Descriptors(self._module)

    @guarded.section
    def types(self) -> tuple[Type, ...]:
        """All types whose descriptors are in the file, by name; those of the compiler's own
        (buckets of maps, ``noalg.``) are left out."""
        reader = TypeReader(self._descriptors, self._lookup.name_at)
        found = [t for t in reader.all() if not t.name.startswith("noalg.")]
        return tuple(sorted(found, key=lambda t: (t.name, t.package, t.address)))

    @guarded.section
    def interfaces(self) -> tuple[Interface, ...]:
        """The interface types that have methods, and who implements them, by name."""
        found = interfaces(self._descriptors)
        return tuple(sorted(found, key=lambda interface: (interface.name, interface.package)))

    @guarded.section
    def _raw_itabs(self) -> tuple[RawItab, ...]:
        return tuple(itab_addresses(self._module, self._descriptors))

    @guarded.section
    def itabs(self) -> tuple[Itab, ...]:
        """The pairs of interface and type that the compiler knew to meet, by name."""
        found = (itab.named(self._lookup.name_at) for itab in self._raw_itabs)
        return tuple(sorted(found, key=lambda itab: (itab.interface, itab.type)))

    # --- data -------------------------------------------------------------------------------

    @guarded.section
    def _data_symbols(self) -> DataSymbols:
        return DataSymbols(self._module)

    @guarded.section
    def variables(self) -> tuple[Variable, ...]:
        """The package variables, by address, with the functions that use them."""
        types = VariableTypes(
            self._module,
            self._data_symbols,
            self._descriptors,
            {export.name: export.type for export in self.exports if export.kind == "var"},
            {itab.address: itab.interface.string for itab in self._raw_itabs},
        )
        users = variable_users(self.functions, self._references, self._data_symbols)
        return tuple(variables(self._data_symbols, self._module, types, users))

    @guarded.section
    def strings(self) -> tuple[String, ...]:
        """The string literals, shortest first, with the functions that use them."""
        return tuple(
            StringFinder(
                self._module, self.functions, self._references.uses, self._data_symbols
            ).strings()
        )

    @guarded.section
    def embedded_files(self) -> tuple[EmbeddedFile, ...]:
        """The files in variables of type ``embed.FS``."""
        return tuple(embedded_files(self._module, self._data_symbols))

    # --- code -------------------------------------------------------------------------------

    @guarded.section
    def _references(self) -> References:
        return References(self._module, self.functions)

    @guarded.section
    def _graph_builder(self) -> GraphBuilder:
        return GraphBuilder(
            self._module,
            self.functions,
            self._references,
            {itab.address: itab for itab in self._raw_itabs},
            self._descriptors.by_address,
            lambda package: not package or self.origin(package) == STANDARD,
        )

    @guarded.section
    def calls(self) -> CallGraph:
        """Who calls, refers to, or has merged whom."""
        return CallGraph(self._graph_builder.edges())

    @guarded.section
    def inits(self) -> tuple[PackageInit, ...]:
        """What runs when the plugin is opened, in order."""
        return tuple(
            package_inits(
                self._module, self._lookup.name_at, self._lookup.package_at, self._lookup.callees_at
            )
        )

    @guarded.section
    def capabilities(self) -> tuple[Capability, ...]:
        """What the plugin can do, with a path of calls as evidence."""
        roots = find_roots(
            self.exports,
            [init for init in self.inits if self.origin(init.package) != STANDARD],
            self._data_symbols,
            self._graph_builder,
        )
        finder = CapabilityFinder(self.calls, self.functions, self.types, roots, self.origin)
        return tuple(finder.find())

    def disassemble(self, function: Function | str) -> tuple[Instruction, ...]:
        """The instructions of a function, with source lines and names. SymbolNotFoundError where
        there is no function of that name."""
        found = self.function(function) if isinstance(function, str) else function
        return guarded.call(lambda: tuple(self._disassembler.instructions(found)))

    @guarded.section
    def _disassembler(self) -> Disassembler:
        return Disassembler(
            self._module,
            Labels(
                self._module.image,
                self.functions,
                self._references,
                lambda: self._data_symbols,
                lambda: self._data_names,
                lambda: self._string_values,
            ),
        )

    @guarded.section
    def _data_names(self) -> Mapping[int, str]:
        return data_names(self._descriptors, self._raw_itabs)

    @guarded.section
    def _string_values(self) -> Mapping[int, str]:
        return {string.address: string.value for string in self.strings}

    # --- all of it ----------------------------------------------------------------------------

    def to_dict(self) -> dict[str, object]:
        """Everything as plain values, as ``emuplugin inspect --json`` prints it; the schema is
        ``docs/inspect-schema.json``."""
        from emuplugin.inspection.to_dict import to_dict

        return to_dict(self)

    def to_html(self) -> str:
        """One page with all of it, for a browser; it loads nothing."""
        from emuplugin.inspection.to_html import to_html

        return to_html(self)


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Read a Go plugin without running anything of it.

    Works on any host, for plugins of Go 1.21 to 1.27, stripped or not. Raises OpenError and its
    kinds: PathError, NotAPluginError, UnsupportedGoVersionError, FormatError...
    """
    name = os.fspath(path)
    try:
        return Inspection(ElfFile.open(name))
    except OpenError as error:
        error.path = error.path or str(Path(name))
        raise
