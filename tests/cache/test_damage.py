"""Entries that were tampered with, cut or swapped: never a wrong machine, never a crash."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import emuplugin
from emuplugin import Machine, Sandbox
from emuplugin.cache.folder import CacheFolder
from emuplugin.cache.writer import writer
from emuplugin.elf.digest import new_digest
from tests.conftest import PluginPath


def opened(path: Path) -> bool:
    """Open, use, and tell whether it came from the cache."""
    with Machine(Sandbox(stdout=io.StringIO())) as machine:
        plugin = machine.open(path)
        assert plugin["V"].value == 0
        plugin["V"].value = 40
        plugin["F"]()
        assert plugin["V"].value == 40
        assert machine.instructions > 10_000
        writer.wait()
        return bool(plugin.from_cache)


@pytest.fixture
def hello(cache: CacheFolder, plugin_path: PluginPath, go_version: str) -> Path:
    path = plugin_path("hello", go_version)
    assert not opened(path)
    assert opened(path)
    return path


def only(folder: Path) -> Path:
    writer.wait()
    (found,) = folder.iterdir()
    return found


def damage(file: Path, number: int) -> None:
    """Do something to a file that changes what is in it."""
    chance, data = random.Random(number), bytearray(file.read_bytes())
    kind = number % 6
    if kind == 0:  # a bit, anywhere
        at = chance.randrange(len(data))
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:  # a bit, near the start
        at = chance.randrange(min(len(data), 200))
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 2:
        del data[chance.randrange(len(data)) :]
    elif kind == 3:
        at = chance.randrange(len(data))
        data[at:at] = chance.randbytes(chance.randrange(1, 5000))
    elif kind == 4:
        at = chance.randrange(len(data))
        size = min(chance.randrange(1, 100_000), len(data) - at)
        data[at : at + size] = chance.randbytes(size)
    else:
        data = bytearray(chance.randbytes(chance.randrange(10_000)))
    file.write_bytes(data)


@pytest.mark.parametrize("number", range(24))
def test_a_damaged_entry(cache: CacheFolder, hello: Path, number: int) -> None:
    damage(only(cache.path / "machines"), number)
    assert not opened(hello)
    assert opened(hello)  # it was made anew


@pytest.mark.parametrize("number", range(18))
def test_a_damaged_link(cache: CacheFolder, hello: Path, number: int) -> None:
    damage(only(cache.path / "links"), number)
    opened(hello)
    assert opened(hello)


def rewrite(entry: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the description of an entry, and have everything else fit."""
    magic, line, rest = entry.read_bytes().split(b"\n", 2)
    length = int(line.split()[0])
    start = len(magic) + len(line) + 2 + length
    whole, pages = json.loads(rest[:length]), rest[length + -start % 4096 :]
    change(whole)
    text = json.dumps(whole).encode()
    head = magic + f"\n{len(text)} {new_digest(text).hexdigest()}\n".encode() + text
    entry.write_bytes(head + bytes(-len(head) % 4096) + pages)
    os.chmod(entry, 0o600)


def spoil(description: dict[str, Any], parts: Sequence[str], number: int) -> str:
    """Replace or remove something at some place below these parts; which part it was."""
    chance = random.Random(number)
    at: Any = description
    name = chance.choice(parts)
    key: Any = name
    for _ in range(chance.randrange(8)):
        inner = at[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        at = inner
        key = chance.choice(sorted(at)) if isinstance(at, dict) else chance.randrange(len(at))
    if number % 3:
        at[key] = chance.choice([None, -1, "x", [], [1], {}, [[1, 2, 3]], 1 << 70, 0.5])
    else:
        del at[key]
    return name


@pytest.mark.parametrize("number", range(24))
def test_an_entry_that_is_whole_and_makes_no_sense(
    cache: CacheFolder, hello: Path, number: int
) -> None:
    """As who knows the format could write it."""
    spoilt = []

    def change(whole: dict[str, Any]) -> None:
        parts = whole["description"]
        names = sorted(set(parts) - {"told", "build", "space", "image"})
        spoilt.append(spoil(parts, names, number))

    rewrite(only(cache.path / "machines"), change)
    try:
        opened(hello)
    except emuplugin.EmupluginError:
        assert spoilt[0] in (
            "executed", "turn", "kernel", "threads", "caller", "monitor", "objects", "roots",
            "moduledata", "boot", "layout", "clock",
        )  # fmt: skip


def test_other_machines_under_this_name(
    cache: CacheFolder, hello: Path, plugin_path: PluginPath, go_version: str
) -> None:
    mine = only(cache.path / "machines")
    with Machine() as machine:
        assert machine.open(plugin_path("composites", go_version)).not_cached == ""
    (other,) = set((cache.path / "machines").iterdir()) - {mine}
    shutil.copy(other, mine)
    assert not opened(hello)
    assert opened(hello)


def test_links_to_other_machines(
    cache: CacheFolder, hello: Path, plugin_path: PluginPath, go_version: str
) -> None:
    link = only(cache.path / "links")
    with Machine() as machine:
        assert machine.open(plugin_path("composites", go_version)).not_cached == ""
    (other,) = set((cache.path / "links").iterdir()) - {link}
    shutil.copy(other, link)
    assert not opened(hello)
    mine, theirs = json.loads(link.read_bytes()), json.loads(other.read_bytes())
    # This file's contents, that one's machine.
    link.write_text(json.dumps([mine[0], theirs[1], *mine[2:4], *theirs[4:]]))
    assert not opened(hello)
    assert opened(hello)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have owners on POSIX")
def test_entries_and_folders_that_others_can_write_to(cache: CacheFolder, hello: Path) -> None:
    for path in (
        only(cache.path / "machines"),
        only(cache.path / "links"),
        cache.path / "machines",
        cache.path / "links",
    ):
        mode = path.stat().st_mode
        path.chmod(0o777)
        assert not opened(hello)
        if path.exists():
            path.chmod(mode & 0o777)
        opened(hello)
        assert opened(hello)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away"
)
def test_entries_of_another_user(cache: CacheFolder, hello: Path) -> None:
    for folder in ("machines", "links"):
        path = only(cache.path / folder)
        os.chown(path, 12345, 12345)
        assert not opened(hello)
        assert opened(hello)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links")
def test_entries_that_are_links_or_folders(cache: CacheFolder, hello: Path, tmp_path: Path) -> None:
    for folder in ("machines", "links"):
        path = only(cache.path / folder)
        away = tmp_path / folder
        path.rename(away)
        path.symlink_to(away)
        assert not opened(hello)
        assert opened(hello)
        path = only(cache.path / folder)
        path.unlink()
        path.mkdir()
        assert not opened(hello)
        path.rmdir()
        opened(hello)
        assert opened(hello)


def test_an_entry_that_is_removed_while_it_is_open(cache: CacheFolder, hello: Path) -> None:
    with Machine(Sandbox(stdout=io.StringIO())) as machine:
        plugin = machine.open(hello)
        assert plugin.from_cache
        cache.clear()
        plugin["F"]()
        machine.reset()
        plugin["F"]()
