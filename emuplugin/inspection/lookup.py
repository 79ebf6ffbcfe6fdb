"""Finding functions: by name as people write it, and by address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emuplugin.errors import SymbolNotFoundError
from emuplugin.inspection.exports import escaped_path
from emuplugin.inspection.functions import Function
from emuplugin.inspection.module import Module
from emuplugin.inspection.references import References


class FunctionLookup:
    """The functions of a plugin, found."""

    def __init__(
        self, module: Module, functions: Sequence[Function], references: References
    ) -> None:
        self._module = module
        self._functions = functions
        self._references = references
        self._by_name: dict[str, Function] = {}
        for function in functions:
            self._by_name.setdefault(function.name, function)

    def named(self, name: str) -> Function:
        """The function of that name: the linker's, or with dots in the path's last element, or
        without the path of the main package (``main.F`` or ``F``). SymbolNotFoundError."""
        for candidate in self._spellings(name):
            function = self._by_name.get(candidate)
            if function is not None:
                return function
        raise SymbolNotFoundError(name, self._module.plugin_path)

    def _spellings(self, name: str) -> Iterator[str]:
        own = escaped_path(self._module.plugin_path)
        yield name
        if name.startswith("main."):
            yield own + name.removeprefix("main")
        yield f"{own}.{name}"
        folder, slash, last = name.rpartition("/")
        parts = last.split(".")
        for count in range(2, len(parts)):
            # gopkg.in/yaml.v3.Marshal: all dots but that between package and function.
            head = "%2e".join(parts[:count])
            yield f"{folder}{slash}{head}.{'.'.join(parts[count:])}"

    def at(self, address: int) -> Function | None:
        """The function that begins at ``address``."""
        index = self._references.entry_at(address)
        return None if index is None else self._functions[index]

    def name_at(self, address: int) -> str:
        """Its name, or an empty string."""
        function = self.at(address)
        return "" if function is None else function.name

    def package_at(self, address: int) -> str:
        """Its package, or an empty string."""
        function = self.at(address)
        return "" if function is None else function.package

    def callees_at(self, address: int) -> list[str]:
        """The names of what it calls, each once, in the order of its code."""
        index = self._references.entry_at(address)
        names: dict[str, None] = {}
        if index is not None:
            for target in self._references.targets_of(index):
                name = self._module.image.imports.get(target) or self.name_at(target)
                if name and target != address:
                    names[name] = None
        return list(names)
