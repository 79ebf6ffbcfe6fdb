"""Snapshots of machines in a worker process: the same, but for clones."""

from __future__ import annotations

import pytest

from emuplugin import BusyError, Machine, SnapshotError, StaleError
from tests.conftest import PluginPath


def test_a_worker_goes_back(plugin_path: PluginPath, go_version: str) -> None:
    with Machine(isolate="process") as machine:
        plugin = machine.open(plugin_path("composites", go_version))
        number, chain = plugin["Origin"], plugin["Chain"](2)
        before = number.value.X
        snapshot = machine.snapshot()
        assert snapshot.instructions == machine.instructions
        assert snapshot.memory > 1 << 20
        assert "composites" in repr(snapshot)
        for _ in range(2):
            number.value.X = 77
            later = plugin["Chain"](3)
            machine.restore(snapshot)
            assert number.value.X == plugin["Origin"].value.X == before
            assert chain.parent.parent is None
            assert machine.instructions == snapshot.instructions
            with pytest.raises(StaleError, match="after the snapshot"):
                _ = later.parent
        del snapshot
        machine.restore(machine.snapshot())


def test_after_an_exit(plugin_path: PluginPath, go_version: str) -> None:
    with Machine(isolate="process") as machine:
        plugin = machine.open(plugin_path("runtime", go_version))
        snapshot = machine.snapshot()
        with pytest.raises(Exception, match="3"):
            plugin["Exit"](3)
        assert machine.state == "dead"
        machine.restore(snapshot)
        assert machine.state == "running"
        assert plugin["PingPong"](3) == 3


def test_what_is_refused(plugin_path: PluginPath, go_version: str) -> None:
    with Machine(isolate="process") as machine, Machine() as other:
        plugin = machine.open(plugin_path("callbacks", go_version))
        other.open(plugin_path("hello", go_version))
        snapshot = machine.snapshot()
        with pytest.raises(SnapshotError, match="worker process cannot be cloned"):
            machine.clone()
        with pytest.raises(SnapshotError, match="worker process cannot be cloned"):
            snapshot.clone()
        for one, of in ((machine, other.snapshot()), (other, snapshot)):
            with pytest.raises(SnapshotError, match="of another machine"):
                one.restore(of)

        def inside(a: int, b: int) -> int:
            for ask in (machine.snapshot, lambda: machine.restore(snapshot)):
                with pytest.raises(BusyError, match="inside a call"):
                    ask()
            return a - b

        assert plugin["Apply"](inside, 5, 3) == 2
