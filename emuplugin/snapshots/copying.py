"""Other objects in the state that a memento keeps: what a second machine is made of.

Objects of the machine are made anew; what stands for the processor, memory and the host is replaced
by the second machine's own; everything else is shared. What refers to what is found out once, as a
list of steps (:class:`Plan`); each copy then only carries them out.
"""

from __future__ import annotations

import random
import types
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from emuplugin.cpu.crossing import Crossing, Landing
from emuplugin.cpu.engine import Engine
from emuplugin.cpu.memory import Memory
from emuplugin.cpu.registers import Batch
from emuplugin.runtime_shims.roots import Returned

from .captured import is_closure, is_record, slots_of
from .memento import Kept, Memento

#: Makes an object of an old one, for an engine, from the new objects that it refers to.
_Make = Callable[[Any, Engine, list[Any]], Any]
#: Fills a new object with what is shared, and new objects by key.
_Fill = Callable[[Any, Any, list[tuple[Any, Any]]], None]


class Plan:
    """How to copy what ``memento`` keeps. ``replaced`` are the objects for which :meth:`copy` is
    told others."""

    def __init__(self, memento: Memento, replaced: Sequence[Any]) -> None:
        # The number of each old object's new one, by its id; the old ones must live meanwhile.
        self._numbers: dict[int, int] = {id(old): n for n, old in enumerate(replaced)}
        self._alive: list[Any] = list(replaced)
        # The same for what is shared and goes into something new.
        self._constants: dict[int, int] = {}
        kept = [entry for entry in memento.kept if id(entry.thing) not in self._numbers]
        self._shells: list[tuple[_Make, Any]] = []
        for entry in kept:
            self._number(entry.thing)
            self._shells.append((_shell_of(type(entry.thing)), entry.thing))
        self._derived: list[tuple[_Make, Any, list[int]]] = []
        self._fills = [self._fill(entry) for entry in kept]

    def copy(self, engine: Engine, replacements: Sequence[Any], wanted: Any) -> Any:
        """Make new objects; the one for ``wanted``. ``replacements`` are for the replaced."""
        new = list(replacements)
        new += [make(old, engine, new) for make, old in self._shells]
        for make, old, numbers in self._derived:
            new.append(make(old, engine, [new[number] for number in numbers]))
        for fill, number, shared, references in self._fills:
            fill(new[number], shared, [(key, new[n]) for key, n in references])
        return new[self._numbers[id(wanted)]]

    def _number(self, old: Any) -> int:
        number = self._numbers[id(old)] = len(self._alive)
        self._alive.append(old)
        return number

    def _of(self, old: Any) -> int | None:
        """The number of the new object for an old one; None if it is shared."""
        number = self._numbers.get(id(old))
        if number is not None:
            return number
        kind = type(old)
        make: _Make | None = _MAKE.get(kind)
        parts: tuple[Any, ...] = ()
        if make is None:
            if isinstance(old, tuple):
                make, parts = _new_tuple, old
            elif is_record(kind):
                make, parts = _new_record, tuple(getattr(old, name) for name in slots_of(kind))
            elif kind in _PARTS:
                make, take = _PARTS[kind]
                parts = take(old)
            else:
                return None
        numbers = [self._of(part) for part in parts]
        if parts and all(number is None for number in numbers):
            return None
        operands = [
            self._constant(p) if n is None else n for p, n in zip(parts, numbers, strict=True)
        ]
        if kind is types.FunctionType and not is_closure(old):
            return None
        self._derived.append((make, old, operands))
        return self._number(old)

    def _constant(self, value: Any) -> int:
        """The number of something shared, among what new objects are made of."""
        number = self._constants.get(id(value))
        if number is None:
            number = self._constants[id(value)] = len(self._alive)
            self._alive.append(value)
            self._derived.append((_itself, value, []))
        return number

    def _fill(self, entry: Kept) -> tuple[_Fill, int, Any, list[tuple[Any, int]]]:
        number, state, kind = self._numbers[id(entry.thing)], entry.state, type(entry.thing)
        if isinstance(entry.thing, dict):
            if any(self._is_new(key) for key in state):
                pairs = [self._constant_or_new(item) for item in state.items()]
                return _fill_pairs, number, None, list(enumerate(pairs))
            return _fill_dict, number, state, self._references(state.items())
        if kind is list or kind is deque:
            return _fill_list, number, list(state), self._references(enumerate(state))
        if kind is set:
            shared = [item for item in state if not self._is_new(item)]
            items = [(None, n) for item in state if (n := self._of(item)) is not None]
            return _fill_set, number, shared, items
        if kind is types.CellType:
            return _fill_cell, number, state, self._references(((None, state),))
        if kind is random.Random:
            return _fill_random, number, state, []
        if kind is bytearray or kind is array:
            return _fill_bytes, number, state, []
        if kind.__dictoffset__:
            return _fill_attributes, number, state, self._references(state.items())
        named = tuple(zip(slots_of(kind), state, strict=True))
        return _fill_slots, number, named, self._references(named)

    def _is_new(self, item: Any) -> bool:
        return self._of(item) is not None

    def _constant_or_new(self, item: Any) -> int:
        number = self._of(item)
        return self._constant(item) if number is None else number

    def _references(self, items: Any) -> list[tuple[Any, int]]:
        return [(key, n) for key, value in items if (n := self._of(value)) is not None]


# --- new objects of old ones ------------------------------------------------------------------


def _itself(old: Any, engine: Engine, parts: list[Any]) -> Any:
    return old


def _new_tuple(old: Any, engine: Engine, parts: list[Any]) -> Any:
    return tuple.__new__(type(old), parts)


def _new_record(old: Any, engine: Engine, parts: list[Any]) -> Any:
    new = object.__new__(type(old))
    for name, part in zip(slots_of(type(old)), parts, strict=True):
        object.__setattr__(new, name, part)
    return new


def _new_function(old: types.FunctionType, engine: Engine, parts: list[Any]) -> Any:
    count = len(old.__closure__ or ())
    new = types.FunctionType(
        old.__code__, old.__globals__, old.__name__, tuple(parts[count:]), tuple(parts[:count])
    )
    new.__kwdefaults__ = old.__kwdefaults__
    return new


def _new_method(old: types.MethodType, engine: Engine, parts: list[Any]) -> Any:
    return types.MethodType(old.__func__, parts[0])


def _new_partial(old: partial[Any], engine: Engine, parts: list[Any]) -> Any:
    count = len(old.args)
    keywords = dict(zip(old.keywords, parts[1 + count :], strict=True))
    return partial(parts[0], *parts[1 : 1 + count], **keywords)


def _new_frozenset(old: frozenset[Any], engine: Engine, parts: list[Any]) -> Any:
    return frozenset(parts)


#: Those that cannot change themselves, but refer to what can: how they are made, and of what.
_PARTS: dict[type, tuple[_Make, Callable[[Any], tuple[Any, ...]]]] = {
    frozenset: (_new_frozenset, tuple),
    types.FunctionType: (
        _new_function,
        lambda old: (*(old.__closure__ or ()), *(old.__defaults__ or ())),
    ),
    types.MethodType: (_new_method, lambda old: (old.__self__,)),
    partial: (_new_partial, lambda old: (old.func, *old.args, *old.keywords.values())),
    Crossing: (lambda old, engine, parts: old.of(engine, parts[0]), lambda old: (old.landing,)),
}
#: Those that another machine has of its own.
_MAKE: dict[type, _Make] = {
    types.CellType: lambda old, engine, parts: types.CellType(),  # empty, or it would be kept
    Memory: lambda old, engine, parts: Memory(engine.space),
    Batch: lambda old, engine, parts: old.of(engine.handle),
    Landing: lambda old, engine, parts: Landing(),
    # Of nodes, that are made again when they are asked for.
    WeakValueDictionary: lambda old, engine, parts: WeakValueDictionary(),
    Returned: lambda old, engine, parts: Returned(),
}


def _shell_of(kind: type) -> _Make:
    """What makes an object of the same class with nothing in it."""
    if kind is deque:
        return lambda old, engine, new: deque(maxlen=old.maxlen)
    if kind is array:
        return lambda old, engine, new: array(old.typecode)
    if kind in (list, set, bytearray, random.Random, types.CellType) or issubclass(kind, dict):
        return _empty
    return _bare


def _empty(old: Any, engine: Engine, new: list[Any]) -> Any:
    return type(old)()


def _bare(old: Any, engine: Engine, new: list[Any]) -> Any:
    return object.__new__(type(old))


# --- what is in new objects -------------------------------------------------------------------


def _fill_dict(new: Any, shared: Any, references: list[tuple[Any, Any]]) -> None:
    new.update(shared)  # all of it, for the order
    new.update(references)


def _fill_pairs(new: Any, shared: Any, references: list[tuple[Any, Any]]) -> None:
    new.update([pair for _, pair in references])


def _fill_list(new: Any, shared: Any, references: list[tuple[Any, Any]]) -> None:
    new.extend(shared)
    for index, value in references:
        new[index] = value


def _fill_set(new: Any, shared: Any, references: list[tuple[Any, Any]]) -> None:
    new.update(shared)
    new.update([value for _, value in references])


def _fill_cell(new: Any, shared: Any, references: list[tuple[Any, Any]]) -> None:
    new.cell_contents = references[0][1] if references else shared


def _fill_random(new: Any, shared: Any, references: list[tuple[Any, Any]]) -> None:
    new.setstate(shared)


def _fill_bytes(new: Any, shared: Any, references: list[tuple[Any, Any]]) -> None:
    new[:] = shared


def _fill_attributes(new: Any, shared: Any, references: list[tuple[Any, Any]]) -> None:
    attributes = new.__dict__
    attributes.update(shared)
    attributes.update(references)


def _fill_slots(new: Any, shared: Any, references: list[tuple[Any, Any]]) -> None:
    for name, value in (*shared, *references):
        object.__setattr__(new, name, value)
