"""Plugins built with a GOEXPERIMENT: no table fits their runtime, their own DWARF does."""

from __future__ import annotations

from typing import Any

import pytest

from emuplugin import Limits, Machine, Sandbox, UnsupportedGoVersionError
from emuplugin.runtime_shims.layouts.generate import minor_of
from tests.conftest import Native, PluginPath
from tests.runtime.conftest import run

#: One per Go version: those that change the runtime's structs most, where there are any.
EXPERIMENTS = {
    "1.21": "arenas",
    "1.22": "noexectracer2",
    "1.23": "heapminimum512kib",
    "1.24": "noswissmap",
    "1.25": "greenteagc",
    "1.26": "nogreenteagc",
    "1.27": "nogreenteagc",
}

CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("AllocTotal", (16 << 20, 1 << 12)),
    ("Maps", (2000,)),
    ("Finalizers", (100,)),
    ("Goroutines", (100,)),
    ("Recurse", (10000,)),
]


@pytest.fixture
def environment(go_version: str) -> dict[str, str]:
    return {"GOEXPERIMENT": EXPERIMENTS[minor_of(go_version)]}


def test_a_plugin_of_an_experiment_runs_by_its_own_dwarf(
    plugin_path: PluginPath, go_version: str, environment: dict[str, str], native: Native
) -> None:
    path = plugin_path("runtime", go_version, env=environment)
    with Machine(Sandbox(limits=Limits(memory=256 << 20, seconds=120))) as machine:
        plugin = machine.open(path)
        assert plugin.build_info.go_version.endswith(f"X:{environment['GOEXPERIMENT']}")
        for name, arguments in CALLS:
            expected = native("runtime", go_version).call(name, *arguments).value
            assert run(plugin, name, *arguments) == expected, name
        assert run(plugin, "GC", 3) >= 3  # a cycle that was under way counts too


def test_without_dwarf_it_is_refused(
    plugin_path: PluginPath, go_version: str, environment: dict[str, str]
) -> None:
    path = plugin_path("hello", go_version, ldflags="-s -w", env=environment)
    with Machine() as machine, pytest.raises(UnsupportedGoVersionError, match="X:"):
        machine.open(path)
