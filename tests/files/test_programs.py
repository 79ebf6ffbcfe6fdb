"""What Go programs do with files, here and natively: os, io/fs, path/filepath, bufio, embed,
archive/zip, log/slog, testing/fstest, and a database that maps its file (bbolt)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emuplugin import FileSizeLimitExceeded, Limits, Mount
from emuplugin.plugin import Plugin
from tests.conftest import Native
from tests.files.conftest import Open
from tests.support.oracle import ErrorValue, NativePlugin

CALLS: dict[str, tuple[Any, ...]] = {
    "Embedded": (),
    "Walk": ("folder",),
    "Errors": ("folder",),
    "Temporary": ("folder",),
    "Archive": ("folder", "some text "),
    "Log": ("folder",),
    "Copy": ("folder", 100_000),
    "Database": ("folder", "the quick brown fox jumps over the lazy dog", 3000),
}


@pytest.fixture(scope="session")
def plugin(open_files: Open, new_folder: Callable[[], Path]) -> Plugin:
    return open_files(
        mounts={
            "/write": Mount(new_folder(), "write"),
            "/overlay": Mount(new_folder(), "overlay"),
        }
    )


@pytest.fixture(scope="session")
def oracle(native: Native, go_version: str) -> NativePlugin:
    return native("files", go_version, stripped=True)


@pytest.mark.parametrize("top", ["/tmp", "/write", "/overlay"])
@pytest.mark.parametrize("name", CALLS)
def test_the_same_as_native(
    plugin: Plugin, oracle: NativePlugin, new_folder: Callable[[], Path], name: str, top: str
) -> None:
    folder = plugin.machine.files[f"{top}/{name}"]
    folder.mkdir()

    def arguments(path: str) -> tuple[Any, ...]:
        return tuple(path if given == "folder" else given for given in CALLS[name])

    expected = list(oracle.call(name, *arguments(str(new_folder()))).values)
    got = plugin.lookup(name).results(*arguments(str(folder)))
    assert not isinstance(expected[-1], ErrorValue), expected
    assert [None if isinstance(value, Exception) else value for value in got] == expected


def test_a_large_file_in_small_pieces(open_files: Open) -> None:
    """Not quadratic: what a piece costs does not depend on what is there already."""
    plugin = open_files(limits=Limits(memory=256 << 20, file_bytes=128 << 20))
    size = 32 << 20
    assert plugin.lookup("Chunks")("/tmp/big", size, 4096) == size
    assert plugin.machine.files["/tmp/big"].stat().size == size
    kernel = plugin.machine.life.program.process.kernel
    # Whole pages and nothing beside them.
    assert kernel.tree.storage.used == size + 512


def test_the_limit_of_file_bytes(open_files: Open, new_folder: Callable[[], Path]) -> None:
    folder = new_folder()
    for top in ("/tmp", "/data"):
        plugin = open_files(
            limits=Limits(memory=256 << 20, file_bytes=1 << 20),
            mounts={"/data": Mount(folder, "write")},
        )
        for _ in range(5):  # what is removed or replaced is given back
            assert plugin.lookup("Chunks")(f"{top}/small", 500_000, 5000) == 500_000
        with pytest.raises(FileSizeLimitExceeded) as caught:
            plugin.lookup("Chunks")(f"{top}/big", 2 << 20, 4096)
        assert (caught.value.limit, caught.value.allowed) == ("file_bytes", 1 << 20)
        assert caught.value.used > 1 << 20
        # What was written until then can still be read.
        assert 0 < plugin.machine.files[f"{top}/big"].stat().size < 1 << 20
        assert plugin.machine.state == "dead"


def test_many_empty_files_are_limited(open_files: Open) -> None:
    plugin = open_files(limits=Limits(memory=256 << 20, file_bytes=64 << 10))
    write = plugin.lookup("Write")
    made = 0

    def make_them() -> None:
        nonlocal made
        for number in range(1000):
            assert write(f"/tmp/{number}", "") is None
            made += 1

    with pytest.raises(FileSizeLimitExceeded):
        make_them()
    assert 100 < made < 150
