"""Other objects in the state that a memento keeps: what a second machine is made of.

Objects of the machine are made anew; what stands for the processor, memory and the host is replaced
by the second machine's own; everything else is shared. What refers to what is found out once, as a
list of steps (:class:`Plan`); each copy then only carries them out. Everything new has a number,
its place in a list. There are some hundred objects and references between them, so steps of one
kind are carried out in one loop.
"""

from __future__ import annotations

import operator
import random
import types
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from emuplugin.cpu.engine import Engine

from .captured import is_closure, slots_of
from .derived import Derived, Entry, Make, derived_of
from .memento import PLAIN, Kept, Memento

_UNSEEDED: Callable[..., random.Random] = random.Random.__new__


class Plan:
    """How to copy what ``memento`` keeps. ``replaced`` are the objects for which :meth:`copy` is
    told others."""

    def __init__(self, memento: Memento, replaced: Sequence[Any]) -> None:
        # The number of each old object's new one, by its id; the old ones must live meanwhile.
        self._numbers: dict[int, int] = {id(old): n for n, old in enumerate(replaced)}
        self._alive: list[Any] = list(replaced)
        # The same for what is shared and goes into something new, and what needs no number.
        self._constants: dict[int, int] = {}
        self._shared: set[int] = set()
        # What a copy begins with: constants, and gaps.
        self._begin: list[Any] = [None] * len(replaced)
        self._shells: list[tuple[int, Callable[[], Any]]] = []
        # By how many others of its like a thing is made of, one of the other.
        self._derived: list[dict[Make, list[Entry]]] = []
        self._depths: dict[int, int] = {}
        # What is put where: an object and its attributes; a container, a key or index, an element.
        self._attributes: list[tuple[int, int]] = []
        self._items: list[tuple[int, Any, int]] = []
        self._pairs: list[tuple[int, list[int]]] = []
        self._members: list[tuple[int, int]] = []
        self._cells: list[tuple[int, int]] = []
        self._slots: list[tuple[Callable[[Any, Any], None], int, int]] = []
        kept = [entry for entry in memento.kept if id(entry.thing) not in self._numbers]
        for entry in kept:
            self._number(entry.thing)
        for entry in kept:
            self._add(entry)

    def copy(self, engine: Engine, replacements: Sequence[Any], wanted: Any) -> Any:
        """Make new objects; the one for ``wanted``. ``replacements`` are for the replaced."""
        new = self._begin.copy()
        new[: len(replacements)] = replacements
        for number, make in self._shells:
            new[number] = make()
        for alike in self._derived:
            for make_all, entries in alike.items():
                make_all(new, engine, entries)
        for thing, attributes in self._attributes:
            new[thing].__dict__ = new[attributes]
        for container, key, number in self._items:
            new[container][key] = new[number]
        for container, pairs in self._pairs:
            new[container].update([new[number] for number in pairs])
        for container, number in self._members:
            new[container].add(new[number])
        for cell, number in self._cells:
            new[cell].cell_contents = new[number]
        for put, thing, number in self._slots:
            put(new[thing], new[number])
        return new[self._numbers[id(wanted)]]

    def _number(self, old: Any) -> int:
        number = self._numbers[id(old)] = len(self._begin)
        self._alive.append(old)
        self._begin.append(None)
        return number

    def _constant(self, value: Any) -> int:
        """The number of something shared, among what new objects are made of."""
        number = self._constants.get(id(value))
        if number is None:
            number = self._constants[id(value)] = len(self._begin)
            self._alive.append(value)
            self._begin.append(value)
        return number

    def _any(self, old: Any) -> int:
        number = self._of(old)
        return self._constant(old) if number is None else number

    def _of(self, old: Any) -> int | None:
        """The number of the new object for an old one; None if it is shared."""
        kind = type(old)
        if kind in PLAIN:
            return None
        number = self._numbers.get(id(old))
        if number is not None or id(old) in self._shared:
            return number
        derived = derived_of(kind)
        if derived is not None and (kind is not types.FunctionType or is_closure(old)):
            number = self._derive(old, derived)
        if number is None:
            self._shared.add(id(old))
            self._alive.append(old)
        return number

    def _derive(self, old: Any, derived: Derived) -> int | None:
        parts = derived.parts(old)
        numbers = [self._of(part) for part in parts]
        if not derived.always and all(number is None for number in numbers):
            return None
        operands = [
            self._constant(p) if n is None else n for p, n in zip(parts, numbers, strict=True)
        ]
        number = self._number(old)
        depth = max([self._depths.get(operand, 0) for operand in operands], default=0)
        self._depths[number] = depth + 1
        while len(self._derived) <= depth:
            self._derived.append({})
        entries = self._derived[depth].setdefault(derived.make, [])
        entries.append((number, derived.rest(old), operands))
        return number

    # --- what is in new objects -------------------------------------------------------------

    def _add(self, entry: Kept) -> None:
        """Plan for one of the objects that can change."""
        thing, state = entry
        number, kind = self._numbers[id(thing)], type(thing)
        make: Callable[[], Any] = partial(object.__new__, kind)
        if isinstance(thing, dict):
            if any(self._of(key) is not None for key in state):
                make = kind
                self._pairs.append((number, [self._any(item) for item in state.items()]))
            else:  # all of it, for the order
                make = partial(_counter, state) if kind is Counter else state.copy
                self._put(number, state.items())
        elif kind is list or kind is deque:
            make = state.copy if kind is list else partial(deque, state, thing.maxlen)
            self._put(number, enumerate(state))
        elif kind is set:
            make = {item for item in state if self._of(item) is None}.copy
            self._members += [(number, n) for item in state if (n := self._of(item)) is not None]
        elif kind is types.CellType:
            content = self._of(state)
            make = partial(types.CellType, state) if content is None else types.CellType
            self._cells += [] if content is None else [(number, content)]
        elif kind is random.Random:
            make = partial(_random, state)
        elif kind is bytearray or kind is array:
            make = partial(operator.getitem, state, slice(None))
        elif kind.__dictoffset__:
            attributes = self._number(state)
            self._shells.append((attributes, state.copy))
            self._attributes.append((number, attributes))
            self._put(attributes, state.items())
        else:
            self._slots += [
                (getattr(kind, name).__set__, number, self._any(value))
                for name, value in zip(slots_of(kind), state, strict=True)
            ]
        self._shells.append((number, make))

    def _put(self, container: int, items: Iterable[tuple[Any, Any]]) -> None:
        """Plan for those elements that are new."""
        for key, value in items:
            number = self._of(value)
            if number is not None:
                self._items.append((container, key, number))


def _counter(state: Counter[Any]) -> Counter[Any]:
    new = Counter.__new__(Counter)  # which counts nothing
    dict.update(new, state)
    return new


def _random(state: Any) -> random.Random:
    new = _UNSEEDED(
        random.Random, 0
    )  # without a number the host is asked for one, which takes long
    new.setstate(state)
    return new
