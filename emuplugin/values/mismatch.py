"""How a codec says that a Python value does not fit, before anybody knows where it stands.

The codec raises :class:`Mismatch` with the bare fact; each container on the way out prepends its
step (``[3]``, ``.Name``), and the call or assignment turns it into the public error.
"""

from __future__ import annotations

from emuplugin.errors import ConversionError, EmupluginError, OutOfRangeError


class Mismatch(Exception):
    """A Python value that a Go type cannot take. ``range`` tells a wrong value from a wrong type.

    ``steps`` is the path to the value from the outside in; ``index`` is that of the outermost
    sequence element on it.
    """

    def __init__(self, message: str, *, range: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.range = range
        self.steps: list[str] = []
        self.index = 0

    def inside(self, step: str) -> Mismatch:
        """The same mismatch one container further out."""
        self.steps.insert(0, step)
        return self

    def at_index(self, index: int) -> Mismatch:
        """The same mismatch seen from a sequence of which it is an element."""
        self.index = index
        return self.inside(f"[{index}]")

    def error(self, where: str, after: str = "") -> EmupluginError:
        """The error to raise: ``where: [3].Name: expected string, got int; after``."""
        path = "".join(self.steps)
        text = f"{where}: {path}: {self.message}" if path else f"{where}: {self.message}"
        kind = OutOfRangeError if self.range else ConversionError
        return kind(f"{text}; {after}" if after else text)


def wrong_type(expected: str, value: object, hint: str = "") -> Mismatch:
    """``expected int8, got str``."""
    got = "None" if value is None else type(value).__name__
    return Mismatch(f"expected {expected}, got {got}{f' ({hint})' if hint else ''}")


def out_of_range(expected: str, value: object, allowed: str) -> Mismatch:
    """``expected int8, got 300 (out of range -128..127)``."""
    text = repr(value)
    if len(text) > 60:
        text = f"{text[:57]}..."
    return Mismatch(f"expected {expected}, got {text} ({allowed})", range=True)
