"""``machine.files``: the guest's files from Python, and files given in."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from emuplugin import ClosedError, GoError, Limits, Machine, Mount, Sandbox
from emuplugin.guest_files import GuestFiles
from emuplugin.plugin import Plugin
from tests.files.conftest import Open


@pytest.fixture(scope="module")
def plugin(open_files: Open) -> Plugin:
    return open_files(files={"/data/in.txt": "given: ü", "/data/raw": b"\xff\0", "/etc/motd": "hi"})


@pytest.fixture(scope="module")
def files(plugin: Plugin) -> GuestFiles:
    return plugin.machine.files


def test_files_given_in(plugin: Plugin, files: GuestFiles) -> None:
    assert plugin.lookup("Read")("/data/in.txt") == "given: ü"
    assert files["/data/raw"].read_bytes() == b"\xff\0"
    assert plugin.lookup("Read")("/etc/motd") == "hi"
    # They are the plugin's own, but not what lies around them.
    assert plugin.lookup("Write")("/data/in.txt", "changed") is None
    assert files["/data/in.txt"].read_text() == "changed"
    with pytest.raises(GoError, match="permission denied"):
        plugin.lookup("Write")("/etc/motd2", "x")


def test_written_in_go_and_read_in_python(plugin: Plugin, files: GuestFiles) -> None:
    plugin.lookup("Write")("/tmp/out", "from Go")
    out = files["/tmp/out"]
    assert out.read_bytes() == b"from Go"
    assert (out.exists(), out.is_file(), out.is_dir(), out.is_symlink()) == (
        True, True, False, False,
    )  # fmt: skip
    assert (out.stat().size, stat.S_IMODE(out.stat().mode), out.stat().uid) == (7, 0o644, 1000)
    assert out.stat().modified >= 1767225600  # where the virtual clock starts
    out.write_text("from Python")
    assert plugin.lookup("Read")("/tmp/out") == "from Python"
    out.unlink()
    with pytest.raises(GoError, match="no such file"):
        plugin.lookup("Read")("/tmp/out")
    assert not out.exists()
    assert "/tmp/out" not in files


def test_folders(files: GuestFiles) -> None:
    top = files["/tmp/folders"]
    (top / "a" / "b").mkdir(parents=True)
    (top / "a/file").write_bytes(b"x" * 5000)
    (top / "link").symlink_to("a/file")
    assert (top / "link").read_bytes() == b"x" * 5000
    assert (top / "link").readlink() == "a/file"
    assert [str(path) for path in top.walk()] == [
        "/tmp/folders/a", "/tmp/folders/a/b", "/tmp/folders/a/file", "/tmp/folders/link",
    ]  # fmt: skip
    assert [path.name for path in top.iterdir()] == ["a", "link"]
    assert {"/dev", "/etc", "/proc", "/tmp"} <= {str(path) for path in files}
    assert not any(str(path).startswith("/proc/") for path in files.walk())
    with pytest.raises(OSError, match="not empty"):
        (top / "a").rmdir()
    (top / "a/b").rmdir()
    (top / "a/file").rename(top / "moved")
    (top / "moved").chmod(0o600)
    assert stat.S_IMODE((top / "moved").stat().mode) == 0o600
    assert (top / "a").parent == top
    top.mkdir(exist_ok=True)


def test_errors_are_pythons(files: GuestFiles) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        files["/tmp/missing"].read_bytes()
    assert caught.value.filename == "/tmp/missing"
    with pytest.raises(IsADirectoryError):
        files["/tmp"].read_bytes()
    with pytest.raises(IsADirectoryError):
        files["/tmp"].write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        files["/etc/passwd/x"].read_bytes()
    with pytest.raises(NotADirectoryError):
        files["/etc/passwd"].iterdir()
    with pytest.raises(FileExistsError):
        files["/tmp"].mkdir()
    with pytest.raises(FileNotFoundError):
        files["/tmp/missing"].unlink()
    files["/tmp/missing"].unlink(missing_ok=True)
    with pytest.raises(OSError, match="ead-only"):
        files["/sys/x"].write_bytes(b"")
    with pytest.raises(PermissionError):
        files["/proc/x"].mkdir()
    for wrong in ("tmp", "", "/a\0b"):
        with pytest.raises(ValueError, match="absolute path"):
            files[wrong]
    assert files["/proc/self/cmdline"].read_bytes() == b"plugin\0"


def test_python_may_do_what_the_plugin_may_not(plugin: Plugin, files: GuestFiles) -> None:
    files["/root/secret"].write_text("hidden")
    files["/root/secret"].chmod(0)
    assert files["/root/secret"].read_text() == "hidden"
    with pytest.raises(GoError, match="permission denied"):
        plugin.lookup("Read")("/root/secret")


def test_mounts_from_python(open_files: Open, new_folder: Callable[[], Path]) -> None:
    folders = {mode: new_folder() for mode in ("read", "write", "overlay")}
    for folder in folders.values():
        (folder / "file").write_text("host")
    mounts = {f"/{mode}": Mount(folder, mode) for mode, folder in folders.items()}  # type: ignore[arg-type]
    files = open_files(mounts=mounts).machine.files
    for mode in folders:
        assert files[f"/{mode}/file"].read_text() == "host"
    for mode in ("write", "overlay"):
        files[f"/{mode}/file"].write_text("changed")
        assert files[f"/{mode}/file"].read_text() == "changed"
    with pytest.raises(OSError, match="ead-only"):
        files["/read/file"].write_text("changed")
    with pytest.raises(OSError, match="ead-only"):
        files["/read/new"].write_text("changed")
    texts = {mode: (folder / "file").read_text() for mode, folder in folders.items()}
    assert texts == {"read": "host", "write": "changed", "overlay": "host"}


def test_when_there_are_files(open_files: Open) -> None:
    machine = Machine()
    with pytest.raises(ClosedError, match="nothing was opened"):
        machine.files["/tmp"].exists()
    plugin = open_files(limits=Limits(memory=256 << 20, file_bytes=1000))
    with pytest.raises(Exception, match="file_bytes"):
        plugin.lookup("Write")("/tmp/x", "y" * 5000)
    assert plugin.machine.state == "dead"
    assert plugin.machine.files["/tmp/x"].read_bytes() == b""
    plugin.machine.close()
    with pytest.raises(ClosedError, match="files are gone"):
        plugin.machine.files["/tmp"].iterdir()


def test_files_that_cannot_be(open_files: Open) -> None:
    for files in ({"/etc/passwd/x": ""}, {"/tmp": ""}, {"/a": "", "/a/b": ""}):
        with pytest.raises(ValueError, match="cannot be made"):
            open_files(files=files)
    assert Sandbox(files={"/a/b": ""}).files == {"/a/b": ""}


def test_mounts_in_mounts(open_files: Open, new_folder: Callable[[], Path]) -> None:
    outer, inner, whole = new_folder(), new_folder(), new_folder()
    (outer / "file").write_text("outer")
    (inner / "file").write_text("inner")
    (whole / "etc").mkdir()
    (whole / "etc/passwd").write_text("of the whole")
    files = open_files(mounts={"/a": Mount(outer), "/a/b": Mount(inner, "write")}).machine.files
    assert [files[path].read_text() for path in ("/a/file", "/a/b/file")] == ["outer", "inner"]
    assert [str(path) for path in files["/a"].iterdir()] == ["/a/b", "/a/file"]
    files["/a/b/new"].write_text("x")
    assert sorted(path.name for path in inner.iterdir()) == ["file", "new"]
    with pytest.raises(OSError, match="ead-only"):
        files["/a/new"].write_text("x")
    # No folder of the host is made to mount something in it.
    with pytest.raises(ValueError, match="cannot be made"):
        open_files(mounts={"/a": Mount(outer, "write"), "/a/b/c": Mount(inner)})
    assert [path.name for path in outer.iterdir()] == ["file"]
    plugin = open_files(mounts={"/": Mount(whole, "overlay")})
    assert plugin.lookup("Read")("/etc/passwd") == "of the whole"
    assert plugin.lookup("Write")("/tmp/x", "y") is None
    assert plugin.lookup("Read")("/proc/self/comm") == "plugin\n"
    assert plugin.lookup("Write")("/new", "y") is None
    assert [path.name for path in whole.iterdir()] == ["etc"]
