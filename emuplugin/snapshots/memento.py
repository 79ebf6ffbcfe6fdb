"""The state of many objects, kept and put back into the same objects.

Whoever refers to an object goes on referring to it: nothing has to be told that a machine went
back. Objects that came later are forgotten by those that were there before.
"""

from __future__ import annotations

import random
import types
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from .captured import is_closure, is_elsewhere, is_own, is_record, refuse, slots_of


class Kept(NamedTuple):
    """One object and what it held."""

    thing: Any
    state: Any


#: Things of one kind and what each of them held.
_Entries = list[tuple[Any, Any]]


class Memento:
    """The state of all objects that are reached from some first ones; ``kept`` are those of them
    that can change."""

    def __init__(self, first: Iterable[object]) -> None:
        """Raises SnapshotError for what cannot be captured."""
        self.kept: list[Kept] = []
        # Few of them change between two moments, so that putting each back has to be short: those
        # that go back in the same way do it in one loop.
        self._kinds: dict[Callable[[_Entries], None], _Entries] = {}
        seen: set[int] = set()
        # What was found and not looked into yet, with who refers to it.
        waiting: list[tuple[object, object]] = [(thing, None) for thing in first]
        while waiting:
            thing, holder = waiting.pop()
            if id(thing) in seen:
                continue
            kind = type(thing)
            look = _LOOK.get(kind) or _look_for(kind)
            if look is _ignore:
                continue
            seen.add(id(thing))
            for held in look(self, thing, holder):
                if type(held) not in PLAIN and id(held) not in seen:
                    waiting.append((held, thing))

    def keep(self, thing: Any, state: Any, restore: Callable[[_Entries], None]) -> None:
        """``restore`` puts things and states like these back."""
        self.kept.append(Kept(thing, state))
        self._kinds.setdefault(restore, []).append((thing, state))

    def restore(self) -> None:
        """Put everything back."""
        for restore, entries in self._kinds.items():
            restore(entries)


#: Classes whose objects refer to nothing.
PLAIN = frozenset((int, str, bytes, float, bool, type(None)))
_Look = Callable[[Memento, Any, object], Iterable[object]]


def _ignore(memento: Memento, thing: object, holder: object) -> Iterable[object]:
    """Nothing in it is the machine's."""
    return ()


def _held_by_dict(memento: Memento, thing: dict[Any, Any], holder: object) -> Iterable[object]:
    state = thing.copy()
    own = thing.__class__.update not in (dict.update, Counter.update)
    memento.keep(thing, state, _restore_mappings if own else _restore_dicts)
    return (*state, *state.values())


def _restore_dicts(entries: _Entries) -> None:
    update = dict.update  # Counter's own counts
    for thing, state in entries:
        thing.clear()
        update(thing, state)


def _restore_mappings(entries: _Entries) -> None:
    for thing, state in entries:
        thing.clear()
        thing.update(state)


def _held_by_list(memento: Memento, thing: list[Any], holder: object) -> Iterable[object]:
    state = thing.copy()
    memento.keep(thing, state, _restore_sequences)
    return state


def _held_by_bytes(memento: Memento, thing: Any, holder: object) -> Iterable[object]:
    memento.keep(thing, thing[:], _restore_sequences)
    return ()


def _restore_sequences(entries: _Entries) -> None:
    for thing, state in entries:
        thing[:] = state


def _held_by_set(memento: Memento, thing: Any, holder: object) -> Iterable[object]:
    state = thing.copy()
    memento.keep(thing, state, _restore_sets)
    return state  # type: ignore[no-any-return]


def _restore_sets(entries: _Entries) -> None:
    for thing, state in entries:
        thing.clear()
        thing.update(state)


def _held_by_deque(memento: Memento, thing: deque[Any], holder: object) -> Iterable[object]:
    state = tuple(thing)
    memento.keep(thing, state, _restore_deques)
    return state


def _restore_deques(entries: _Entries) -> None:
    for thing, state in entries:
        thing.clear()
        thing.extend(state)


def _held_by_tuple(memento: Memento, thing: Any, holder: object) -> Iterable[object]:
    return thing  # type: ignore[no-any-return]


def _held_by_function(
    memento: Memento, thing: types.FunctionType, holder: object
) -> Iterable[object]:
    return (*(thing.__closure__ or ()), *(thing.__defaults__ or ())) if is_closure(thing) else ()


def _held_by_cell(memento: Memento, thing: types.CellType, holder: object) -> Iterable[object]:
    try:
        state = thing.cell_contents
    except ValueError:  # empty
        return ()
    memento.keep(thing, state, _restore_cells)
    return (state,)


def _restore_cells(entries: _Entries) -> None:
    for thing, state in entries:
        thing.cell_contents = state


def _held_by_method(memento: Memento, thing: types.MethodType, holder: object) -> Iterable[object]:
    return (thing.__self__,)


def _held_by_partial(memento: Memento, thing: partial[Any], holder: object) -> Iterable[object]:
    return (thing.func, *thing.args, *thing.keywords.values())


def _held_by_random(memento: Memento, thing: random.Random, holder: object) -> Iterable[object]:
    memento.keep(thing, thing.getstate(), _restore_randoms)
    return ()


def _restore_randoms(entries: _Entries) -> None:
    for thing, state in entries:
        thing.setstate(state)


def _held_by_own(memento: Memento, thing: Any, holder: object) -> Iterable[object]:
    state = thing.__dict__.copy()
    memento.keep(thing, state, _restore_attributes)
    return state.values()  # type: ignore[no-any-return]


def _restore_attributes(entries: _Entries) -> None:
    for thing, state in entries:
        attributes = thing.__dict__
        attributes.update(state)
        if len(attributes) != len(state):
            attributes.clear()
            attributes.update(state)


def _held_by_record(memento: Memento, thing: Any, holder: object) -> Iterable[object]:
    """A frozen dataclass: what it holds can change, it cannot."""
    return [getattr(thing, name) for name in slots_of(type(thing))]


def _slotted(kind: type) -> _Look:
    """For a class whose instances have no ``__dict__``."""
    names = slots_of(kind)
    # The descriptors' own, because a frozen class refuses its objects'.
    puts = [getattr(kind, name).__set__ for name in names]

    def restore(entries: _Entries) -> None:
        for thing, state in entries:
            for put, value in zip(puts, state, strict=True):
                put(thing, value)

    def look(memento: Memento, thing: object, holder: object) -> Iterable[object]:
        try:
            state = tuple([getattr(thing, name) for name in names])
        except AttributeError:
            raise refuse(
                thing, f"not all of it is there, held by {type(holder).__name__}"
            ) from None
        memento.keep(thing, state, restore)
        return state

    return look


def _unknown(memento: Memento, thing: object, holder: object) -> Iterable[object]:
    raise refuse(thing, f"held by a {type(holder).__name__}")


_LOOK: dict[type, _Look] = {
    tuple: _held_by_tuple,
    frozenset: _held_by_tuple,
    dict: _held_by_dict,
    list: _held_by_list,
    bytearray: _held_by_bytes,
    array: _held_by_bytes,
    set: _held_by_set,
    deque: _held_by_deque,
    types.FunctionType: _held_by_function,
    types.CellType: _held_by_cell,
    types.MethodType: _held_by_method,
    partial: _held_by_partial,
    random.Random: _held_by_random,
    random.SystemRandom: _ignore,
    memoryview: _ignore,  # of guest memory
}


def _look_for(kind: type) -> _Look:
    look = _LOOK[kind] = _find_look(kind)
    return look


def _find_look(kind: type) -> _Look:
    if is_elsewhere(kind):
        return _ignore
    if issubclass(kind, tuple):
        return _held_by_tuple
    if issubclass(kind, dict):  # Counter, OrderedDict: they have nothing beside
        return _held_by_dict
    if is_record(kind):
        return _held_by_record
    if is_own(kind):
        return _held_by_own if kind.__dictoffset__ else _slotted(kind)
    return _unknown
