"""Plugins of the value fixtures, opened in the emulator and by Go itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

import emuplugin
from emuplugin import Limits, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import Native, PluginPath
from tests.support.oracle import NativePlugin
from tests.values.symbols import Symbols


@pytest.fixture(scope="session")
def scalars(go_version: str, plugin_path: PluginPath) -> Iterator[Plugin]:
    """fixtures/scalars in the emulator."""
    with closing(emuplugin.open(plugin_path("scalars", go_version))) as plugin:
        yield plugin


@pytest.fixture(scope="session")
def native_scalars(go_version: str, native: Native) -> NativePlugin:
    """fixtures/scalars in Go's own loader."""
    return native("scalars", go_version)


@pytest.fixture(scope="session")
def kinds(go_version: str, plugin_path: PluginPath) -> Iterator[Plugin]:
    """fixtures/kinds in the emulator, stripped: types are read from what Go itself needs."""
    path = plugin_path("kinds", go_version, stripped=True)
    with closing(emuplugin.open(path)) as plugin:
        yield plugin


@pytest.fixture(scope="module")
def faces(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/values_faces in a machine of its own for each file of tests, stripped."""
    path = plugin_path("values_faces", go_version, stripped=True)
    with closing(emuplugin.Machine()) as machine:
        yield Symbols(machine.open(path))


@pytest.fixture(scope="module")
def callbacks(go_version: str, plugin_path: PluginPath) -> Iterator[Plugin]:
    """fixtures/callbacks in the emulator, stripped; one machine per test module."""
    path = plugin_path("callbacks", go_version, stripped=True)
    sandbox = Sandbox(limits=Limits(memory=256 << 20, seconds=60))
    with closing(emuplugin.open(path, sandbox)) as plugin:
        yield plugin


@pytest.fixture
def go(callbacks: Plugin) -> Symbols:
    """Its functions and variables as attributes."""
    return Symbols(callbacks)
