"""Proxy: something that lives in the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emuplugin.errors import ClosedError, DeadMachineError
from emuplugin.isolation.things import Op
from emuplugin.values.elsewhere import Elsewhere

if TYPE_CHECKING:
    from emuplugin.isolation.connection import Connection
    from emuplugin.isolation.types import RemoteType


class Proxy(Elsewhere):
    """A thing of the worker by its number. Own names start with ``_``: fields of structs own the
    others. When it goes the worker is told, with the next request."""

    __slots__ = ()

    _end: Connection
    _number: int
    _type: Any  # a RemoteType

    def __del__(self) -> None:
        self._end.drop(self._number)

    def _ask(self, op: Op, *args: Any, **named: Any) -> Any:
        return self._end.ask(op, self._number, *args, **named)

    def __repr__(self) -> str:
        """As the worker shows it. Also of what is gone with its machine: a ``repr`` that raises
        would spoil tracebacks and debuggers."""
        try:
            text: str = self._ask(Op.REPR)
        except (ClosedError, DeadMachineError):
            return self._gone()
        return text

    def _gone(self) -> str:
        return f"<Go {self._type.known_name} of a {self._end.state} machine>"

    def _to_python(self) -> Any:
        root, nodes = self._ask(Op.COPY)
        return _rebuilt(root, nodes)

    def _to_json(self, indent: str) -> str:
        text: str = self._ask(Op.JSON, indent)
        return text


def set_up(proxy: Proxy, end: Connection, number: int, go_type: RemoteType | None) -> None:
    """The attributes of a proxy, also of one that passes attributes on."""
    object.__setattr__(proxy, "_end", end)
    object.__setattr__(proxy, "_number", number)
    object.__setattr__(proxy, "_type", go_type)


def _rebuilt(root: tuple[Any, bool], nodes: list[Any]) -> Any:
    """A copy from its nodes: see ``operations.copy``."""
    made: list[Any] = [[] if keys is None else {} for keys, _, _ in nodes]
    for target, (keys, items, places) in zip(made, nodes, strict=True):
        for place in places:
            items[place] = made[items[place]]
        if keys is None:
            target.extend(items)
        else:
            target.update(zip(keys, items, strict=True))
    value, is_node = root
    return made[value] if is_node else value
