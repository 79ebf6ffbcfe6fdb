"""Objects that a copy makes of others: containers and callables that never change, and what belongs
to a processor."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from emuplugin.cpu.crossing import Crossing, Landing
from emuplugin.cpu.engine import Engine
from emuplugin.cpu.memory import Memory
from emuplugin.cpu.registers import Batch
from emuplugin.runtime_shims.roots import Returned

from .captured import is_record, slots_of

#: The number of a new object, what it has of the old one, and the numbers of its parts.
Entry = tuple[int, Any, Sequence[int]]
#: Makes some objects of one kind: puts them into the list of new ones, where their parts are.
Make = Callable[[list[Any], Engine, Sequence[Entry]], None]


class Derived(NamedTuple):
    """How objects of a class are made. ``parts`` are those of the old one that may be new; ``rest``
    is what else goes into the new one. They are new if one of the parts is, or ``always``."""

    make: Make
    parts: Callable[[Any], Sequence[Any]]
    rest: Callable[[Any], Any]
    always: bool = False


def _tuples(new: list[Any], engine: Engine, entries: Sequence[Entry]) -> None:
    """``rest`` is the class."""
    for number, kind, parts in entries:
        new[number] = tuple.__new__(kind, [new[part] for part in parts])


def _records(new: list[Any], engine: Engine, entries: Sequence[Entry]) -> None:
    """Frozen dataclasses; ``rest`` is the class."""
    for number, kind, parts in entries:
        made = new[number] = object.__new__(kind)
        for name, part in zip(slots_of(kind), parts, strict=True):
            object.__setattr__(made, name, new[part])


def _frozensets(new: list[Any], engine: Engine, entries: Sequence[Entry]) -> None:
    for number, _, parts in entries:
        new[number] = frozenset([new[part] for part in parts])


def _functions(new: list[Any], engine: Engine, entries: Sequence[Entry]) -> None:
    for number, old, parts in entries:
        captured = [new[part] for part in parts]
        count = len(old.__closure__ or ())
        made = new[number] = types.FunctionType(
            old.__code__,
            old.__globals__,
            old.__name__,
            tuple(captured[count:]),
            tuple(captured[:count]),
        )
        made.__kwdefaults__ = old.__kwdefaults__


def _methods(new: list[Any], engine: Engine, entries: Sequence[Entry]) -> None:
    for number, function, (receiver,) in entries:
        new[number] = types.MethodType(function, new[receiver])


def _partials(new: list[Any], engine: Engine, entries: Sequence[Entry]) -> None:
    for number, names, parts in entries:
        if names:
            count = len(parts) - len(names)
            values = zip(names, [new[part] for part in parts[count:]], strict=True)
            function, *arguments = [new[part] for part in parts[:count]]
            new[number] = partial(function, *arguments, **dict(values))
        else:
            function, *arguments = [new[part] for part in parts]
            new[number] = partial(function, *arguments)


def _crossings(new: list[Any], engine: Engine, entries: Sequence[Entry]) -> None:
    for number, old, (landing,) in entries:
        new[number] = old.of(engine, new[landing])


def _of_engine(make: Callable[[Any, Engine], Any]) -> Derived:
    def make_all(new: list[Any], engine: Engine, entries: Sequence[Entry]) -> None:
        for number, old, _ in entries:
            new[number] = make(old, engine)

    return Derived(make_all, lambda old: (), lambda old: old, always=True)


_DERIVED: dict[type, Derived | None] = {
    tuple: Derived(_tuples, tuple, type),
    frozenset: Derived(_frozensets, tuple, lambda old: None),
    types.FunctionType: Derived(
        _functions,
        lambda old: (*(old.__closure__ or ()), *(old.__defaults__ or ())),
        lambda old: old,
    ),
    types.MethodType: Derived(_methods, lambda old: (old.__self__,), lambda old: old.__func__),
    partial: Derived(
        _partials,
        lambda old: (old.func, *old.args, *old.keywords.values()),
        lambda old: tuple(old.keywords),
    ),
    Crossing: Derived(_crossings, lambda old: (old.landing,), lambda old: old),
    # What another machine has of its own.
    types.CellType: _of_engine(lambda old, engine: types.CellType()),  # empty, or it would be kept
    Memory: _of_engine(lambda old, engine: Memory(engine.space)),
    Batch: _of_engine(lambda old, engine: old.of(engine.handle)),
    Landing: _of_engine(lambda old, engine: Landing()),
    # Of nodes, that are made again when they are asked for.
    WeakValueDictionary: _of_engine(lambda old, engine: WeakValueDictionary()),
    Returned: _of_engine(lambda old, engine: Returned()),
}


def derived_of(kind: type) -> Derived | None:
    """How objects of a class are made of others; None where that is not how."""
    if kind not in _DERIVED:
        _DERIVED[kind] = _find(kind)
    return _DERIVED[kind]


def _find(kind: type) -> Derived | None:
    if issubclass(kind, tuple):
        return Derived(_tuples, tuple, type)
    return Derived(_records, _slots_in, type) if is_record(kind) else None


def _slots_in(old: Any) -> Sequence[Any]:
    return [getattr(old, name) for name in slots_of(type(old))]
