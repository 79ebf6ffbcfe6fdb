"""Objects that refer to each other, as lists and dicts of plain data, and back.

Those that every machine has are known by a name and only changed; the others are numbered, and made
anew. Of which classes they may be, and what their attributes may hold, is said beside each class
(see :mod:`emuplugin.runtime_shims.kernel.state`): nothing else is ever made, whatever the data say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emuplugin.runtime_shims.kernel.fs.node import Node
from emuplugin.runtime_shims.kernel.state import SHAPES, Shape, UnkeptError


class Keeper:
    """Describes objects. ``known`` tells the name of one that every machine has."""

    def __init__(self, known: Callable[[object], str | None]) -> None:
        self._known = known
        self._numbers: dict[int, int] = {}
        self._made: list[object] = []
        self._described: list[Any] = []
        #: Known objects that were referred to, by name.
        self._named: dict[str, object] = {}

    def reference(self, thing: object) -> str | int:
        """What stands for an object. Raises UnkeptError for one of a class that is not kept."""
        name = self._known(thing)
        if name is not None:
            self._named[name] = thing
            return name
        number = self._numbers.get(id(thing))
        if number is None:
            if not _shape_of(thing).can_be_made:
                raise UnkeptError(type(thing).__name__)
            number = self._numbers[id(thing)] = len(self._made)
            self._made.append(thing)
        return number

    def referent(self, data: Any) -> object:
        raise AssertionError("nothing is put back here")

    def nodes(self) -> list[tuple[str, Node]]:
        """The known inodes that were referred to."""
        return [(name, node) for name, node in self._named.items() if isinstance(node, Node)]

    def state(self, thing: object) -> dict[str, Any]:
        """The state of a known object."""
        return _shape_of(thing).keep(thing, self)

    def describe(self) -> list[Any]:
        """Class and state of all that were referred to and are not known, by number. More may be
        referred to after that; then it has to be called again."""
        while len(self._described) < len(self._made):
            thing = self._made[len(self._described)]
            # Not to be described twice where it refers to itself: its place is taken first.
            entry: list[Any] = [type(thing).__name__, None]
            self._described.append(entry)
            entry[1] = _shape_of(thing).keep(thing, self)
        return self._described


class Maker:
    """Makes objects again. ``known`` are those that are there, by name. Raises ValueError and its
    kind for data that do not describe objects."""

    def __init__(self, known: Mapping[str, object], described: list[Any]) -> None:
        self._known = known
        shapes = [SHAPES[name] for name, _ in described]
        if not all(shape.can_be_made for shape in shapes):
            raise ValueError("an object that cannot be made")
        self._made: list[object] = [object.__new__(shape.kind) for shape in shapes]
        for shape, thing, (_, state) in zip(shapes, self._made, described, strict=True):
            shape.put_back(thing, state, self)

    def reference(self, thing: object) -> Any:
        raise AssertionError("nothing is described here")

    def referent(self, data: Any) -> object:
        """The object that ``data`` stands for."""
        if type(data) is int and data >= 0:
            return self._made[data]
        if type(data) is str:
            return self._known[data]
        raise ValueError(f"{data!r} stands for nothing")

    def change(self, name: str, state: Any) -> None:
        """Give a known object a state."""
        thing = self._known[name]
        _shape_of(thing).put_back(thing, state, self)


def _shape_of(thing: object) -> Shape:
    """How an object of its class is kept. Raises UnkeptError where it is not."""
    shape = SHAPES.get(type(thing).__name__)
    if shape is None or shape.kind is not type(thing):
        raise UnkeptError(type(thing).__name__)
    return shape
