"""Package variables: by symbols, which a plugin keeps also when it is stripped."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from emuplugin.elf.constants import SHN_LORESERVE, SHN_UNDEF
from emuplugin.elf.symbols import SymbolTable
from emuplugin.inspection.module import Module
from emuplugin.inspection.names import GENERATED_PREFIXES, package_of

_STT_OBJECT: Final = 1
_STT_NOTYPE: Final = 0


@dataclass(frozen=True)
class Variable:
    """A package variable. ``type`` is its Go type where the file tells (exported variables of the
    main package), else empty; ``size`` is in bytes; ``initialized`` tells whether its first
    value stands in the file. ``functions`` are those whose code names it."""

    name: str
    package: str
    address: int
    size: int
    type: str
    initialized: bool
    functions: tuple[str, ...]


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
    package = package_of(name)
    if not package:
        return True
    rest = name[name.find(".", name.rfind("/") + 1) + 1 :]
    return rest.startswith((".", "_cgo")) or "..stmp_" in name or rest.endswith(".files")


def variables(
    symbols: DataSymbols,
    module: Module,
    types: Mapping[str, str],
    uses: Mapping[int, Sequence[str]],
) -> Iterable[Variable]:
    """The package variables, by address. ``types`` gives the types of the main package's exported
    ones by name, ``uses`` the names of functions by the address of a symbol."""
    zeroed = [(module.field(name), module.field(f"e{name}")) for name in ("bss", "noptrbss")]
    own = module.plugin_path
    for symbol in symbols.all:
        if symbol.generated:
            continue
        package = package_of(symbol.name)
        short = symbol.name[symbol.name.rfind(".") + 1 :]
        yield Variable(
            symbol.name,
            package,
            symbol.address,
            symbol.size,
            types.get(short, "") if package == own else "",
            not any(start <= symbol.address < end for start, end in zeroed),
            tuple(uses.get(symbol.address, ())),
        )
