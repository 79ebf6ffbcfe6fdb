"""A machine from the cache is the machine that opening makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import emuplugin
from emuplugin import Limits, Machine, Mount, OpenError, Sandbox
from emuplugin.cache.folder import CacheFolder
from emuplugin.cache.opening import SWITCH
from emuplugin.cache.writer import writer
from emuplugin.cpu import host_code
from emuplugin.cpu.physical import PhysicalMemory
from emuplugin.snapshots.saved import save
from tests.conftest import PluginPath

from .same import differences

# In stdlib and router is net/http, in cgo C code; from toml to secrets are well-known modules.
PLUGINS = (
    "hello", "runtime", "composites", "stdlib", "network", "callbacks", "cgo", "determinism",
    "router", "toml", "yaml", "logger", "leveldb", "database", "files", "generics", "secrets",
)  # fmt: skip


@pytest.mark.parametrize("name", PLUGINS)
def test_it_is_the_same_to_the_last_bit(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str, name: str
) -> None:
    path = plugin_path(name, go_version)
    with Machine(cache=False) as cold, Machine() as first, Machine() as warm:
        assert not cold.open(path).from_cache
        plugin = first.open(path)
        assert not plugin.from_cache
        assert plugin.not_cached == ""
        again = warm.open(path)
        assert again.from_cache
        assert differences(first.program, warm.program) == []
        assert save(first.program) == save(warm.program)
        assert cold.instructions == warm.instructions
        assert again.exports == plugin.exports
        assert again.build_info == plugin.build_info
        assert [t.functions for t in again.init_trace] == [t.functions for t in plugin.init_trace]
        assert dict(again.relocations) == dict(plugin.relocations)
        assert replace(warm.report, host_seconds=0) == replace(cold.report, host_seconds=0)
        assert again.plugin_path == plugin.plugin_path


@pytest.mark.skipif(not host_code.is_supported(), reason="instructions are counted on x86-64 hosts")
def test_it_goes_on_the_same(cache: CacheFolder, plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("determinism", go_version)
    outcomes = set()
    for uses in (False, True, True):
        with Machine(cache=uses) as machine:
            outcomes.add((machine.open(path)["Race"](3), machine.instructions))
    assert len(outcomes) == 1


def test_all_of_go_works_in_it(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str
) -> None:
    path = plugin_path("runtime", go_version)
    for uses in (False, True):
        with Machine(Sandbox(limits=Limits(memory=256 << 20))) as machine:
            plugin = machine.open(path)
            assert plugin.from_cache is uses
            assert plugin["Goroutines"](100)
            assert plugin["PingPong"](100) == 100
            assert plugin["Ticker"](3) == 3
            plugin["GC"](2)
            assert plugin["Finalizers"](10) is not None
            with pytest.raises(emuplugin.GoPanic, match="index out of range") as caught:
                plugin["Panic"]("index")
            assert "main.go" in str(caught.value.traceback) or ".go:" in str(caught.value.traceback)
            machine.reset()
            assert plugin["NumGoroutine"]() == 1
            machine.reset()
            assert plugin["NumGoroutine"]() == 1
            with machine.clone() as clone:
                assert clone.plugins[0]["PingPong"](5) == 5


def test_copies_of_pages_where_views_cannot_be(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plugin_path("hello", go_version)
    for uses in (False, True, True):
        with Machine() as machine:
            plugin = machine.open(path)
            assert plugin.from_cache is uses
            plugin["V"].value = 3
            machine.reset()
            assert plugin["V"].value == 0
        monkeypatch.setattr(PhysicalMemory, "copying", True)


@pytest.mark.parametrize(
    "change",
    [
        {"args": ("other",)},
        {"env": {"A": "b"}},
        {"seed": 1},
        {"epoch": 1.0},
        {"cpus": 2},
        {"limits": Limits(memory=512 << 20)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_sandbox_is_another_machine(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str, change: dict[str, object]
) -> None:
    path = plugin_path("hello", go_version)
    box = Sandbox(**change)  # type: ignore[arg-type]
    for sandbox, uses in ((Sandbox(), False), (box, False), (Sandbox(), True), (box, True)):
        with Machine(sandbox) as machine:
            assert machine.open(path).from_cache is uses


def test_another_file_is_another_machine(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str, tmp_path: Path
) -> None:
    path = tmp_path / "p.so"
    hello, add = plugin_path("hello", go_version), plugin_path("add", go_version)

    def exports() -> tuple[bool, list[str]]:
        with Machine() as machine:
            plugin = machine.open(path)
            return plugin.from_cache, sorted(plugin.exports)

    shutil.copy(hello, path)
    assert exports() == (False, ["F", "V"])
    assert exports() == (True, ["F", "V"])
    shutil.copy(add, path)  # the same inode
    assert exports() == (False, ["Add"])
    assert exports() == (True, ["Add"])
    # Touched, not changed: it is read again, and known.
    os.utime(path)
    assert exports() == (True, ["Add"])
    status = path.stat()
    shutil.copy(hello, path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert exports()[1] == ["F", "V"]


def test_a_file_that_is_changed_while_it_is_open(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str, tmp_path: Path
) -> None:
    """What is mapped is the cache's; the file is needed for what nobody has asked for before."""
    path = tmp_path / "p.so"
    shutil.copy(plugin_path("add", go_version), path)
    with Machine() as machine:
        machine.open(path)
    with Machine() as machine, Machine() as other:
        plugin, kept = machine.open(path), other.open(path)
        path.unlink()  # what is open stays readable
        assert kept["Add"](2, 3) == 5
        assert "main.Nothing" not in kept.types
        path.write_bytes(b"something else")
        assert plugin["Add"](2, 3) == 5
        assert machine.program.symbol("runtime.memmove") is not None
    shutil.copy(plugin_path("add", go_version), path)
    for _ in range(2):
        time.sleep(0.1)  # so that it is known to be unchanged, and not read
        with Machine() as machine:
            machine.open(path)
    with Machine() as machine:
        plugin = machine.open(path)
        with path.open("r+b") as file:  # the same file, other contents
            file.write(b"something else")
        with pytest.raises(OpenError, match="was changed since the plugin was opened"):
            machine.program.symbol("runtime.memmove")
        assert plugin["Add"](1, 2) == 3


def test_what_is_not_kept(cache: CacheFolder, plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("hello", go_version)
    for box, reason in ((Sandbox(seed=None), ""), (Sandbox(clock="host"), "")):
        for _ in range(2):
            with Machine(box) as machine:
                plugin = machine.open(path)
                assert not plugin.from_cache
                assert plugin.not_cached == reason
    assert list(cache.entries()) == []


def test_switches(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plugin_path("hello", go_version)
    emuplugin.open(path, cache=False)
    assert not cache.path.exists()
    monkeypatch.setenv(SWITCH, "off")
    assert Machine().open(path).not_cached == "the cache is switched off"
    monkeypatch.setenv(SWITCH, str(cache.path))
    assert not Machine().open(path).from_cache
    assert emuplugin.open(path, Sandbox()).from_cache
    assert not emuplugin.open(path, Sandbox(), cache=False).from_cache
    monkeypatch.setenv(SWITCH, "off")
    assert not Machine().open(path).from_cache


def test_where_it_cannot_be_written(
    plugin_path: PluginPath, go_version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(SWITCH, str(tmp_path / "file" / "cache"))
    with Machine() as machine:
        plugin = machine.open(plugin_path("add", go_version))
        assert "cannot be written" in plugin.not_cached
        assert plugin["Add"](1, 2) == 3


def test_mounts_that_inits_do_not_look_at(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("one")
    box = Sandbox(mounts={"/data": Mount(tmp_path)}, files={"/f": "x"})
    for uses in (False, True):
        with Machine(box) as machine:
            plugin = machine.open(plugin_path("runtime", go_version))
            assert plugin.from_cache is uses
            assert plugin["ReadFile"]("/data/a") == b"one"
            assert plugin["ReadFile"]("/f") == b"x"
            assert plugin["WriteFile"]("/tmp/y", b"z") is None


def test_several_at_once(cache: CacheFolder, plugin_path: PluginPath, go_version: str) -> None:
    """Threads and processes that open the same for the first time."""
    path = plugin_path("add", go_version)
    code = (
        "import emuplugin, sys\n"
        "for _ in range(3):\n"
        "    p = emuplugin.open(sys.argv[1], emuplugin.Sandbox())\n"
        "    assert p['Add'](1, 2) == 3\n"
    )
    environment = {**os.environ, SWITCH: str(cache.path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], env=environment) for _ in range(3)
    ]
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(3):
                with Machine() as machine:
                    assert machine.open(path)["Add"](1, 2) == 3
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert failures == []
    assert len([name for name, _, _ in cache.entries()]) == 1


def test_room_is_made_for_new_ones(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("hello", "add", "composites")
    for name in names:
        with Machine() as machine:
            assert machine.open(plugin_path(name, go_version)).not_cached == ""
        time.sleep(0.02)
    sizes = {name: size for name, size, _ in cache.entries()}
    assert len(sizes) == 3
    with Machine() as machine:  # used last
        assert machine.open(plugin_path("hello", go_version)).from_cache
    small = CacheFolder(cache.path, limit=sum(sizes.values()) - 1)
    small.shrink()
    assert len(list(small.entries())) == 2
    assert len(list((cache.path / "links").iterdir())) == 2
    for name, uses in zip(names, (True, False, True), strict=True):
        with Machine() as machine:
            assert machine.open(plugin_path(name, go_version)).from_cache is uses
    writer.wait()
    assert cache.clear() == 3
    assert list(cache.entries()) == []


def test_the_format_is_the_documented_one(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str
) -> None:
    with Machine() as machine:
        assert machine.open(plugin_path("hello", go_version)).not_cached == ""
    (entry,) = (cache.path / "machines").iterdir()
    magic, line, rest = entry.read_bytes().split(b"\n", 2)
    assert magic == b"emuplugin machine 1"
    length = int(line.split()[0])
    description = json.loads(rest[:length])
    assert {"entry", "path", "go", "description", "runs", "pages"} == description.keys()
    assert entry.stat().st_mode & 0o077 == 0
