"""What a snapshot cannot hold is refused in words, and what came later is let go."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from emuplugin import Limits, Machine, Mount, Network, Sandbox, SnapshotError
from emuplugin.plugin import Plugin
from emuplugin.runtime_shims.kernel import linux
from emuplugin.runtime_shims.kernel.fs.calls.opening import open_at
from tests.conftest import PluginPath

LIMITS = Limits(memory=256 << 20, seconds=60)


@pytest.fixture
def network(plugin_path: PluginPath, go_version: str) -> Path:
    return plugin_path("network", go_version, stripped=True)


def test_a_listener_on_the_host(network: Path) -> None:
    box = Sandbox(network=Network(listen=("127.0.0.1:0",)), limits=LIMITS)
    with Machine(box) as machine:
        plugin = machine.open(network)
        snapshot = machine.snapshot()
        plugin["Listen"]("127.0.0.1:8080")
        assert machine.listening
        with pytest.raises(SnapshotError, match="listens on the host"):
            machine.snapshot()
        (listening,) = machine.listening
        machine.restore(snapshot)
        assert not machine.listening
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(listening.host, timeout=5)
        plugin["Listen"]("127.0.0.1:8080")
        assert machine.listening


def test_an_open_file_of_the_host(plugin_path: PluginPath, go_version: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * 100)
    mounts = {"/data": Mount(tmp_path)}
    with Machine(Sandbox(mounts=mounts, limits=LIMITS)) as machine:
        plugin = machine.open(plugin_path("files", go_version, stripped=True))
        snapshot = machine.snapshot()
        hold_open(plugin, "/data/data")
        with pytest.raises(SnapshotError, match=r"has a file of the host open \(data\)"):
            machine.snapshot()
        machine.restore(snapshot)
        assert plugin["Read"]("/data/data") == "x" * 100
        machine.snapshot()


def hold_open(plugin: Plugin, path: str) -> None:
    """Have the machine's kernel open a file and keep it."""
    kernel = plugin.machine.program.process.kernel
    open_at(kernel, linux.AT_FDCWD, path, linux.O_RDONLY, 0)
