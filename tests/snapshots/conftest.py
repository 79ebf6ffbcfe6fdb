"""Machines to go back with: by views of what is kept, and by copies, as on other hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emuplugin import Limits, Machine, Sandbox
from emuplugin.cpu.physical import PhysicalMemory
from emuplugin.plugin import Plugin
from tests.conftest import PluginPath

#: Opens a fixture plugin: ``opened("runtime", seed=3)``.
Opened = Callable[..., Plugin]


@pytest.fixture(params=["views", "copies"])
def opened(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    plugin_path: PluginPath,
    go_version: str,
) -> Iterator[Opened]:
    machines = []
    if request.param == "copies":
        monkeypatch.setattr(PhysicalMemory, "copying", True)

    def open_it(name: str, **settings: Any) -> Plugin:
        settings.setdefault("limits", Limits(memory=256 << 20, seconds=120))
        machines.append(Machine(Sandbox(**settings)))
        return machines[-1].open(plugin_path(name, go_version))

    yield open_it
    for machine in machines:
        machine.close()
