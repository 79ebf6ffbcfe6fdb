"""Python objects of this process that the worker knows by number, and what it may do with them:
call them, and call those methods that Go could call."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any, Final

from emuplugin.errors import EmupluginError, GoError
from emuplugin.isolation.standins import FEATURES, Shape, State
from emuplugin.isolation.things import KNOWN_BASES, OBJECT, known_base
from emuplugin.isolation.wire import WireError, Writer
from emuplugin.values.handles import identity

_BUILTINS: Final[tuple[Any, ...]] = (bool, int, float, complex, str, bytes, list, tuple)
_MAX_CAUSES: Final = 20


class _Entry:
    """An object, how often it was sent, and the names by which it may be called."""

    __slots__ = ("names", "object", "sent")

    def __init__(self, object_: Any, names: frozenset[str]) -> None:
        self.object = object_
        self.names = names
        self.sent = 0


class Objects:
    """The objects that the worker holds."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._numbers: dict[Any, int] = {}
        self._last = 0
        self._shapes: dict[Shape, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, number: int) -> Any:
        """The object of a number from the worker."""
        return self._entry(number).object

    def release(self, number: int, times: int) -> None:
        """The worker has dropped what had come so many times."""
        entry = self._entry(number)
        entry.sent -= times
        if entry.sent <= 0:
            del self._entries[number]
            del self._numbers[identity(entry.object)]

    def call(self, number: int, name: str, args: tuple[Any, ...]) -> Any:
        """What the worker asks for: a call, or a method that Go knows."""
        entry = self._entry(number)
        if name not in entry.names:
            raise WireError(f"a call of {name!r}, which was not offered")
        if name == "__iter__":
            return list(entry.object)
        return entry.object(*args) if not name else getattr(entry.object, name)(*args)

    def _entry(self, number: int) -> _Entry:
        entry = self._entries.get(number)
        if entry is None:
            raise WireError(f"an unknown object: {number}")
        return entry

    # --- telling the worker -----------------------------------------------------------------

    def write(self, writer: Writer, value: Any) -> None:
        """Write an object: its number, and what the worker must know of it."""
        shape = _shape(value)
        state = _state(value, shape, writer)
        number = 0
        if (
            shape.methods
            or shape.features
            or isinstance(value, BaseException)
            or (shape.base == "object")
        ):
            number = self._number(value, shape)
        class_number = self._shapes.get(shape)
        new = class_number is None
        if class_number is None:
            class_number = self._shapes[shape] = len(self._shapes) + 1
        writer.enter()
        writer.out.append(OBJECT)
        writer.number(number)
        writer.number(class_number)
        writer.out.append(new)
        if new:
            writer.value(tuple(shape))
        writer.value(tuple(state))
        writer.depth -= 1

    def _number(self, value: Any, shape: Shape) -> int:
        key = identity(value)
        number = self._numbers.get(key)
        if number is None:
            self._last += 1
            number = self._numbers[key] = self._last
            special = (FEATURES[name] for name in shape.features if name != "call")
            calls = [""] if "call" in shape.features else []
            self._entries[number] = _Entry(value, frozenset((*shape.methods, *special, *calls)))
        self._entries[number].sent += 1
        return number


def _shape(value: Any) -> Shape:
    """The class of an object as the worker will see it."""
    cls = type(value)
    fields = None
    if is_dataclass(value):
        fields = tuple(entry.name for entry in dataclass_fields(value))
    return Shape(
        cls.__name__,
        cls.__qualname__,
        cls.__module__ if isinstance(cls.__module__, str) else "",
        _base(value),
        tuple(sorted(_methods(value))),
        _features(value),
        fields,
    )


def _base(value: Any) -> str:
    if isinstance(value, BaseException):
        return known_base(type(value), KNOWN_BASES)
    for kind in _BUILTINS:
        if isinstance(value, kind):
            return str(kind.__name__)
    return "dict" if isinstance(value, Mapping) else "object"


def _methods(value: Any) -> list[str]:
    """The names of methods that are exported names in Go."""
    cls = type(value)
    names = [name for name in dir(cls) if name[:1].isupper() and callable(getattr(cls, name, None))]
    own = getattr(value, "__dict__", {})
    return [*names, *(name for name in own if name[:1].isupper() and callable(own[name]))]


def _features(value: Any) -> tuple[str, ...]:
    cls = type(value)
    if isinstance(value, BaseException):
        return ()
    if isinstance(value, (*_BUILTINS, Mapping)):
        return ("call",) if callable(value) else ()
    found = [name for name, special in FEATURES.items() if hasattr(cls, special)]
    if "iter" not in found and isinstance(value, Iterable):
        found.append("iter")
    return tuple(found)


def _state(value: Any, shape: Shape, writer: Writer) -> State:
    qualname = ""
    if "call" in shape.features and isinstance(getattr(value, "__qualname__", None), str):
        qualname = value.__qualname__
    if isinstance(value, BaseException):
        facts = value.__dict__ if isinstance(value, EmupluginError) else {}
        if isinstance(value, GoError):
            facts = {"message": value.message, "type": value.type, "value": None} | facts
        facts = {k: v for k, v in facts.items() if k != "__notes__"}
        cause = value.__cause__ if writer.depth < _MAX_CAUSES else None
        return State("", None, str(value), facts, cause)
    content: Any = None
    if shape.fields is not None:
        content = {name: getattr(value, name) for name in shape.fields if hasattr(value, name)}
    elif isinstance(value, Mapping):
        content = dict(value.items())
    else:
        for kind in _BUILTINS:
            if isinstance(value, kind):
                content = kind(value)
                break
    return State(qualname, content, "", {}, None)


def finished(value: Any) -> None:
    """A callback returned a coroutine, which Go does not await; it says so there."""
    if inspect.iscoroutine(value):
        value.close()
