"""The private loopback does what Linux does: each function natively and here, compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emuplugin import Limits, Machine, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import Native, PluginPath
from tests.network.conftest import Opened
from tests.support.oracle import NativePlugin

CALLS: list[tuple[Any, ...]] = [
    ("TCPEcho", "tcp", "127.0.0.1:0", 1000),
    ("TCPEcho", "tcp6", "[::1]:0", 1_000_000),
    ("TCPEcho", "tcp", "localhost:0", 16),
    ("DualStack",),
    ("Endings",),
    ("Deadlines",),
    ("Crowd", 20),
    ("Options",),
    ("UDPEcho", "udp", "127.0.0.1:0"),
    ("UDPEcho", "udp6", "[::1]:0"),
    ("UDPEcho", "udp", ":0"),
    ("UDPRefused",),
    ("UDPMessages",),
    ("HTTP",),
    ("HTTPS", False),
    ("HTTPS", True),
    ("Shutdown",),
    ("RPC",),
    ("Lines",),
    ("Loopback",),
    ("Epoll", "tcp", False),
    ("Epoll", "tcp", True),
    ("Epoll", "unix", False),
    ("Epoll", "unix", True),
    ("Epoll", "pipe", False),
    ("Epoll", "pipe", True),
    ("EpollFull", "tcp"),
    ("EpollFull", "unix"),
    ("EpollSpecial",),
    ("Poll",),
    ("Messages", 1),
    ("Messages", 2),
    ("Messages", 5),
    ("Rights",),
    ("Connecting",),
    ("Pipes",),
]


@pytest.fixture(scope="module")
def pair(
    plugin_path: PluginPath, native: Native, go_version: str
) -> Iterator[tuple[Plugin, NativePlugin]]:
    with Machine(Sandbox(limits=Limits(memory=256 << 20, seconds=60))) as machine:
        plugin = machine.open(plugin_path("network", go_version, stripped=True))
        yield plugin, native("network", go_version, stripped=True)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: "-".join(map(str, call)))
def test_as_natively(call: tuple[Any, ...], pair: tuple[Plugin, NativePlugin]) -> None:
    plugin, oracle = pair
    name, *arguments = call
    expected = oracle.call(name, *arguments).value
    assert plugin.lookup(name)(*arguments) == expected
    # Twice: nothing of the first time is in the way.
    assert plugin.lookup(name)(*arguments) == expected


def test_unix_sockets_as_natively(pair: tuple[Plugin, NativePlugin], tmp_path: Path) -> None:
    plugin, oracle = pair
    folder = str(tmp_path / "s")
    assert plugin.lookup("UnixSockets")(folder) == oracle.call("UnixSockets", folder).value


def test_only_lo(opened: Opened) -> None:
    plugin, _ = opened()
    assert list(plugin.lookup("Interfaces")()) == ["lo"]


def test_a_run_repeats(opened: Opened) -> None:
    reports = []
    for _ in range(2):
        plugin, machine = opened()
        texts = [plugin.lookup("Crowd")(10), plugin.lookup("HTTP")()]
        report = machine.report
        reports.append((texts, report.connections, report.instructions, report.syscalls))
    assert reports[0] == reports[1]
