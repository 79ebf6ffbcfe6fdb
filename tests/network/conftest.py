"""The fixture plugin ``network`` in machines of one's choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emuplugin import Limits, Machine, Network, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import PluginPath

#: Opens the plugin: ``opened(connect=[...])``; the machine is its ``machine``.
Opened = Callable[..., tuple[Plugin, Machine]]


@pytest.fixture
def opened(plugin_path: PluginPath, go_version: str) -> Iterator[Opened]:
    machines: list[Machine] = []

    def open_with(limits: Limits | None = None, **grants: Any) -> tuple[Plugin, Machine]:
        limits = limits or Limits(memory=256 << 20, seconds=60)
        machine = Machine(Sandbox(network=Network(**grants), limits=limits))
        machines.append(machine)
        return machine.open(plugin_path("network", go_version, stripped=True)), machine

    yield open_with
    for machine in machines:
        machine.close()


def connections(machine: Machine) -> dict[tuple[str, str], str]:
    """The outcome of each connection in the report, by kind and address."""
    return {(c.kind, c.address): c.outcome for c in machine.report.connections}
