"""The tests themselves: the cache is on for some Go versions and off for others."""

from __future__ import annotations

import pytest

from emuplugin import Machine, Sandbox
from emuplugin.cache.opening import folder
from tests.conftest import PluginPath, go_versions


def is_mixed(config: pytest.Config) -> bool:
    return bool(config.getoption("--cache") == "mixed")


def test_versions_take_turns(
    pytestconfig: pytest.Config, plugin_path: PluginPath, go_version: str
) -> None:
    if not is_mixed(pytestconfig):
        pytest.skip("it is the same for all versions")
    versions = go_versions(pytestconfig)
    cached = len(versions) > 1 and (len(versions) - 1 - versions.index(go_version)) % 2 == 0
    if go_version == versions[0]:
        cached = False
    assert (folder() is not None) is cached
    sandbox = Sandbox(env={"TURNS": "yes"})
    with Machine(sandbox) as machine:
        plugin = machine.open(plugin_path("add", go_version))
        assert cached or not plugin.from_cache
        assert (plugin.not_cached == "") is cached
    with Machine(sandbox) as machine:
        assert machine.open(plugin_path("add", go_version)).from_cache is cached


def test_none_without_a_version(pytestconfig: pytest.Config) -> None:
    if is_mixed(pytestconfig):
        assert folder() is None
