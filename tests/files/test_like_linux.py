"""The same random calls here and on Linux: errno, content and stat must be the same."""

from __future__ import annotations

import itertools
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given

from emuplugin import Mount
from emuplugin.plugin import Plugin
from tests.conftest import Native
from tests.files.conftest import Open
from tests.files.scripts import SCRIPTS, Step
from tests.oracle.same_calls import examples

Run = Callable[[str], str]


@pytest.fixture(scope="session")
def linux(native: Native, go_version: str, new_folder: Callable[[], Path]) -> Run:
    """Runs a script on Linux itself, in an empty folder."""
    oracle = native("files", go_version, stripped=True)

    def run(script: str) -> str:
        text: str = oracle.call("Run", str(new_folder()), script).values[0]
        return text

    return run


def _runner(plugin: Plugin, top: str) -> Run:
    """Runs scripts in the emulator, each in an empty folder below ``top``."""
    numbers = itertools.count()

    def run(script: str) -> str:
        folder = plugin.machine.files[f"{top}/{next(numbers)}/w"]
        folder.mkdir(parents=True)
        text: str = plugin.lookup("Run")(str(folder), script)
        return text

    return run


@pytest.fixture(scope="session")
def in_memory(open_files: Open) -> Run:
    return _runner(open_files(), "/tmp")


@pytest.fixture(scope="session")
def in_mount(open_files: Open, new_folder: Callable[[], Path]) -> Run:
    return _runner(open_files(mounts={"/data": Mount(new_folder(), "write")}), "/data")


@pytest.fixture(scope="session")
def in_overlay(open_files: Open, new_folder: Callable[[], Path]) -> Run:
    return _runner(open_files(mounts={"/data": Mount(new_folder(), "overlay")}), "/data")


def _compare(script: list[Step], ours: Run, linux: Run) -> None:
    text = json.dumps(script)
    expected, got = linux(text).splitlines(), ours(text).splitlines()
    for index, (theirs, mine) in enumerate(zip(expected, got, strict=True)):
        if theirs != mine:
            before = "\n".join(expected[:index])
            pytest.fail(f"{before}\nLinux: {theirs}\nhere:  {mine}")


@examples(300)
@given(script=SCRIPTS)
def test_in_memory(in_memory: Run, linux: Run, script: list[Step]) -> None:
    _compare(script, in_memory, linux)


@examples(100)
@given(script=SCRIPTS)
def test_in_a_mounted_folder(in_mount: Run, linux: Run, script: list[Step]) -> None:
    """All but RENAME_EXCHANGE, which not every file system has."""
    _compare([step for step in script if step[0] != "renameat2"], in_mount, linux)


@examples(100)
@given(script=SCRIPTS)
def test_in_an_overlay(in_overlay: Run, linux: Run, script: list[Step]) -> None:
    _compare(script, in_overlay, linux)


@examples(100)
@given(before=SCRIPTS, script=SCRIPTS)
def test_over_what_a_folder_holds(
    open_files: Open,
    native: Native,
    go_version: str,
    new_folder: Callable[[], Path],
    over: Callable[[Path], Run],
    before: list[Step],
    script: list[Step],
) -> None:
    """What one script leaves, on Linux, is what the next one finds: in an overlay, and on Linux
    itself. The overlay leaves the folder as it was."""
    oracle = native("files", go_version, stripped=True)
    folder = new_folder()
    oracle.call("Run", str(folder), json.dumps(before))
    held = _snapshot(folder)
    # Sizes of folders, hard links and holes are told differently in an overlay.
    got = over(folder)(json.dumps(script))
    assert _snapshot(folder) == held
    expected: str = oracle.call("Run", str(folder), json.dumps(script)).values[0]
    if not _has_hard_links(held):
        for theirs, mine in zip(expected.splitlines(), got.splitlines(), strict=True):
            assert theirs == mine or "seek" in theirs, f"{expected}\n{theirs}\n{mine}"


@pytest.fixture(scope="session")
def over(open_files: Open, shared_memory: Path) -> Callable[[Path], Run]:
    """Runs a script in an overlay over a folder of the host."""
    plugin = open_files(mounts={"/data": Mount(shared_memory, "overlay")})

    def runner(folder: Path) -> Run:
        path = f"/data/{folder.relative_to(shared_memory)}"
        return lambda script: plugin.lookup("Run")(path, script)

    return runner


Snapshot = dict[str, tuple[int, int, int, bytes]]


def _snapshot(folder: Path) -> Snapshot:
    found: Snapshot = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = b""
        if path.is_symlink():
            content = os.fsencode(os.readlink(path))
        elif path.is_file():
            content = path.read_bytes()
        found[str(path)] = status.st_mode, status.st_nlink, status.st_mtime_ns, content
    return found


def _has_hard_links(held: Snapshot) -> bool:
    return any(stat.S_ISREG(mode) and links > 1 for mode, links, _, _ in held.values())
