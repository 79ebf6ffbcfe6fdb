"""Go types for classes of Python objects: which methods they have, and a descriptor for each."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from emuplugin.values import abi_type as abi
from emuplugin.values.handles import HANDLE_SIZE
from emuplugin.values.incoming import IncomingPlan
from emuplugin.values.mismatch import Mismatch
from emuplugin.values.python_errors import EXCEPTION_METHODS
from emuplugin.values.type_maker import MadeMethod, TypeMaker

if TYPE_CHECKING:
    from emuplugin.values.context import Context
    from emuplugin.values.gotype import GoType

_KIND = 23  # abi.Type.Kind_


class PythonMethod(NamedTuple):
    """A method: its name in Go and Python, and how calls of it are served."""

    name: str
    plan: IncomingPlan


class PythonType(NamedTuple):
    """The Go type of the objects of one class; ``methods`` by the number of their entry point."""

    address: int
    methods: tuple[PythonMethod, ...]


class PythonTypes:
    """The Go types of Python classes in one machine.

    A class has the methods that an interface asks for, and those of all other interfaces of the
    plugin whose names it has too, so that Go's type assertions find them.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._made: dict[tuple[type, tuple[tuple[str, GoType], ...]], PythonType] = {}
        self._by_address: dict[int, PythonType] = {}

    def at(self, address: int) -> PythonType | None:
        """The Python type whose descriptor is at ``address``."""
        return self._by_address.get(address)

    def of(self, value: object, interface: GoType) -> PythonType:
        """The type of ``value`` for an ``interface``; Mismatch if it lacks methods of it."""
        methods: set[tuple[str, GoType]] = set()
        missing = []
        for method in interface.methods:
            if not method.exported:
                raise Mismatch(
                    f"expected {interface.string}, whose method {method.name} is not exported: only"
                    f" Go types of its package implement it, got {type(value).__name__}"
                )
            if method.type is None or not has_method(value, method.name):
                missing.append(method.name)
            else:
                methods.add((method.name, method.type))
        if missing:
            plural = "s" if len(missing) > 1 else ""
            raise Mismatch(
                f"expected {interface.string}, got {type(value).__name__} without the"
                f" method{plural} {', '.join(missing)}"
            )
        for name in _candidates(value):
            # Python's methods have no Go types: of several for one name they fit all.
            signatures = self._signatures.get(name, set())
            if not callable(getattr(value, name, None)):
                wanted = EXCEPTION_METHODS[name].type
                signatures = {found for found in signatures if found.string == wanted}
            methods.update((name, signature) for signature in signatures)
        return self._make(type(value), methods)

    def offers(self, value: object) -> bool:
        """Whether an object has any method that Go code could ask for."""
        return any(name in self._signatures for name in _candidates(value))

    def _make(self, cls: type, methods: set[tuple[str, GoType]]) -> PythonType:
        # In Go method tables are sorted by name.
        table = tuple(sorted(methods, key=lambda item: (item[0].encode(), item[1].address)))
        found = self._made.get((cls, table))
        if found is not None:
            return found
        guest, context = self._context.guest, self._context
        if len(table) > len(guest.method_entries):
            raise Mismatch(
                f"{cls.__name__} has {len(table)} methods that Go knows; the most is"
                f" {len(guest.method_entries)}"
            )
        plans = [IncomingPlan(context, go_type, method=True) for _, go_type in table]
        made = [
            MadeMethod(name, go_type.address, entry)
            for (name, go_type), entry in zip(table, guest.method_entries, strict=False)
        ]
        address = self._maker.pointer_to_opaque(f"python.{cls.__name__}", HANDLE_SIZE, made)
        names = (name for name, _ in table)
        python_type = PythonType(address, tuple(map(PythonMethod, names, plans)))
        self._made[cls, table] = self._by_address[address] = python_type
        return python_type

    @cached_property
    def _maker(self) -> TypeMaker:
        return TypeMaker(self._context.guest)

    @cached_property
    def _signatures(self) -> dict[str, set[GoType]]:
        """The func types of all exported methods of all interfaces of the plugins, by name."""
        guest, types = self._context.guest, self._context.types
        interface = abi.KINDS.index("interface")
        found: dict[str, set[GoType]] = {}
        for address in guest.type_addresses():
            if guest.memory.read_u8(address + _KIND) & abi.KIND_MASK == interface:
                for method in types.at(address).methods:
                    if method.exported and method.type is not None:
                        found.setdefault(method.name, set()).add(method.type)
        return found


def has_method(value: object, name: str) -> bool:
    """Whether a Python object has a method of that name, for Go."""
    if callable(getattr(value, name, None)):
        return True
    return isinstance(value, BaseException) and name in EXCEPTION_METHODS


def bound_method(value: Any, name: str) -> Any:
    """The method of that name, bound."""
    method = getattr(value, name, None)
    return partial(EXCEPTION_METHODS[name].function, value) if method is None else method


def _candidates(value: object) -> list[str]:
    """The names of a class's methods that are exported names in Go."""
    cls = type(value)
    names = [name for name in dir(cls) if name[:1].isupper() and callable(getattr(cls, name, None))]
    if isinstance(value, BaseException):
        names += (name for name in EXCEPTION_METHODS if name not in names)
    return names
