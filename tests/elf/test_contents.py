"""Reading a file in parts: what is mapped first, the rest beside."""

from __future__ import annotations

import os
import threading
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from emuplugin import Machine, OpenError
from emuplugin.elf import contents
from emuplugin.elf.buildinfo import MAGIC
from emuplugin.elf.file import ElfFile
from emuplugin.elf.refusals import check_plugin
from emuplugin.errors import TruncatedError
from tests.conftest import PluginPath


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Nothing of the rest is read before this is set."""
    event, read_rest = threading.Event(), contents._read_rest

    def wait(*arguments: Any) -> None:
        event.wait(20)
        read_rest(*arguments)

    monkeypatch.setattr(contents, "_read_rest", wait)
    return event


@pytest.mark.parametrize("name", ["add", "hello", "stdlib", "cgo"])
@pytest.mark.parametrize("stripped", [False, True])
def test_it_is_the_same_in_the_end(
    name: str, stripped: bool, plugin_path: PluginPath, go_version: str
) -> None:
    path = plugin_path(name, go_version, stripped=stripped)
    file, whole = ElfFile.open(path, in_parts=True), ElfFile.open(path)
    assert whole.is_whole
    assert bytes(file.data) == bytes(whole.data) == path.read_bytes()
    assert file.is_whole
    assert file.sections == whole.sections
    # Reading changes when it was last read.
    for part in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"):
        assert getattr(file.status, part) == getattr(whole.status, part)


def test_what_opening_needs_is_there_first(
    held: threading.Event, plugin_path: PluginPath, go_version: str
) -> None:
    path = plugin_path("hello", go_version)
    file = ElfFile.open(path, in_parts=True)
    assert not file.is_whole
    check_plugin(file)
    info, images = file.build_info, [bytes(file.content(s)) for s in file.segments]
    columns, values = file.relocations.columns, file.symbols.values
    assert not file.is_whole
    held.set()
    whole = ElfFile.open(path)
    assert info == whole.build_info
    assert images == [bytes(whole.content(s)) for s in whole.segments]
    assert columns == whole.relocations.columns
    assert values == whole.symbols.values
    assert bytes(file.data) == bytes(whole.data)


def test_a_plugin_runs_before_its_file_is_read(
    held: threading.Event, plugin_path: PluginPath, go_version: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("EMUPLUGIN_CACHE", str(tmp_path / "cache"))
    with Machine() as machine:
        plugin = machine.open(plugin_path("add", go_version))
        assert plugin["Add"](40, 2) == 42
        assert not plugin.module.image.file.is_whole
        held.set()
        assert not plugin.not_cached


def test_other_magic_is_no_build_info(
    held: threading.Event, plugin_path: PluginPath, go_version: str, tmp_path: Path
) -> None:
    """As programs have it that read build info. What is there before the section headers are is
    looked at twice."""
    plain = ElfFile.open(plugin_path("hello", go_version))
    (segment, *_) = (s for s in plain.segments if s.writable)
    at = segment.offset + -segment.vaddr % 16
    real = bytes(plain.data).index(MAGIC, segment.offset)
    data = bytearray(plain.data)
    for place in range(at, real, 16):
        data[place : place + 16] = MAGIC + bytes([8, 2 if place % 32 else 0])
    path = tmp_path / "magic.so"
    path.write_bytes(data)
    file = ElfFile.open(path, in_parts=True)
    assert file.build_info == plain.build_info
    held.set()


def test_a_file_that_shrinks_behind_its_segments(
    held: threading.Event, plugin_path: PluginPath, go_version: str, tmp_path: Path
) -> None:
    path = tmp_path / "shrinks.so"
    path.write_bytes(plugin_path("hello", go_version).read_bytes())
    file = ElfFile.open(path, in_parts=True)
    os.truncate(path, path.stat().st_size - 1000)
    held.set()
    for _ in range(2):
        with pytest.raises(TruncatedError, match="file too short: it shrank while it was read"):
            _ = file.data


def test_a_file_that_cannot_be_read_to_the_end(
    plugin_path: PluginPath, go_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill, calls = contents._fill, []

    def fails(file: FileIO, room: memoryview) -> None:
        calls.append(len(room))
        if len(calls) > 1:
            raise OSError(5, "Input/output error")
        fill(file, room)

    monkeypatch.setattr(contents, "_fill", fails)
    file = ElfFile.open(plugin_path("hello", go_version), in_parts=True)
    with pytest.raises(OpenError, match="the end of the file cannot be read: Input/output error"):
        _ = file.sections


def test_that_is_why_it_is_not_in_the_cache(
    held: threading.Event, plugin_path: PluginPath, go_version: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("EMUPLUGIN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "shrinks.so"
    path.write_bytes(plugin_path("add", go_version).read_bytes())
    with Machine() as machine:
        plugin = machine.open(path)
        os.truncate(path, path.stat().st_size - 1000)
        held.set()
        assert "it shrank while it was read" in plugin.not_cached
        assert plugin["Add"](40, 2) == 42


@pytest.mark.parametrize("size", [0, 3, 64, 100, 4096, 5000])
def test_files_that_are_no_plugins(size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.so"
    path.write_bytes(b"\x7fELF\x02\x01\x01"[:size].ljust(size, b"\0"))
    errors = []
    for in_parts in (False, True):
        with pytest.raises(OpenError) as raised:
            ElfFile.open(path, in_parts=in_parts)
        errors.append((type(raised.value), str(raised.value)))
    assert errors[0] == errors[1]
