"""Variable: a package-level Go variable that Python can read and set."""

from __future__ import annotations

from typing import Any

from emuplugin.errors import ClosedError, DeadMachineError, StaleError, UnsupportedTypeError
from emuplugin.values.context import Context
from emuplugin.values.gone import Gone
from emuplugin.values.gotype import GoType
from emuplugin.values.mismatch import Mismatch


class Variable:
    """A variable of a plugin. ``value`` reads it afresh each time and sets it.

    ``name`` is its name in Go, ``type`` its Go type (``[]main.Point``), ``address`` where it lies
    in the guest: the same for the life of the machine.
    """

    def __init__(self, context: Context, name: str, go_type: GoType, address: int) -> None:
        self.name = name
        self.go_type = go_type
        self.address = address
        self._context = context

    @property
    def type(self) -> str:
        """The Go type, as ``reflect.Type.String`` has it."""
        return self.go_type.string

    @property
    def value(self) -> Any:
        """The value now. Setting it converts a Python value to the variable's type."""
        self._check()
        return self._context.codec(self.go_type).read(self.address, None)

    @value.setter
    def value(self, value: Any) -> None:
        self._check()
        try:
            self._context.codec(self.go_type).write(self.address, value)
        except Mismatch as mismatch:
            raise mismatch.error(self.name) from None

    def _check(self) -> None:
        """Say so here if the machine is closed, dead, or was reset."""
        try:
            _ = self._context.memory
        except StaleError as error:
            raise StaleError(self.name, restored=error.restored) from None

    def expire(self) -> None:
        """The plugin is no more: the machine went back to before it was opened."""
        gone: Any = Gone(self.go_type)
        self._context, self.go_type = gone, gone.type

    def __repr__(self) -> str:
        try:
            value = f" = {self.value!r}"
        except UnsupportedTypeError:
            value = ""
        except (ClosedError, DeadMachineError):
            return f"<Go var {self.name} of a {self._context.guest.state} machine>"
        return f"<Go var {self.name} {self.type}{value}>"
