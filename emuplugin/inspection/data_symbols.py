"""Data symbols: names for memory, which a plugin keeps also when it is stripped."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from emuplugin.elf.constants import SHN_LORESERVE, SHN_UNDEF
from emuplugin.elf.symbols import SymbolTable
from emuplugin.inspection.module import Module
from emuplugin.inspection.names import GENERATED_PREFIXES, package_of

_STT_OBJECT: Final = 1
_STT_NOTYPE: Final = 0

# Where the linker's sections begin and end (cmd/link/internal/ld/data.go: address), and its masks.
_MARKS: Final = frozenset(
    f"runtime.{prefix}{section}"
    for prefix in ("", "e")
    for section in ("data", "noptrdata", "bss", "noptrbss")
) | {"runtime.end", "runtime.gcmask.*"}


@dataclass(frozen=True)
class DataSymbol:
    """A name for some memory in a data section; ``generated`` by the compiler or not."""

    name: str
    address: int
    size: int
    generated: bool


class DataSymbols:
    """The symbols of a module's data sections, by address."""

    def __init__(self, module: Module) -> None:
        found: dict[tuple[int, str], DataSymbol] = {}
        for table in (module.file.symbols, module.file.static_symbols):
            if table is not None:
                for symbol in _objects(module, table):
                    found.setdefault((symbol.address, symbol.name), symbol)
        self.all: list[DataSymbol] = [found[key] for key in sorted(found)]
        # Variables without size share their address with the next: that is whose memory it is.
        largest: dict[int, DataSymbol] = {}
        for symbol in self.all:
            other = largest.get(symbol.address)
            if other is None or (other.generated, -other.size) > (symbol.generated, -symbol.size):
                largest[symbol.address] = symbol
        self._addresses = sorted(largest)
        self._by_address = largest

    def at(self, address: int) -> DataSymbol | None:
        """The symbol whose memory holds ``address``."""
        index = bisect_right(self._addresses, address) - 1
        if index < 0:
            return None
        symbol = self._by_address[self._addresses[index]]
        return symbol if address < symbol.address + max(symbol.size, 1) else None


def _objects(module: Module, table: SymbolTable) -> Iterable[DataSymbol]:
    for index, (value, head) in enumerate(zip(table.values, table.heads, strict=True)):
        if head >> 32 & 15 not in (_STT_OBJECT, _STT_NOTYPE):
            continue
        if not SHN_UNDEF < head >> 48 < SHN_LORESERVE or not module.in_data(value):
            continue
        symbol = table[index]
        name = symbol.name.removeprefix("local.")
        if symbol.size or head >> 32 & 15 == _STT_OBJECT:
            yield DataSymbol(name, value, symbol.size, is_generated(name))


def is_generated(name: str) -> bool:
    """Whether the compiler or linker made a data symbol for itself: temporaries, init tasks,
    function values, and C's names, which have no package."""
    if name.startswith((*GENERATED_PREFIXES, "$", "runtime.gcbits.", "_cgo_")) or "·" in name:
        return True
    if name in _MARKS:
        return True
    package = package_of(name)
    if not package:
        return True
    rest = name[name.find(".", name.rfind("/") + 1) + 1 :]
    return rest.startswith((".", "_cgo")) or "..stmp_" in name or rest.endswith(".files")
