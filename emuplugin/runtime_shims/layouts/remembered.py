"""A layout of which is known what was asked before; its table is read only for other questions."""

from __future__ import annotations

from typing import Any

from .layout import Field, Layout
from .tables import candidates

_TABLES = frozenset(("_structs", "_named", "_variables", "_constants"))


class RememberedLayout(Layout):
    """See the module. ``answers`` are :class:`~.layout.Answers`, or lists with the same in them.
    Raises what comes of something else: TypeError, ValueError, AttributeError."""

    def __init__(self, version: str, answers: Any) -> None:
        self.version = version
        self._members = {}
        self._asked, fields = dict(answers[0]), answers[1]
        self._resolved = {
            (struct, path): None if answer is None else _field(*answer)
            for struct, paths in fields.items()
            for path, answer in paths.items()
        }

    def __getattr__(self, name: str) -> Any:
        if name not in _TABLES:
            raise AttributeError(name)
        whole = candidates(self.version)[0]
        for table in _TABLES:
            self.__dict__[table] = getattr(whole, table)
        return self.__dict__[name]


def _field(offset: int, size: int, type: str) -> Field:
    if not isinstance(offset, int) or not isinstance(size, int) or not isinstance(type, str):
        raise TypeError("not a field")
    return Field(offset, size, type)
