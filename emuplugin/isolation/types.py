"""Go types of a machine in another process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from emuplugin.errors import ClosedError, DeadMachineError, UnsupportedTypeError
from emuplugin.isolation.things import TYPE_FACTS, Op

if TYPE_CHECKING:
    from emuplugin.isolation.connection import Connection


class RemoteType:
    """As :class:`emuplugin.values.GoType`. What was asked once is kept: types do not change."""

    def __init__(self, end: Connection, number: int, string: str = "") -> None:
        self._end = end
        self.number = number
        if string:
            self.string = string

    def __getattr__(self, name: str) -> Any:
        if name not in TYPE_FACTS:
            raise AttributeError(f"a Go type has no {name}")
        value = self._end.ask_type(self, name)
        self.__dict__[name] = value
        return value

    @property
    def known_name(self) -> str:
        """The name if it was ever asked for."""
        name: str = self.__dict__.get("string", "value")
        return name

    def __str__(self) -> str:
        text: str = self.string
        return text

    def __repr__(self) -> str:
        try:
            return f"<GoType {self.string} at {self.address:#x}>"
        except (ClosedError, DeadMachineError):
            return f"<GoType of a {self._end.state} machine>"


class RemoteTypes(Mapping[str, RemoteType]):
    """As :class:`emuplugin.values.type_index.TypeIndex`."""

    def __init__(self, end: Connection, plugin: int) -> None:
        self._end = end
        self._plugin = plugin
        self._names: list[str] | None = None

    def find(self, name: str) -> RemoteType:
        """The type of that name; UnsupportedTypeError where there is none or several."""
        found: RemoteType = self._end.ask(Op.FIND_TYPE, self._plugin, name)
        return found

    def __getitem__(self, name: str) -> RemoteType:
        try:
            return self.find(name)
        except UnsupportedTypeError as error:
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        if self._names is None:
            self._names = self._end.ask(Op.TYPE_NAMES, self._plugin)
        return iter(self._names)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        try:
            return f"<{len(self)} Go types>"
        except (ClosedError, DeadMachineError):
            return f"<Go types of a {self._end.state} machine>"
