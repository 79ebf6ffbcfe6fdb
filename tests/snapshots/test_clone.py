"""``snapshot.clone``: another machine in the same state, and neither knows of the other."""

from __future__ import annotations

import gc
import io
import threading

import pytest

from emuplugin import InstructionLimitExceeded, Limits, Mount, Sandbox
from emuplugin.cpu import host_code
from tests.conftest import PluginPath

from .conftest import Opened


def test_two_machines_go_their_own_ways(opened: Opened) -> None:
    plugin = opened("hello")
    plugin["V"].value = 3
    with plugin.machine.clone() as clone:
        (other,) = clone.plugins
        assert other.path == plugin.path
        assert other.plugin_path == plugin.plugin_path
        assert other.exports == plugin.exports
        other["V"].value += 1
        plugin["V"].value += 10
        assert (plugin["V"].value, other["V"].value) == (13, 4)
        assert clone.open(plugin.path) is other
    assert plugin["V"].value == 13


@pytest.mark.skipif(not host_code.is_supported(), reason="instructions are counted on x86-64 hosts")
def test_both_do_the_same(opened: Opened) -> None:
    """A race of goroutines, to the instruction; the original before, the clones after it."""
    plugin = opened("determinism")
    plugin["Race"](2)
    snapshot = plugin.machine.snapshot()
    outcomes = {(plugin["Race"](3), plugin.machine.instructions)}
    for _ in range(3):
        with snapshot.clone() as clone:
            outcomes.add((clone.plugins[0]["Race"](3), clone.instructions))
    assert len(outcomes) == 1


def test_a_clone_of_a_clone_and_its_snapshots(opened: Opened) -> None:
    plugin = opened("composites")
    first = plugin.machine.clone()
    with first, first.clone() as second:
        (other,) = second.plugins
        snapshot = second.snapshot()
        assert other["Chain"](3).parent.parent.parent is None
        second.restore(snapshot)
        other["Garbage"](1)
        second.reset()
        assert other["Sum"]() is not None


def test_it_outlives_what_it_was_made_of(opened: Opened) -> None:
    plugin = opened("runtime")
    plugin["Leak"](5)
    snapshot = plugin.machine.snapshot()
    total = plugin["List"](1000)
    plugin.machine.close()
    gc.collect()
    with snapshot.clone() as clone:
        (other,) = clone.plugins
        assert other["NumGoroutine"]() == 6
        assert other["List"](1000) == total
        assert other["PingPong"](10) == 10


def test_files_streams_and_open_descriptors(opened: Opened, tmp_path: object) -> None:
    out = io.StringIO()
    plugin = opened("runtime", stdout=out, stdin=io.StringIO("one\ntwo\nthree\n"))
    machine = plugin.machine
    assert plugin["ReadLine"]() == "one\n"
    machine.files["/tmp/x"].write_bytes(b"both")
    with machine.clone() as clone:
        (other,) = clone.plugins
        # What was read ahead of standard input is in the memory of both.
        assert plugin["ReadLine"]() == other["ReadLine"]() == "two\n"
        other["Print"]("from the clone\n")
        other["WriteFile"]("/tmp/x", b"clone")
        assert machine.files["/tmp/x"].read_bytes() == b"both"
        assert clone.files["/tmp/x"].read_bytes() == b"clone"
        assert other["ReadFile"]("/tmp/x") == b"clone"
    plugin["Print"]("from the first\n")
    assert out.getvalue() == "from the clone\nfrom the first\n"


def test_mounted_folders(opened: Opened, tmp_path: object) -> None:
    folder = Mount(str(tmp_path), "overlay")
    plugin = opened("runtime", mounts={"/data": folder})
    plugin["WriteFile"]("/data/a", b"1")
    snapshot = plugin.machine.snapshot()
    plugin.machine.close()
    with snapshot.clone() as clone:
        (other,) = clone.plugins
        assert other["ReadFile"]("/data/a") == b"1"
        other["WriteFile"]("/data/b", b"2")
        assert sorted(path.name for path in clone.files["/data"].iterdir()) == ["a", "b"]


def test_goroutines_and_timers_go_on(opened: Opened) -> None:
    plugin = opened("runtime")
    plugin["Leak"](7)
    with plugin.machine.clone() as clone:
        (other,) = clone.plugins
        for each in (plugin, other):
            assert each["NumGoroutine"]() == 8
            assert each["SleepSort"](3, 1, 2) == (1, 2, 3)
        assert other["Ticker"](3) == plugin["Ticker"](3)
        if host_code.is_supported():
            assert other["Now"]() == plugin["Now"]()


def test_limits_go_on_where_they_were(opened: Opened) -> None:
    plugin = opened("runtime", limits=Limits(instructions=30_000_000))
    with plugin.machine.clone() as clone, pytest.raises(InstructionLimitExceeded) as caught:
        clone.plugins[0]["Hang"]()
    assert caught.value.allowed == 30_000_000
    assert plugin["PingPong"](3) == 3


def test_two_plugins(opened: Opened, plugin_path: PluginPath, go_version: str) -> None:
    first = opened("hello")
    first.machine.open(plugin_path("add", go_version))
    with first.machine.clone() as clone:
        hello, add = clone.plugins
        hello["V"].value = 5
        assert add["Add"](hello["V"].value, 3) == 8
    assert first["V"].value == 0


def test_from_several_threads(opened: Opened) -> None:
    snapshot = opened("runtime").machine.snapshot()
    results: list[int] = []

    def work() -> None:
        for _ in range(3):
            with snapshot.clone() as clone:
                results.append(clone.plugins[0]["PingPong"](50))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [50] * 9


def test_c_code(opened: Opened) -> None:
    plugin = opened("cgo")
    snapshot = plugin.machine.snapshot()
    names = [name for name in plugin.exports if plugin.exports[name] == "func(int) int"]
    results = [plugin[name](7) for name in names]
    with snapshot.clone() as clone:
        assert [clone.plugins[0][name](7) for name in names] == results
    plugin.machine.restore(snapshot)
    assert [plugin[name](7) for name in names] == results


def test_seeds_are_the_same(opened: Opened) -> None:
    plugin = opened("runtime", seed=11)
    with plugin.machine.clone() as clone:
        (other,) = clone.plugins
        assert other["MathRand"](1 << 40) == plugin["MathRand"](1 << 40)
        assert bytes(other["CryptoRand"](16)) == bytes(plugin["CryptoRand"](16))


def test_sandbox(opened: Opened) -> None:
    plugin = opened("hello")
    with plugin.machine.clone() as clone:
        assert clone.sandbox is plugin.machine.sandbox
        assert isinstance(clone.sandbox, Sandbox)
