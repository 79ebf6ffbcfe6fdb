"""RemotePlugin: a plugin of a machine in another process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emuplugin.elf.buildinfo import BuildInfo
from emuplugin.isolation.things import Op
from emuplugin.isolation.types import RemoteTypes
from emuplugin.plugin import Plugin

if TYPE_CHECKING:
    from emuplugin.isolation.connection import Connection
    from emuplugin.isolation.machine import IsolatedMachine
    from emuplugin.runtime_shims.inits import InitTrace


class RemotePlugin(Plugin):
    """See :class:`emuplugin.plugin.Plugin`."""

    machine: IsolatedMachine

    def __init__(self, end: Connection, number: int) -> None:
        self._end = end
        self._number = number
        self._found: dict[str, Any] = {}

    def settle(self, machine: IsolatedMachine, path: str) -> None:
        """Be a plugin of ``machine``, or of that anew: forget what was looked up."""
        self.machine = machine
        self.path = path
        self._found.clear()
        for name in ("exports", "types", "build_info", "init_trace", "relocations"):
            self.__dict__.pop(name, None)
        self.plugin_path = self._fact("plugin_path")
        self.timings = self._fact("timings")

    def _fact(self, name: str) -> Any:
        return self._end.ask(Op.PLUGIN, self._number, name)

    @property
    def module(self) -> Any:
        """There is none in this process."""
        return self.machine.program

    def __repr__(self) -> str:
        names = sorted(self.exports) if "exports" in self.__dict__ else []
        more = f", and {len(names) - 8} more" if len(names) > 9 else ""
        shown = ", ".join(names[: 8 if more else 9]) + more
        return f"<Plugin {self.plugin_path!r} from {self.path}{': ' + shown if shown else ''}>"

    def lookup(self, name: str) -> Any:
        """See :meth:`emuplugin.plugin.Plugin.lookup`."""
        found = self._found.get(name)
        if found is None or self._end.state != "running":
            found = self._found[name] = self._end.ask(Op.LOOKUP, self._number, name)
        return found

    __getitem__ = lookup

    @cached_property
    def exports(self) -> Mapping[str, str]:
        """The exported names and their Go types, as Go prints them, sorted by name."""
        found: dict[str, str] = self._fact("exports")
        return found

    @cached_property
    def build_info(self) -> BuildInfo:
        """Go version, main module, dependencies and build settings."""
        found: BuildInfo = self._fact("build_info")
        return found

    @cached_property
    def init_trace(self) -> tuple[InitTrace, ...]:
        """What initialising each package took, in the order in which it was done."""
        found: tuple[InitTrace, ...] = self._fact("init_trace")
        return found

    @cached_property
    def relocations(self) -> Mapping[str, int]:
        """How many relocations of each kind were applied."""
        found: dict[str, int] = self._fact("relocations")
        return found

    @cached_property
    def types(self) -> Any:
        """All Go types of the plugin by name."""
        return RemoteTypes(self._end, self._number)

    def type(self, name: str) -> Any:
        """See :meth:`emuplugin.plugin.Plugin.type`."""
        return self._end.ask(Op.MAKE_TYPE, self._number, name)


def make_plugin(end: Connection, number: int, go_type: object, name: str) -> RemotePlugin:
    """A proxy for what the worker says is a plugin."""
    return RemotePlugin(end, number)
