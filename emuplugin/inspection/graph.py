"""Building the call graph, and the users of data, from what the code refers to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from emuplugin.inspection.calls import CALL, INLINED, INTERFACE, REFERENCE, TAIL_CALL, Edge
from emuplugin.inspection.data_symbols import DataSymbols
from emuplugin.inspection.functions import Function
from emuplugin.inspection.interfaces import RawItab
from emuplugin.inspection.module import Module
from emuplugin.inspection.references import References
from emuplugin.values import GoType

_WORD = 8


class GraphBuilder:
    """Makes edges. ``is_standard`` tells whether a package is of the standard library."""

    def __init__(
        self,
        module: Module,
        functions: Sequence[Function],
        references: References,
        itabs: Mapping[int, RawItab],
        types: Mapping[int, GoType],
        is_standard: Callable[[str], bool],
    ) -> None:
        self._image = module.image
        self._functions = functions
        self._references = references
        self._itabs = itabs
        self._types = types
        self._is_standard = is_standard
        self._relocated = set(module.image.relocated)
        self._led: dict[int, tuple[tuple[str, str], ...]] = {}

    def edges(self) -> Iterator[Edge]:
        """All edges: calls in the order of the code, then uses, then inlined calls."""
        functions, imports = self._functions, self._image.imports
        entry_at = self._references.entry_at
        for call in self._references.calls:
            index = entry_at(call.target)
            callee = imports[call.target] if index is None else functions[index].name
            kind = TAIL_CALL if call.tail else CALL
            yield Edge(functions[call.caller].name, callee, kind, call.site)
        seen: set[tuple[int, int]] = set()
        for use in self._references.uses:
            key = use.caller, use.address
            if key not in seen:
                seen.add(key)
                for callee, kind in self._leads_to(use.address):
                    yield Edge(functions[use.caller].name, callee, kind, use.site)
        for function in functions:
            for callee in sorted(function.inlined_names):
                yield Edge(function.name, callee, INLINED, 0)

    def _leads_to(self, address: int) -> tuple[tuple[str, str], ...]:
        found = self._led.get(address)
        if found is None:
            found = self._led[address] = tuple(self.targets(address))
        return found

    def targets(self, address: int) -> Iterator[tuple[str, str]]:
        """The functions that an address in the code's hands leads to, each with the kind of
        edge."""
        itab = self._itabs.get(address)
        if itab is not None:
            for entry in itab.functions:
                yield from self._named(entry, INTERFACE)
            return
        go_type = self._types.get(address)
        if go_type is not None:
            if go_type.kind != "interface" and not self._is_standard(_package(go_type)):
                for method in go_type.methods:
                    yield from self._named(method.ifn or 0, INTERFACE)
            return
        if self._references.entry_at(address) is not None:
            yield from self._named(address, REFERENCE)
            return
        # A func value is a pointer to a word that points to the code; a variable may hold one.
        first = self._word(address)
        if first:
            if self._references.entry_at(first) is not None or first in self._image.imports:
                yield from self._named(first, REFERENCE)
            elif first not in self._types and first not in self._itabs:
                yield from self._named(self._word(first), REFERENCE)

    def initial_targets(self, address: int, size: int) -> Iterator[tuple[str, str]]:
        """The functions that the words of a variable's first value lead to."""
        for place in range(address, address + min(size, 1 << 16), _WORD):
            word = self._word(place)
            if word:
                yield from self.targets(word)

    def _word(self, address: int) -> int:
        if address in self._relocated and self._image.holds(address, _WORD):
            return self._image.read_u64(address)
        return 0

    def _named(self, address: int, kind: str) -> Iterator[tuple[str, str]]:
        index = self._references.entry_at(address)
        if index is not None:
            yield self._functions[index].name, kind
        elif address in self._image.imports:
            yield self._image.imports[address], kind


def _package(go_type: GoType) -> str:
    """The package of a defined type or of what a pointer type points to."""
    if go_type.kind == "ptr" and not go_type.named:
        return go_type.elem.pkg_path
    return go_type.pkg_path


def variable_users(
    functions: Sequence[Function], references: References, symbols: DataSymbols
) -> dict[int, list[str]]:
    """The names of the functions that use each data symbol, by its address."""
    users: dict[int, dict[str, None]] = defaultdict(dict)
    for use in references.uses:
        symbol = symbols.at(use.address)
        if symbol is not None:
            users[symbol.address][functions[use.caller].name] = None
    return {address: list(names) for address, names in users.items()}
