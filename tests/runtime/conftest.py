"""The plugin fixtures/runtime in machines of this folder's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emuplugin import Limits, Machine, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import PluginPath
from tests.values.symbols import func_of

#: Opens fixtures/runtime in a machine with the given settings of its sandbox.
Open = Callable[..., Plugin]


@pytest.fixture
def open_runtime(plugin_path: PluginPath, go_version: str) -> Iterator[Open]:
    machines = []

    def open_it(**settings: Any) -> Plugin:
        settings.setdefault("limits", Limits(memory=256 << 20, seconds=120))
        machines.append(Machine(Sandbox(**settings)))
        return machines[-1].open(plugin_path("runtime", go_version))

    yield open_it
    for machine in machines:
        machine.close()


@pytest.fixture(scope="module")
def runtime(plugin_path: PluginPath, go_version: str) -> Iterator[Plugin]:
    """One machine for all tests of a module that leave it alive."""
    with Machine(Sandbox(limits=Limits(memory=256 << 20, seconds=120))) as machine:
        yield machine.open(plugin_path("runtime", go_version))


def has(plugin: Plugin, name: str) -> bool:
    """Whether this Go version's build exports ``name``."""
    return name in plugin.exports


def run(plugin: Plugin, name: str, *arguments: object) -> Any:
    """Call a function of the plugin."""
    return func_of(plugin, name)(*arguments)
