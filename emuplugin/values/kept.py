"""What the values of a machine share, as it was when a snapshot was taken.

Types and codecs of the plugins stay: they are read from memory that does not change. What was made
in guest memory since goes: types of ours, scratch memory, handles of Python's things.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from emuplugin.values.newcomers import Newcomers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emuplugin.values.context import Context

#: What a context makes when it is first asked for.
_LATE = ("made_types", "python_functions", "python_objects")


class KeptObjects:
    """The attributes of some objects, and what is in those that are containers."""

    def __init__(self, objects: Iterable[Any]) -> None:
        self._objects = [(thing, dict(vars(thing))) for thing in objects]
        self._containers: list[tuple[Any, Any]] = [
            (value, value.copy())
            for _, attributes in self._objects
            for value in attributes.values()
            if type(value) in (dict, list, set, deque)
        ]

    def restore(self) -> None:
        """Put everything back."""
        for thing, attributes in self._objects:
            vars(thing).clear()
            vars(thing).update(attributes)
        for container, content in self._containers:
            container.clear()
            if isinstance(container, dict | set):
                container.update(content)
            else:
                container.extend(content)


class KeptContext:
    """A context at some moment."""

    def __init__(self, context: Context) -> None:
        if context.newcomers is None:
            context.newcomers = Newcomers()
        self._context = context
        self._newest = context.newcomers.count
        self._sources = len(context.type_sources)
        self._late = [name for name in _LATE if name in vars(context)]
        self._objects = KeptObjects(context.parts())
        self._unused = context.guest.unused_type_area

    def expire(self) -> None:
        """The machine goes back: values that came later are of no more use."""
        assert self._context.newcomers is not None
        self._context.newcomers.expire(self._newest)

    def restore(self) -> None:
        """Bring the context back to it, after the machine."""
        context = self._context
        for name in _LATE:
            if name not in self._late:
                vars(context).pop(name, None)
        self._objects.restore()
        context.forget_types(self._unused.start, self._unused.stop)
        if len(context.type_sources) != self._sources:
            del context.type_sources[self._sources :]
            vars(context).pop("index", None)
