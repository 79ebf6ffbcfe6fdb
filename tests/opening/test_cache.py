"""One plugin per file: by real path, from several threads, until it is replaced or closed."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import emuplugin
from emuplugin import ClosedError, Machine
from tests.conftest import PluginPath
from tests.values.symbols import func_of, var_of


@pytest.fixture
def file(tmp_path: Path, plugin_path: PluginPath, go_version: str) -> Path:
    """A copy of hello that this test may do with as it likes."""
    return Path(shutil.copy(plugin_path("hello", go_version), tmp_path / "hello.so"))


def test_one_plugin_by_real_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = emuplugin.open(file)
    folder = file.parent
    (folder / "sub").mkdir()
    (folder / "link.so").symlink_to(file)
    (folder / "link to link").symlink_to("link.so")
    monkeypatch.chdir(folder)
    for name in (
        str(file),
        folder / "sub" / ".." / "hello.so",
        "./hello.so",
        folder / "link.so",
        "link to link",
    ):
        assert emuplugin.open(name) is plugin
    assert plugin.machine.open("link.so") is plugin
    plugin.close()


def test_concurrent_opens_share_one_plugin(file: Path) -> None:
    start = threading.Barrier(8)

    def open_it(_: int) -> emuplugin.Plugin:
        start.wait()
        return emuplugin.open(file)

    with ThreadPoolExecutor(8) as pool:
        plugins = list(pool.map(open_it, range(8)))
    assert len({id(plugin) for plugin in plugins}) == 1
    plugins[0].close()


def test_concurrent_opens_in_one_machine(file: Path) -> None:
    other = Path(shutil.copy(file, file.with_name("copy.so")))
    with Machine() as machine, ThreadPoolExecutor(6) as pool:
        plugins = list(pool.map(lambda _: machine.open(file), range(6)))
        assert len({id(plugin) for plugin in plugins}) == 1
        with pytest.raises(emuplugin.AlreadyLoadedError):
            machine.open(other)


def test_different_files_open_concurrently(
    tmp_path: Path, plugin_path: PluginPath, go_version: str
) -> None:
    names = ("hello", "add", "unnamed", "scalars")
    paths = [plugin_path(name, go_version) for name in names]
    files = [shutil.copy(path, tmp_path / f"{n}.so") for n, path in zip(names, paths, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        plugins = list(pool.map(emuplugin.open, files))
    assert len({id(plugin.machine) for plugin in plugins}) == 4
    for plugin in plugins:
        assert plugin.exports
        plugin.close()


def test_a_replaced_file_is_another_plugin(
    file: Path, plugin_path: PluginPath, go_version: str
) -> None:
    first = emuplugin.open(file)
    replacement = shutil.copy(plugin_path("add", go_version), file.with_suffix(".new"))
    os.replace(replacement, file)
    second = emuplugin.open(file)
    assert second is not first
    assert func_of(second, "Add")(1, 2) == 3
    assert var_of(first, "V").value == 0  # what was opened before still works
    first.close()
    second.close()


def test_a_closed_plugin_is_opened_anew(file: Path) -> None:
    first = emuplugin.open(file)
    var_of(first, "V").value = 1
    first.close()
    second = emuplugin.open(file)
    assert second is not first
    assert var_of(second, "V").value == 0
    second.close()


def test_what_is_closed_says_so(file: Path) -> None:
    plugin = emuplugin.open(file)
    variable, function, machine = var_of(plugin, "V"), func_of(plugin, "F"), plugin.machine
    assert machine.state == "running"
    plugin.close()
    plugin.close()  # a second time is fine
    assert machine.state == "closed"
    with pytest.raises(ClosedError, match="closed"):
        function()
    with pytest.raises(ClosedError, match="closed"):
        _ = variable.value
    with pytest.raises(ClosedError, match="closed"):
        variable.value = 3
    with pytest.raises(ClosedError, match="closed"):
        plugin.lookup("F")
    with pytest.raises(ClosedError, match="closed"):
        machine.open(file)
    for thing in (plugin, function, machine):
        assert repr(thing)


def test_a_machine_that_nobody_holds_goes_away(file: Path) -> None:
    before = threading.active_count()
    plugin = emuplugin.open(file)
    func_of(plugin, "F")()
    gone = weakref.ref(plugin.machine)
    del plugin
    gc.collect()
    assert gone() is None
    for thread in threading.enumerate():
        if thread.name == "emuplugin-watchdog":
            thread.join(10)
    assert threading.active_count() <= before


def test_memory_is_given_back_at_close(file: Path) -> None:
    machine = Machine()
    plugin = machine.open(file)
    assert machine.memory.read(var_of(plugin, "V").address, 8) == bytes(8)
    machine.close()
    with pytest.raises(ClosedError):
        _ = machine.memory
