"""Stand-ins: what the worker has for the Python objects of the parent.

A stand-in has the class name and the methods of the object, as far as Go can tell, and each use
of it is a call to the parent. The same object has the same stand-in as long as anything here holds
it, so that Go sees one identity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import make_dataclass
from typing import Any, NamedTuple
from weakref import WeakValueDictionary, finalize

from emuplugin.errors import EmupluginError, GoError
from emuplugin.isolation.things import KNOWN_BASES

Call = Callable[[int, str, tuple[Any, ...]], Any]

_BASES: dict[str, Any] = {
    "object": object, "bool": bool, "int": int, "float": float, "complex": complex, "str": str,
    "bytes": bytes, "list": list, "tuple": tuple, "dict": dict,
}  # fmt: skip
_BY_VALUE = tuple(base for base in _BASES.values() if base is not object)
#: What a class may be capable of, and the special method for it.
FEATURES = {
    "call": "__call__",
    "index": "__index__",
    "float": "__float__",
    "complex": "__complex__",
    "iter": "__iter__",
    "await": "__await__",
}


class StandIn:
    """Mixed into the class of every stand-in. ``_number`` is the parent's number of the object."""

    __slots__ = ()

    _number: int


class Shape(NamedTuple):
    """A class of the parent, as far as it matters here. ``base`` is a builtin or a known exception
    class; ``fields`` are a dataclass's (None if it is none)."""

    name: str
    qualname: str
    module: str
    base: str
    methods: tuple[str, ...]
    features: tuple[str, ...]
    fields: tuple[str, ...] | None


class State(NamedTuple):
    """One object: ``qualname`` of its own, ``content`` of a builtin container or a dataclass, and
    of exceptions the text, the facts and the cause."""

    qualname: str
    content: Any
    text: str
    facts: Mapping[str, Any]
    cause: Any


class StandIns:
    """All stand-ins. ``call`` asks the parent; ``released`` collects the numbers of those that are
    gone, and how often each had come."""

    def __init__(self, call: Call) -> None:
        self.released: list[tuple[int, int]] = []
        self._call = call
        self._classes: dict[int, type] = {}
        self._alive: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._kept: dict[int, Any] = {}
        self._came: dict[int, int] = {}

    def define(self, number: int, shape: Shape) -> None:
        """A class that is new here."""
        self._classes[number] = self._make_class(shape)

    def of(self, number: int, class_number: int, state: State) -> Any:
        """The stand-in of an object. Number 0 is for those that are used up at once."""
        found = self._alive.get(number) or self._kept.get(number)
        if found is None:
            found = self._make(self._classes[class_number], state)
            if number:
                self._remember(number, found)
        self._update(found, state)
        if number:
            self._came[number] = self._came.get(number, 0) + 1
        return found

    def _remember(self, number: int, made: Any) -> None:
        made.__dict__["_number"] = number
        try:
            self._alive[number] = made
        except TypeError:  # some builtin kinds cannot be watched
            self._kept[number] = made
        else:
            finalize(made, self._gone, number).atexit = False

    def _gone(self, number: int) -> None:
        self.released.append((number, self._came.pop(number)))

    @staticmethod
    def _make(cls: type, state: State) -> Any:
        if issubclass(cls, BaseException):
            if cls is not GoError:
                return cls.__new__(cls)
            return GoError(state.facts["message"], state.facts["type"])
        if issubclass(cls, list | dict):
            return cls()
        if issubclass(cls, _BY_VALUE):
            make: Any = cls
            return make(state.content)
        return cls.__new__(cls)

    @staticmethod
    def _update(made: Any, state: State) -> None:
        """Bring what can change up to date."""
        if isinstance(made, BaseException):
            made.args = (state.text,)
            made.__dict__.update(state.facts)
            made.__dict__["_text"] = state.text
            made.__cause__ = state.cause
        elif isinstance(made, list):
            made[:] = state.content
        elif isinstance(made, dict):
            made.clear()
            made.update(state.content)
        elif state.content is not None and hasattr(type(made), "__dataclass_fields__"):
            made.__dict__.update(state.content)
        if state.qualname:
            made.__dict__["__qualname__"] = state.qualname

    def _make_class(self, shape: Shape) -> type:
        if shape[:3] == (GoError.__name__, GoError.__qualname__, GoError.__module__):
            return GoError
        base = KNOWN_BASES.get(shape.base) or _BASES[shape.base]
        members: dict[str, Any] = {name: self._method(name) for name in shape.methods}
        for feature in shape.features:
            members[FEATURES[feature]] = self._feature(feature)
        if issubclass(base, BaseException) and not issubclass(base, EmupluginError):
            members["__str__"] = lambda exception: exception._text
        if base is dict or base is list:
            members["__hash__"] = object.__hash__
        bases = (StandIn,) if base is object else (StandIn, base)
        if shape.fields is None:
            cls = type(shape.name, bases, members)
        else:
            cls = make_dataclass(
                shape.name, [(name, Any) for name in shape.fields], bases=bases, namespace=members,
                init=False, repr=False, eq=False,
            )  # fmt: skip
        cls.__qualname__, cls.__module__ = shape.qualname, shape.module
        return cls

    def _method(self, name: str) -> Any:
        call = self._call

        def method(self: Any, *args: Any) -> Any:
            return call(self._number, name, args)

        method.__name__ = name
        return method

    def _feature(self, feature: str) -> Any:
        call = self._call
        if feature == "call":
            return lambda self, *args: call(self._number, "", args)
        name = FEATURES[feature]
        if feature == "iter":
            return lambda self: iter(call(self._number, name, ()))
        return lambda self: call(self._number, name, ())
