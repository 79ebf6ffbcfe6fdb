"""What values of a state that the machine has left talk to."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from emuplugin.errors import EmupluginError, StaleError

if TYPE_CHECKING:
    from emuplugin.values.gotype import GoType


class Gone:
    """In place of a codec, a context or a guest: says why it cannot be had.

    To be made while the machine is still in the state that it is going to leave: the name of the
    type is read then.
    """

    state = "closed"

    def __init__(self, go_type: GoType | None = None) -> None:
        self.type = GoneType(go_type)

    @property
    def context(self) -> Gone:
        """Nothing leads anywhere else from here."""
        return self

    guest = context

    def __getattr__(self, name: str) -> Any:
        raise StaleError(restored=True)


class GoneType:
    """In place of a type, whose descriptor may be no more: what it is called."""

    string: str
    signature: str

    def __init__(self, go_type: GoType | None) -> None:
        # A machine that has died cannot be asked; then nobody knows.
        with suppress(EmupluginError):
            if go_type is not None:
                self.string = go_type.string
                if go_type.kind == "func":
                    self.signature = go_type.signature

    def __getattr__(self, name: str) -> Any:
        raise StaleError(restored=True)
