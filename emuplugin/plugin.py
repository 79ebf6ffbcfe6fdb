"""A plugin and its symbols, as in Go's package ``plugin``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .elf.buildinfo import BuildInfo
from .errors import OpenError, StaleError, SymbolNotFoundError
from .values import Function, GoType, Variable
from .values.names import read_string
from .values.type_index import TypeIndex
from .values.type_object import TypeObject

if TYPE_CHECKING:
    from .machine import Machine
    from .runtime_shims.inits import InitTrace
    from .runtime_shims.program import Module

Symbol = Variable | Function
SymbolTable = Mapping[str, tuple[int, int]]
_PTAB_ENTRY = 8  # struct ptabEntry {name nameOff, typ typeOff}


class Plugin:
    """An opened plugin. ``path`` is its real path, ``plugin_path`` what Go calls it,
    ``timings`` how many seconds each step of opening took."""

    def __init__(
        self, machine: Machine, module: Module, path: str, table: SymbolTable | None = None
    ) -> None:
        """``table`` is for a plugin that was copied: of the one that it was copied from."""
        self.machine = machine
        self.path = path
        self.plugin_path = module.plugin_path
        self.timings: dict[str, float] = {}
        #: Whether it was opened from the cache.
        self.from_cache = False
        #: What waits until it is in the cache, and returns why it is not.
        self.keeping: Callable[[], str] = str
        self.bind(module, table)

    def bind(self, module: Module, table: SymbolTable | None = None) -> None:
        """Be the plugin that ``module`` is: of a machine that has begun, or begun anew."""
        self._module = module
        self._table: SymbolTable = dict(self._read_table()) if table is None else table
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what was looked up: the machine has begun another life with the same module."""
        self._symbols: dict[str, Symbol] = {}
        self._expired = False
        for cached in ("exports", "types"):
            self.__dict__.pop(cached, None)
        self.machine.context.add_types(self._all_types)

    def expire(self) -> None:
        """The machine went back to a snapshot in which it had not opened the plugin."""
        self._expired = True
        for symbol in self._symbols.values():
            symbol.expire()

    @property
    def not_cached(self) -> str:
        """Why the plugin was not put into the cache; empty if it was, or came from there. It is put
        there while it is in use already: this waits for that."""
        return self.keeping()

    @property
    def table(self) -> SymbolTable:
        """For each exported name the addresses of its type and symbol."""
        return self._table

    @property
    def module(self) -> Module:
        """The plugin as a module of the running program."""
        return self._module

    def __repr__(self) -> str:
        names = sorted(self._table)
        more = f", and {len(names) - 8} more" if len(names) > 9 else ""
        exports = ", ".join(names[: 8 if more else 9]) + more
        return f"<Plugin {self.plugin_path!r} from {self.path}: {exports}>"

    def _repr_html_(self) -> str:
        from .explaining.notebook import plugin_html

        return plugin_html(self)

    def lookup(self, name: str) -> Any:
        """The exported variable or function ``name``: a :class:`Variable` or :class:`Function`
        (typed as Go's ``plugin.Symbol`` is: anything).

        Raises SymbolNotFoundError with Go's words, ClosedError and DeadMachineError.
        """
        _ = self.machine.program  # says so if the machine is closed or dead
        if self._expired:
            raise StaleError(f"the plugin {self.path}", restored=True)
        symbol = self._symbols.get(name)
        if symbol is None:
            if name not in self._table:
                raise SymbolNotFoundError(name, self.plugin_path)
            symbol = self._symbols[name] = self._make(name, *self._table[name])
        return symbol

    __getitem__ = lookup

    @cached_property
    def exports(self) -> Mapping[str, str]:
        """The exported names and their Go types, as Go prints them, sorted by name."""
        return {name: self.lookup(name).type for name in sorted(self._table)}

    @property
    def build_info(self) -> BuildInfo:
        """Go version, main module, dependencies and build settings."""
        info = self._module.image.file.build_info
        assert info is not None  # a file without is refused
        return info

    @property
    def init_trace(self) -> tuple[InitTrace, ...]:
        """What initialising each package took, in the order in which it was done."""
        return tuple(self._module.init_trace)

    @property
    def relocations(self) -> Mapping[str, int]:
        """How many relocations of each kind were applied."""
        return self._module.image.relocations

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.exports)

    @cached_property
    def types(self) -> TypeIndex:
        """All Go types of the plugin by name; see :class:`TypeIndex`."""
        return TypeIndex(self._all_types())

    def type(self, name: str) -> TypeObject:
        """A Go type by name, to make values of: ``plugin.type("main.Point")(X=1, Y=2)``.

        UnsupportedTypeError if the plugin has no such type.
        """
        return TypeObject(self.machine.context, self.types.find(name))

    def make(self, type: str, *args: Any) -> Any:
        """Make a value: ``plugin.make("[]int", 3)``, ``plugin.make("map[string]int")``, as Go's
        ``make``; of other types (``plugin.make("*int", 5)``) what calling :meth:`type` gives."""
        return self.type(type).make(*args)

    def run_goroutines(self, seconds: float | None = None) -> None:
        """Let the plugin's goroutines run, ``seconds`` by the machine's clock or until all wait;
        see :meth:`Machine.run_goroutines`."""
        self.machine.run_goroutines(seconds)

    def close(self) -> None:
        """Close the plugin's machine, with all plugins in it, and free its memory. Go cannot do
        that; here everything of this machine says afterwards that it is closed."""
        self.machine.close()

    def _read_table(self) -> list[tuple[str, tuple[int, int]]]:
        """``moduledata.ptab``: for each exported name the addresses of its type and symbol."""
        module, memory = self._module, self._module.runtime.memory
        types, at = module.get("types"), module.get("ptab.array")
        entries = []
        for index in range(module.get("ptab.len")):
            name_offset = memory.read_i32(at + _PTAB_ENTRY * index)
            type_offset = memory.read_i32(at + _PTAB_ENTRY * index + 4)
            name = read_string(memory, types + name_offset)
            address = module.image.symbol(f"{self.plugin_path}.{name}")
            if address is None:
                raise OpenError(
                    f"could not find symbol {name}: undefined symbol: {self.plugin_path}.{name}"
                )
            entries.append((name, (types + type_offset, address)))
        return entries

    def _all_types(self) -> Iterator[GoType]:
        """Every type that has a symbol. Names of symbols may be hashes: the types tell theirs."""
        return map(self.machine.context.types.at, self._module.type_descriptors())

    def _make(self, name: str, type_address: int, address: int) -> Symbol:
        context = self.machine.context
        go_type = context.types.at(type_address)
        if go_type.kind == "func":
            function = Function(context, name, go_type, address)
            function.__doc__ = f"{name}{go_type.signature.removeprefix('func')}"
            return function
        return Variable(context, name, go_type.elem, address)
