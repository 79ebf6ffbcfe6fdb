"""Inits that do something: which machines are kept, and that they go on as any other."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import emuplugin
from emuplugin import Limits, Machine, Mount, Sandbox
from emuplugin.cache.folder import CacheFolder
from emuplugin.report import Report
from emuplugin.snapshots.saved import save
from tests.conftest import PluginPath

from .same import differences
from .test_damage import rewrite, spoil

#: What the fixture does in its init, and has then in the machine.
KEPT = (
    "", "print", "ask", "open", "write", "gone", "pipe", "sleep", "notify", "place", "exec", "raw",
)  # fmt: skip
REFUSED = {
    "stdin": "its inits have read standard input",
    "much": "its inits have printed much",
    "listen": "its inits have asked for connections",
    "mmap": "its inits have mapped files",
    "alarm": "its inits made the system calls alarm",
    "self": "its inits have made something that is not kept (Descriptors)",
    "data": "its inits have looked at files of the host",
    "lock": "its inits have made something that is not kept (MemoryFile.locks: Locks)",
}
FILES = {"/config": "some configuration", "/home/user/config": b"x"}


@pytest.fixture
def startup(cache: CacheFolder, plugin_path: PluginPath, go_version: str) -> Path:
    return plugin_path("startup", go_version)


def box(does: str, **changes: Any) -> Sandbox:
    """A sandbox in which the fixture does that, with streams of its own."""
    streams = {"stdout": io.BytesIO(), "stderr": io.BytesIO()}
    return Sandbox(**{"env": {"INIT": does}, "files": FILES, **streams, **changes})


def printed(sandbox: Sandbox) -> tuple[bytes, bytes]:
    assert isinstance(sandbox.stdout, io.BytesIO)
    assert isinstance(sandbox.stderr, io.BytesIO)
    return sandbox.stdout.getvalue(), sandbox.stderr.getvalue()


def told(machine: Machine) -> Report:
    """The report without what depends on the host's speed."""
    return replace(machine.report, host_seconds=0)


@pytest.mark.parametrize("does", KEPT)
def test_it_goes_on_as_if_it_had_done_it_itself(startup: Path, does: str) -> None:
    first, second, third = box(does), box(does), box(does)
    with Machine(first, cache=False) as cold, Machine(second) as kept, Machine(third) as warm:
        plugins = [machine.open(startup) for machine in (cold, kept)]
        assert plugins[1].not_cached == ""
        plugins.append(warm.open(startup))
        assert [plugin.from_cache for plugin in plugins] == [False, False, True]
        assert differences(kept.program, warm.program) == []
        assert save(kept.program) == save(warm.program)
        assert told(cold) == told(kept) == told(warm)
        assert printed(first) == printed(second) == printed(third)
        seen = [list(plugin["Seen"].value) for plugin in plugins]
        assert seen[0] == seen[1] == seen[2]
        found = [list(plugin["Continue"]()) for plugin in plugins]
        assert found[0] == found[1] == found[2]
        assert told(cold) == told(kept) == told(warm)
        # Nothing of one machine is another's, nor the cache's.
        warm.reset()
        assert list(plugins[2]["Seen"].value) == seen[0]
        assert list(plugins[2]["Continue"]()) == found[0]
        with warm.clone() as clone:
            assert differences(warm.program, clone.program) == []


@pytest.mark.parametrize("does", REFUSED)
def test_what_is_not_kept(startup: Path, tmp_path: Path, does: str) -> None:
    (tmp_path / "a").write_text("A")
    for _ in range(2):
        with Machine(box(does, mounts={"/data": Mount(tmp_path)})) as machine:
            plugin = machine.open(startup)
            assert not plugin.from_cache
            assert plugin.not_cached == REFUSED[does]


@pytest.mark.parametrize("mode", ["read", "write", "overlay"])
def test_mounts_that_are_not_looked_at(startup: Path, tmp_path: Path, mode: Any) -> None:
    """Inits that look at files, but not at these; and a mount that holds all others."""
    mount = Mount(tmp_path, mode)
    for does, place, reason in (
        ("ask", "/data", ""),
        ("ask", "/deep/er", ""),
        ("ask", "/etc", REFUSED["data"]),
        ("", "/etc", ""),
    ):
        for uses in (False, not reason):
            with Machine(box(does, mounts={place: mount})) as machine:
                plugin = machine.open(startup)
                assert (plugin.from_cache, plugin.not_cached) == (uses, reason)
    (tmp_path / "etc").mkdir()
    with Machine(Sandbox(env={"INIT": "ask"}, mounts={"/": mount})) as machine:
        assert machine.open(startup).not_cached == REFUSED["data"]


class Removing(io.StringIO):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def write(self, text: str) -> int:
        if self.folder.exists():
            self.folder.rmdir()
        return super().write(text)


@pytest.mark.skipif(sys.platform == "win32", reason="folders in use are not removed there")
def test_mounts_that_go_meanwhile(startup: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    box_of_it = box("tell", mounts={"/data": Mount(folder)}, stdout=Removing(folder))
    with Machine(box_of_it) as machine:
        plugin = machine.open(startup)
        assert "a mounted folder is gone" in plugin.not_cached
        assert len(plugin["Seen"].value) > 10


def test_what_is_in_files_matters_to_who_looks(startup: Path) -> None:
    def seen(does: str, files: dict[str, Any]) -> tuple[bool, list[str]]:
        with Machine(box(does, files=files)) as machine:
            plugin = machine.open(startup)
            assert plugin.not_cached == ""
            return plugin.from_cache, list(plugin["Seen"].value)

    other = {**FILES, "/config": "another configuration"}
    used, found = seen("ask", FILES)
    assert not used
    assert '"some configuration" <nil>' in found
    used, others = seen("ask", other)
    assert not used
    assert '"another configuration" <nil>' in others
    assert seen("ask", FILES) == (True, found)
    assert seen("ask", other) == (True, others)
    # Text or bytes, it is the same file; but inodes are numbered in their order.
    assert seen("ask", {**FILES, "/config": b"some configuration"}) == (True, found)
    used, turned = seen("ask", dict(reversed(FILES.items())))
    assert not used
    assert turned != found
    for files, uses in ((FILES, False), (other, True), (FILES, True)):
        assert seen("", files) == (uses, [])


def test_environment_in_another_order(
    cache: CacheFolder, plugin_path: PluginPath, go_version: str
) -> None:
    path = plugin_path("runtime", go_version)
    for env in ({"A": "1", "B": "2"}, {"B": "2", "A": "1"}):
        for uses in (False, True):
            with Machine(Sandbox(env=env)) as machine:
                plugin = machine.open(path)
                assert plugin.not_cached == ""
                assert plugin.from_cache is uses


# --- what was printed -----------------------------------------------------------------------------


def test_output_comes_in_its_order(startup: Path) -> None:
    texts = set()
    for uses in (False, True):
        out = io.BytesIO()
        with Machine(box("print", stdout=out, stderr=out)) as machine:
            plugin = machine.open(startup)
            assert plugin.not_cached == ""
            assert plugin.from_cache is uses
            texts.add(out.getvalue())
    assert texts == {b"out 1, err 1, out 2 \xff\nerr 2\n"}


def test_a_reset_prints_again(startup: Path) -> None:
    counts = []
    for uses in (False, True):
        sandbox = box("print")
        with Machine(sandbox) as machine:
            plugin = machine.open(startup)
            assert plugin.not_cached == ""
            assert plugin.from_cache is uses
            for _ in range(3):
                machine.reset()
            counts.append(printed(sandbox)[0].count(b"out 1"))
    assert counts == [4, 4]


def test_a_reset_prints_all_again(startup: Path) -> None:
    """Also what is too much to be remembered."""
    sandbox = box("much")
    with Machine(sandbox) as machine:
        machine.open(startup)
        for _ in range(3):
            machine.reset()
        assert printed(sandbox)[0] == b"much " * 50_000 * 4


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError("nobody reads it")


def test_a_stream_that_breaks(startup: Path) -> None:
    """The same error, and a dead machine."""
    with Machine(box("print")) as machine:
        assert machine.open(startup).not_cached == ""
    for cache in (False, True):
        with Machine(box("print", stdout=Broken()), cache=cache) as machine:
            with pytest.raises(BrokenPipeError, match="nobody reads it"):
                machine.open(startup)
            assert machine.state == "dead"
            assert machine.plugins == ()


def test_limits_count_what_was_printed(startup: Path) -> None:
    limits = Limits(output=100)
    for uses in (False, True):
        with Machine(box("print", limits=limits)) as machine:
            plugin = machine.open(startup)
            assert plugin.not_cached == ""
            assert plugin.from_cache is uses
            assert machine.report.output_bytes == 28
    with (
        Machine(box("much", limits=limits)) as machine,
        pytest.raises(emuplugin.InitError, match="printed more than 100 bytes"),
    ):
        machine.open(startup)


# --- entries that somebody has changed ------------------------------------------------------------


@pytest.mark.parametrize("does", ["print", "write", "pipe", "raw", "open"])
@pytest.mark.parametrize("number", range(8))
def test_objects_that_make_no_sense(
    cache: CacheFolder, startup: Path, does: str, number: int
) -> None:
    """As who knows the format could write them: another entry is made, or the machine is one that
    comes to some end."""
    with Machine(box(does)) as machine:
        plugin = machine.open(startup)
        assert plugin.not_cached == ""
        seen, found = list(plugin["Seen"].value), list(plugin["Continue"]())
    (entry,) = (cache.path / "machines").iterdir()
    rewrite(entry, lambda whole: spoil(whole["description"], ("objects", "kernel"), number))
    with Machine(box(does)) as machine:
        try:
            plugin = machine.open(startup)
            if not plugin.from_cache:
                assert list(plugin["Seen"].value) == seen
                assert list(plugin["Continue"]()) == found
            else:
                plugin["Continue"]()
        except emuplugin.EmupluginError:
            assert machine.life.booted is not None


def test_classes_that_are_none_of_ours(cache: CacheFolder, startup: Path) -> None:
    """No data lead to other objects than those that inits can leave."""
    names = ["Kernel", "os.system", "Machine", "object", "Stream", "Tree", "Files", "HostFile", ""]
    for name in names:
        with Machine(box("raw")) as machine:
            assert machine.open(startup).not_cached == ""
        (entry,) = (cache.path / "machines").iterdir()

        def forge(whole: dict[str, Any], name: str = name) -> None:
            whole["description"]["objects"]["made"][0][0] = name

        rewrite(entry, forge)
        with Machine(box("raw")) as machine:
            plugin = machine.open(startup)
            assert not plugin.from_cache, name
            assert plugin.not_cached == ""
