"""Ways out of a mounted folder. Beside it lies a secret, and each way to it is tried."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from emuplugin import Mount
from emuplugin.runtime_shims.kernel import linux
from emuplugin.runtime_shims.kernel.fs import host
from emuplugin.runtime_shims.kernel.fs.host_calls import DirFdCalls
from emuplugin.runtime_shims.kernel.fs.host_paths import PathCalls, check_name
from tests.files.guest import BUFFER, Guest

Mode = Literal["read", "write", "overlay"]
Make = Callable[[Mode], Guest]
SECRET = b"the secret"
MODES: tuple[Mode, ...] = ("read", "write", "overlay")
CREATE = linux.O_CREAT | linux.O_RDWR

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes links, fifos and devices")


class Scene:
    """A folder ``mounted`` with the secret in its neighbour ``outside``."""

    def __init__(self, top: Path) -> None:
        self.top, self.mounted, self.outside = top, top / "mounted", top / "outside"
        for folder in (self.mounted, self.outside, self.mounted / "inner"):
            folder.mkdir()
        self.secret = self.outside / "secret"
        self.secret.write_bytes(SECRET)
        (self.mounted / "file").write_bytes(b"granted")
        (self.mounted / "inner/file").write_bytes(b"granted, too")
        self._before = self.state()

    def state(self) -> list[tuple[str, int, int, bytes]]:
        """All that is outside of the mount."""
        found = []
        for path in sorted([self.top, self.outside, *self.outside.rglob("*")]):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found.append((str(path), status.st_mode, status.st_size, content))
        return found

    def check(self) -> None:
        """Nothing outside has changed."""
        assert self.state() == self._before
        assert sorted(os.listdir(self.top)) == ["mounted", "outside"]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.check()


@pytest.fixture(params=[DirFdCalls, PathCalls], ids=["by_descriptors", "by_paths"])
def mount(
    scene: Scene, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """Mounts the folder at /m, by both ways to work on hosts."""
    monkeypatch.setattr(host, "host_calls", request.param)
    guests = []

    def make(mode: Mode) -> Guest:
        guests.append(Guest(mounts={"/m": Mount(scene.mounted, mode)}))
        return guests[-1]

    yield make
    for guest in guests:
        guest.close()


@pytest.mark.parametrize("mode", MODES)
def test_what_is_granted(mount: Make, mode: Mode) -> None:
    """Else the other tests would prove nothing."""
    guest = mount(mode)
    assert guest.content("/m/file") == b"granted"
    assert guest.content("/m/inner/file") == b"granted, too"
    assert guest.names("/m") == ["file", "inner"]


@pytest.mark.parametrize("mode", MODES)
def test_dots(mount: Make, scene: Scene, mode: Mode) -> None:
    guest = mount(mode)
    for path in (
        "/m/../outside/secret",
        "/m/inner/../../outside/secret",
        "/m/inner/../../../../../../../.." + str(scene.secret),
        "/m/./../m/../outside/secret",
        "/m//..//outside//secret",
        str(scene.secret),
        f"/m{scene.secret}",
    ):
        assert guest.content(path) == -linux.ENOENT, path
    # Above the mount is the guest's own root, from wherever one goes up.
    fd = guest.open("/m/inner", linux.O_DIRECTORY)
    assert guest.openat(fd, "../../outside/secret") == -linux.ENOENT
    up = guest.openat(fd, "../..", linux.O_DIRECTORY)
    assert guest.call("fchdir", up) == 0
    assert guest.call("getcwd", BUFFER, 100) == 2
    assert guest.call("chdir", "/m/inner") == 0
    assert guest.content("../../outside/secret") == -linux.ENOENT
    assert guest.content("../../m/file") == b"granted"
    how = (0).to_bytes(8, "little") * 2 + linux.RESOLVE_IN_ROOT.to_bytes(8, "little")
    at = guest.put(how, BUFFER + 2048)
    assert guest.call("openat2", fd, "../../../outside/secret", at, 24) == -linux.ENOENT


@pytest.mark.parametrize("mode", MODES)
def test_links_of_the_host(mount: Make, scene: Scene, mode: Mode) -> None:
    """Links that lie in the folder are paths of the guest: the host never follows them."""
    targets = {
        "relative": "../outside/secret",
        "absolute": str(scene.secret),
        "folder": "../outside",
        "absolute_folder": str(scene.outside),
        "up": "..",
        "root": "/",
        "chain": "relative",
        "proc": "/proc/self/root" + str(scene.secret),
        "fd": "/proc/self/fd/0",
        "loop": "loop",
    }
    for name, target in targets.items():
        (scene.mounted / name).symlink_to(target)
    guest = mount(mode)
    for path in (
        "relative", "absolute", "folder/secret", "absolute_folder/secret", "up/outside/secret",
        f"root{scene.secret}", "chain", "proc",
    ):  # fmt: skip
        for flags in (linux.O_RDONLY, linux.O_RDWR, linux.O_PATH, linux.O_WRONLY | linux.O_TRUNC):
            assert guest.open("/m/" + path, flags) == -linux.ENOENT, path
        for call in ("stat", "chmod", "truncate", "access", "chdir"):
            assert guest.call(call, "/m/" + path, 0) == -linux.ENOENT, (call, path)
    assert guest.names("/m/root") == guest.names("/")
    assert guest.names("/m/up") == guest.names("/")
    assert guest.open("/m/loop") == -linux.ELOOP
    assert guest.readlink("/m/relative") == b"../outside/secret"
    assert guest.open("/m/relative", linux.O_NOFOLLOW) == -linux.ELOOP
    # A link that points to a place of the guest leads there.
    (scene.mounted / "good").symlink_to("/m/inner/file")
    assert guest.content("/m/good") == b"granted, too"


@pytest.mark.parametrize("mode", ["write", "overlay"])
def test_links_of_the_guest(mount: Make, scene: Scene, mode: Mode) -> None:
    guest = mount(mode)
    assert guest.call("symlink", "../outside/secret", "/m/a") == 0
    assert guest.call("symlink", str(scene.outside), "/m/b") == 0
    assert guest.content("/m/a") == -linux.ENOENT
    assert guest.content("/m/b/secret") == -linux.ENOENT
    assert guest.open("/m/b/new", CREATE) == -linux.ENOENT
    # A dangling link creates its target: in the guest's tree, where there is no such folder.
    assert guest.open("/m/a", CREATE) == -linux.ENOENT
    assert guest.call("rename", "/m/file", "/m/b/file") == -linux.ENOENT
    assert guest.call("link", "/m/a", "/m/c") == 0  # the link itself
    assert guest.readlink("/m/c") == b"../outside/secret"


@pytest.mark.parametrize("mode", MODES)
def test_hard_links_that_are_there(mount: Make, scene: Scene, mode: Mode) -> None:
    """Who puts a second name of a file into the folder grants what it holds, but not to change
    it: nobody can see where its other names are."""
    os.link(scene.secret, scene.mounted / "linked")
    guest = mount(mode)
    assert guest.content("/m/linked") == SECRET
    fd = guest.open("/m/linked", linux.O_RDWR)
    expected = {"read": -linux.EROFS, "write": -linux.EACCES}
    if mode in expected:
        assert fd == expected[mode]
        assert guest.call("truncate", "/m/linked", 0) == expected[mode]
        assert guest.call("chmod", "/m/linked", 0) == expected[mode]
        assert guest.call("utimes", "/m/linked", 0) == expected[mode]
        assert guest.open("/m/linked", linux.O_WRONLY | linux.O_TRUNC) == expected[mode]
    else:
        assert guest.write(fd, b"changed") == 7
        assert guest.content("/m/linked") == b"changedret"
        assert guest.call("truncate", "/m/linked", 0) == 0
    if mode == "write":
        # Its own second names are another matter.
        assert guest.call("link", "/m/file", "/m/own") == 0
        own = guest.open("/m/own", linux.O_RDWR)
        assert guest.write(own, b"GRANTED") == 7
        assert guest.content("/m/file") == b"GRANTED"
        assert guest.call("unlink", "/m/own") == 0
        assert guest.open("/m/file", linux.O_RDWR) > 0
        # A third name for a foreign file does not make it one's own.
        assert guest.call("link", "/m/linked", "/m/third") == 0
        assert guest.open("/m/third", linux.O_RDWR) == -linux.EACCES


@pytest.mark.parametrize("mode", MODES)
def test_hard_links_across(mount: Make, mode: Mode) -> None:
    guest = mount(mode)
    guest.open("/tmp/mine", CREATE)
    expected = -linux.EROFS if mode == "read" else -linux.EXDEV
    assert guest.call("link", "/tmp/mine", "/m/new") == expected
    assert guest.call("link", "/m/file", "/tmp/new") == -linux.EXDEV
    assert guest.call("link", "/proc/self/fd/0", "/m/new") == expected
    assert guest.call("rename", "/m/file", "/tmp/new") == -linux.EXDEV
    assert guest.call("rename", "/tmp/mine", "/m/new") == -linux.EXDEV


@pytest.mark.parametrize("mode", MODES)
def test_proc(mount: Make, scene: Scene, mode: Mode) -> None:
    guest = mount(mode)
    fd = guest.open("/m/inner", linux.O_DIRECTORY)
    for path in (
        f"/proc/self/fd/{fd}/../../outside/secret",
        f"/proc/self/root{scene.secret}",
        f"/proc/self/cwd{scene.secret}",
        f"/proc/2/root/..{scene.secret}",
        "/proc/self/exe",
        "/proc/1/root",
        "/proc/self/mem",
        "/proc/kcore",
        f"/dev/fd/{fd}/../../../outside/secret",
    ):
        assert guest.open(path) == -linux.ENOENT, path
    assert guest.content(f"/proc/self/fd/{fd}/file") == b"granted, too"
    assert guest.readlink(f"/proc/self/fd/{fd}") == b"/m/inner"
    # What was opened for reading only does not become writable by being opened again there.
    file = guest.open("/m/file")
    again = guest.open(f"/proc/self/fd/{file}", linux.O_RDWR)
    assert again == -linux.EROFS if mode == "read" else again > 0
    # No path of the host, in whatever can be read.
    folder = os.fsencode(scene.mounted)
    for name in ("maps", "mounts", "mountinfo", "cmdline", "environ", "status", "limits", "stat"):
        text = guest.content(f"/proc/self/{name}")
        assert isinstance(text, bytes)
        assert folder not in text
    assert guest.content("/proc/self/environ") == b""


@pytest.mark.parametrize("mode", MODES)
def test_special_files(mount: Make, scene: Scene, mode: Mode) -> None:
    """They can be seen, but neither opened nor waited for."""
    os.mkfifo(scene.mounted / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(scene.mounted)  # the whole path may be longer than a socket's name
        try:
            listener.bind("socket")
        finally:
            os.chdir(before)
        listener.listen()
        names = ["fifo", "socket"]
        if os.geteuid() == 0:
            os.mknod(scene.mounted / "device", stat.S_IFCHR | 0o666, os.makedev(1, 5))
            names.append("device")
        guest = mount(mode)
        for name in names:
            kind = stat.S_IFMT((scene.mounted / name).lstat().st_mode)
            assert stat.S_IFMT(guest.mode("/m/" + name)) == kind
            for flags in (linux.O_RDONLY, linux.O_WRONLY, linux.O_RDWR, linux.O_NONBLOCK):
                assert guest.open("/m/" + name, flags) in (-linux.ENXIO, -linux.EACCES), name
            assert guest.open("/m/" + name, linux.O_PATH) > 0
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        assert guest.call("mknod", "/m/zero", stat.S_IFCHR | 0o666, 1 << 8 | 5) in (
            -linux.EPERM, -linux.EROFS,
        )  # fmt: skip


CHANGES: list[tuple[str | int, ...]] = [
    ("openat", -100, "/m/new", CREATE, 0o644),
    ("openat", -100, "/m/file", linux.O_RDWR, 0),
    ("openat", -100, "/m/file", linux.O_RDONLY | linux.O_TRUNC, 0),
    ("mkdir", "/m/new", 0o755),
    ("rmdir", "/m/inner"),
    ("unlink", "/m/file"),
    ("unlink", "/m/inner/file"),
    ("rename", "/m/file", "/m/new"),
    ("rename", "/m/inner", "/m/new"),
    ("renameat2", -100, "/m/file", -100, "/m/inner/file", 0),
    ("link", "/m/file", "/m/new"),
    ("symlink", "x", "/m/new"),
    ("truncate", "/m/file", 1),
    ("chmod", "/m/file", 0o600),
    ("chmod", "/m", 0o700),
    ("lchown", "/m/file", 1000, 1000),
    ("utimes", "/m/file", 0),
    ("mknod", "/m/new", stat.S_IFIFO | 0o644, 0),
    ("mknod", "/m/new", stat.S_IFREG | 0o644, 0),
]


def _inside(scene: Scene) -> list[tuple[str, os.stat_result, bytes]]:
    return [
        (str(path), path.lstat(), path.read_bytes() if path.is_file() else b"")
        for path in sorted([scene.mounted, *scene.mounted.rglob("*")])
    ]


def _comparable(found: list[tuple[str, os.stat_result, bytes]]) -> list[tuple[object, ...]]:
    return [
        (path, s.st_mode, s.st_nlink, s.st_size, s.st_mtime_ns, s.st_ctime_ns, content)
        for path, s, content in found
    ]


def test_read_only_is_read_only(mount: Make, scene: Scene) -> None:
    before = _comparable(_inside(scene))
    guest = mount("read")
    for change in CHANGES:
        assert guest.call(*change) == -linux.EROFS, change  # type: ignore[arg-type]
    fd = guest.open("/m/file")
    assert guest.write(fd, b"x") == -linux.EBADF
    assert guest.call("ftruncate", fd, 0) == -linux.EINVAL
    assert guest.call("fallocate", fd, 0, 0, 10) == -linux.EBADF
    assert guest.call("fchmod", fd, 0) == -linux.EROFS
    shared, write = 1, 2
    assert guest.call("mmap", 0, 4096, write, shared, fd, 0) == -linux.EACCES
    at = guest.call("mmap", 0, 4096, 1, shared, fd, 0)
    assert at > 0
    assert guest.call("mprotect", at, 4096, 1 | write) == -linux.EACCES
    assert _comparable(_inside(scene)) == before


def test_overlay_leaves_the_host_alone(mount: Make, scene: Scene) -> None:
    before = _comparable(_inside(scene))
    for change in CHANGES:  # each on a fresh overlay, as one may be in the way of another
        guest = mount("overlay")
        expected = -linux.ENOTEMPTY if change[0] == "rmdir" else 0
        result = guest.call(*change)  # type: ignore[arg-type]
        assert result >= 0 if expected == 0 else result == expected, change
        fd = guest.open("/m/inner/file", linux.O_RDWR)
        if fd > 0:
            assert guest.write(fd, b"GRANTED") == 7
            at = guest.call("mmap", 0, 4096, 3, 1, fd, 0)
            guest.memory.write(at, b"mapped!")
            assert guest.call("msync", at, 4096, linux.MS_SYNC) == 0
            content = guest.content("/m/inner/file")
            assert isinstance(content, bytes)
            assert content.startswith(b"mapped!")
    assert _comparable(_inside(scene)) == before


def test_whiteouts(mount: Make) -> None:
    guest = mount("overlay")
    assert guest.call("unlink", "/m/file") == 0
    assert guest.content("/m/file") == -linux.ENOENT
    assert guest.names("/m") == ["inner"]
    assert guest.call("unlink", "/m/inner/file") == 0
    assert guest.call("rmdir", "/m/inner") == 0
    assert guest.names("/m") == []
    assert guest.call("mkdir", "/m/inner", 0o755) == 0
    assert guest.names("/m/inner") == []  # not what the host has there
    assert guest.write(guest.open("/m/file", CREATE), b"new") == 3
    assert guest.content("/m/file") == b"new"
    assert guest.call("rename", "/m/file", "/m/inner/moved") == 0
    assert guest.content("/m/file") == -linux.ENOENT


def test_no_privileges_are_given_to_files(mount: Make, scene: Scene) -> None:
    guest = mount("write")
    fd = guest.open("/m/program", CREATE, 0o6755)
    assert guest.call("fchmod", fd, 0o6755) == 0
    assert guest.call("chmod", "/m/inner", 0o7777) == 0
    guest.call("mkdir", "/m/more", 0o7777)
    for name in ("program", "inner", "more"):
        mode = (scene.mounted / name).stat().st_mode
        assert not mode & (stat.S_ISUID | stat.S_ISGID), name


@pytest.mark.parametrize("mode", MODES)
def test_the_mount_itself_stays(mount: Make, mode: Mode) -> None:
    guest = mount(mode)
    for call in (
        ("rmdir", "/m"),
        ("rename", "/m", "/tmp/m"),
        ("rename", "/m", "/n"),
        ("unlink", "/m"),
    ):
        assert guest.call(*call) in (
            -linux.EBUSY, -linux.EXDEV, -linux.EACCES, -linux.EISDIR, -linux.EPERM,
        ), call  # fmt: skip
    assert guest.content("/m/file") is not None


@pytest.mark.parametrize("mode", MODES)
def test_a_folder_that_becomes_a_link(mount: Make, scene: Scene, mode: Mode) -> None:
    """Somebody on the host puts a link to the outside where a folder was, while the guest has it
    open, and where it has seen it before."""
    guest = mount(mode)
    fd = guest.open("/m/inner", linux.O_DIRECTORY)
    file = guest.openat(fd, "file")
    assert guest.call("chdir", "/m/inner") == 0
    (scene.outside / "file").write_bytes(SECRET)
    (scene.mounted / "inner").rename(scene.mounted / "moved")
    (scene.mounted / "inner").symlink_to("../outside")
    try:
        for result in (
            guest.openat(fd, "secret"),
            guest.openat(fd, "file"),
            guest.open("/m/inner/secret"),
            guest.open("file"),
            guest.open("secret"),
            guest.openat(fd, "new", CREATE),
            guest.call("unlinkat", fd, "secret", 0),
            guest.call("renameat", fd, "secret", -100, "/m/stolen"),
            guest.call("mkdirat", fd, "new", 0o755),
        ):
            if mode == "overlay" and result > 0:
                # A new file in memory; or the old one, seen before.
                assert guest.read(result) != SECRET
                continue
            assert result < 0 or mode == "overlay"
        # What is open stays what it is.
        assert guest.read(file) == b"granted, too"
    finally:
        (scene.outside / "file").unlink()


@pytest.mark.parametrize("mode", ["read", "write"])
def test_races(mount: Make, scene: Scene, mode: Mode, request: pytest.FixtureRequest) -> None:
    """A thread swaps a folder and a link to the outside, and a file and a link to the secret, as
    fast as it can, while the guest opens what is behind."""
    (scene.outside / "file").write_bytes(SECRET)
    inner, swapped = scene.mounted / "inner", scene.mounted / "swapped"
    flip, flipped = scene.mounted / "flip", scene.mounted / "flipped"
    swapped.symlink_to("../outside")
    flip.write_bytes(b"granted")
    flipped.symlink_to("../outside/secret")
    stop = threading.Event()

    def swap() -> None:
        spare = scene.mounted / "spare"
        while not stop.is_set():
            for one, other in ((inner, swapped), (flip, flipped)):
                one.rename(spare)
                other.rename(one)
                spare.rename(other)

    guest = mount(mode)
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen: set[bytes | int] = set()
        for _ in range(200):
            seen.add(guest.content("/m/inner/file"))
            seen.add(guest.content("/m/flip"))
            seen.add(guest.content("/m/inner/secret"))
            # By paths, what has no descriptor is only as safe as the moment before it.
            if mode == "write" and "by_descriptors" in request.node.name:
                guest.call("truncate", "/m/flip", 7)
                guest.call("unlink", "/m/inner/secret")
                guest.call("chmod", "/m/flip", 0o644)
    finally:
        stop.set()
        thread.join()
        (scene.outside / "file").unlink()
    assert SECRET not in seen
    assert b"granted" in seen


@pytest.mark.parametrize("mode", MODES)
def test_strange_names(mount: Make, mode: Mode) -> None:
    guest = mount(mode)
    for name in (b"..\\outside\\secret", b"C:\\x", b"file::$DATA", b"\xff\xfe", b"CON", b"file\\"):
        result = guest.call("openat", -100, b"/m/" + name, linux.O_RDONLY, 0)
        assert result == -linux.ENOENT, name
    assert guest.open("/m/" + "x" * 256) == -linux.ENAMETOOLONG
    assert guest.open("/m/" + "x/" * 3000) == -linux.ENAMETOOLONG
    assert guest.open("/m/" + "inner/../" * 400 + "file") > 0


def test_names_that_windows_would_take_for_more() -> None:
    for name in ("a\\b", "C:", "a:b", "NUL", "nul.txt", "com1", "x.", "x ", "..", "a\x01", "a*"):
        with pytest.raises(FileNotFoundError):
            check_name(name)
    for name in ("a", ".hidden", "nulls", "a b", "ü"):
        check_name(name)


def test_handles(mount: Make) -> None:
    guest = mount("write")
    assert guest.call("name_to_handle_at", -100, "/m/file", BUFFER, BUFFER, 0) == -95
    assert guest.call("open_by_handle_at", -100, BUFFER, 0) == -linux.EPERM
    for call in ("mount", "chroot", "pivot_root", "umount2"):
        assert guest.call(call, "/m", "/tmp") == -linux.EPERM
    assert guest.content("/m/file") == b"granted"
