"""Machines with the plugin fixtures/runtime, which has a function for most things one can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emuplugin import Machine, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import PluginPath

#: Opens fixtures/runtime in a machine of this sandbox.
Open = Callable[[Sandbox], Plugin]


@pytest.fixture
def path(plugin_path: PluginPath, go_version: str) -> Path:
    return plugin_path("runtime", go_version)


@pytest.fixture
def open_in(path: Path) -> Iterator[Open]:
    machines: list[Machine] = []

    def open_it(sandbox: Sandbox) -> Plugin:
        machines.append(Machine(sandbox))
        return machines[-1].open(path)

    yield open_it
    for machine in machines:
        machine.close()
