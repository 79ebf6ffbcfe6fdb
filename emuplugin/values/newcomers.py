"""Values made since a snapshot was taken: they are of no more use once the machine went back to it.

A machine of which nobody has taken a snapshot remembers none. They are held weakly; when a machine
goes back, those that came later lose what they talk to the machine through.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

from emuplugin.values.error_values import HeldInterface
from emuplugin.values.function import Function
from emuplugin.values.gone import Gone
from emuplugin.values.live import Live
from emuplugin.values.methods import BoundMethod


class Newcomers:
    """The values of one machine since its first snapshot, in the order of their making."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[int, ref[Any]]] = {}
        #: How many there have been.
        self.count = 0

    def add(self, value: Any) -> None:
        """A value was made."""
        self.count += 1
        key, values = id(value), self._values
        values[key] = self.count, ref(value, lambda _: values.pop(key, None))

    def expire(self, after: int) -> None:
        """All but the first ``after`` values are of no more use: they raise StaleError."""
        for key, (number, reference) in tuple(self._values.items()):
            if number > after:
                value = reference()
                self._values.pop(key, None)
                if value is not None:
                    _expire(value)


def _expire(value: Any) -> None:
    if isinstance(value, Live):
        object.__setattr__(value, "_codec", Gone(value._type))
    elif isinstance(value, Function):
        value.expire()
    elif isinstance(value, BoundMethod):
        value._methods = Gone(value.go_type)  # type: ignore[assignment]
    elif isinstance(value, HeldInterface):
        object.__setattr__(value, "context", Gone())
