"""Fixtures of real kind, opened here and by Go itself, a pair for the whole session: some of them
keep what they are told, so both must be told the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from emuplugin import Limits, Machine, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import Native, PluginPath
from tests.support.oracle import NativePlugin

#: The plugin of a name in the emulator and in Go's own loader.
Pair = Callable[[str], tuple[Plugin, NativePlugin]]


@pytest.fixture(scope="session")
def pair(plugin_path: PluginPath, go_version: str, native: Native) -> Iterator[Pair]:
    pairs: dict[str, tuple[Plugin, NativePlugin]] = {}
    machines = []

    def open_pair(name: str) -> tuple[Plugin, NativePlugin]:
        if name not in pairs:
            machines.append(Machine(Sandbox(limits=Limits(memory=512 << 20, seconds=60))))
            plugin = machines[-1].open(plugin_path(name, go_version, stripped=True))
            pairs[name] = plugin, native(name, go_version, stripped=True)
        return pairs[name]

    yield open_pair
    for machine in machines:
        machine.close()
