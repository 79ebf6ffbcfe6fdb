"""A layout of which is known what was asked before; its table is read only for other questions."""

from __future__ import annotations

from typing import Any

from .layout import Answers, Field, Layout
from .tables import candidates

_TABLES = frozenset(("_structs", "_named", "_variables", "_constants"))


class RememberedLayout(Layout):
    """See the module. ``answers`` are :class:`~.layout.Answers`, or lists with the same in them.
    Raises what comes of something else: TypeError, ValueError, LookupError."""

    def __init__(self, version: str, answers: Any) -> None:
        variables, fields = answers
        self.version = version
        self._members, self._asked = {}, dict(variables)
        self._resolved = {}
        self._rows: dict[str, dict[str, str]] = dict(fields)

    def _resolve(self, type_name: str, path: str) -> Field:
        row = self._rows.get(type_name, {}).get(path)
        if not row:
            return super()._resolve(type_name, path)
        offset, size, name = row.split(" ", 2)
        return Field(int(offset), int(size), name)

    def has(self, type_name: str, path: str = "") -> bool:
        row = self._rows.get(type_name, {}).get(path)
        return super().has(type_name, path) if row is None else row != ""

    def answers(self) -> Answers:
        asked = super().answers()
        known = {name: dict(rows) for name, rows in self._rows.items()}
        for name, rows in asked.fields.items():
            known.setdefault(name, {}).update(rows)
        return Answers(asked.variables, known)

    def __getattr__(self, name: str) -> Any:
        if name not in _TABLES:
            raise AttributeError(name)
        whole = candidates(self.version)[0]
        for table in _TABLES:
            self.__dict__[table] = getattr(whole, table)
        return self.__dict__[name]
