"""Many of everything: memory, descriptors and mappings stay what they were."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emuplugin import Machine, Sandbox
from emuplugin.cache.opening import SWITCH
from tests.conftest import PluginPath

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def used() -> tuple[int, int, int]:
    """Resident kilobytes, descriptors, mappings of this process."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    resident = int(status.partition("VmRSS:")[2].split()[0])
    mappings = Path("/proc/self/maps").read_text().count("\n")
    return resident, len(os.listdir("/proc/self/fd")), mappings


def check(action: Callable[[], object], times: int) -> None:
    for _ in range(times // 4 + 2):  # warming up
        action()
    resident, descriptors, mappings = used()
    for _ in range(times):
        action()
    after = used()
    assert after[0] - resident < 4096 + 10 * times  # what is not closed takes megabytes each
    assert after[1] <= descriptors
    assert after[2] - mappings < 20


def test_restores(plugin_path: PluginPath, go_version: str) -> None:
    with Machine(Sandbox(stdout=io.StringIO())) as machine:
        plugin = machine.open(plugin_path("composites", go_version))
        snapshot = machine.snapshot()

        def back() -> None:
            plugin["Chain"](3)
            machine.restore(snapshot)

        check(back, 200)


def test_snapshots(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("composites", go_version))

        def snapshot() -> None:
            plugin["Chain"](3)
            machine.restore(machine.snapshot())

        check(snapshot, 60)


def test_clones(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        machine.open(plugin_path("composites", go_version))
        snapshot = machine.snapshot()

        def clone() -> None:
            with snapshot.clone() as other:
                other.plugins[0]["Chain"](3)

        check(clone, 60)


def test_resets(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("composites", go_version))

        def reset() -> None:
            machine.reset()
            plugin["Chain"](3)

        check(reset, 100)


def test_openings_from_the_cache(
    plugin_path: PluginPath, go_version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, str(tmp_path))
    path = plugin_path("composites", go_version)

    def open_it() -> None:
        with Machine() as machine:
            machine.open(path)["Chain"](3)

    check(open_it, 60)


def test_machines_that_nobody_closes(plugin_path: PluginPath, go_version: str) -> None:
    with Machine() as machine:
        machine.open(plugin_path("composites", go_version))
        snapshot = machine.snapshot()

        def clone() -> None:
            snapshot.clone().plugins[0]["Chain"](3)
            gc.collect()

        check(clone, 30)
