"""emuplugin cache: what is in it, how large it is, where it is; and none of it any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from emuplugin import Machine
from emuplugin.cache.opening import SWITCH
from tests.cli.conftest import Cli


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cache"
    monkeypatch.setenv(SWITCH, str(path))
    return path


def test_an_empty_one(cache: Path, cli: Cli) -> None:
    assert cli("cache").stdout.startswith("no plugin was opened yet")
    assert cli("cache", "size").stdout == "0 machines, 0.0 MiB of 1024.0 MiB\n"
    assert cli("cache", "path").stdout == f"{cache}\n"
    assert cli("cache", "clear").stdout == "removed 0 machines\n"
    assert not cache.exists()


def test_one_with_a_plugin(cache: Path, cli: Cli, plugins: Path) -> None:
    for _ in range(2):
        assert cli("call", "hello.so", "F").code == 0
    line = cli("cache", "list").stdout
    assert line.count("\n") == 1
    assert "MiB" in line
    assert "go1." in line
    assert line.endswith("hello.so\n")
    (entry,) = cli("cache", "--json").json["plugins"]
    assert entry["path"] == str((plugins / "hello.so").resolve())
    assert entry["bytes"] > 1 << 20
    size = cli("cache", "size", "--json").json
    assert (size["entries"], size["bytes"]) == (1, entry["bytes"])
    assert cli("cache", "clear").stdout == "removed 1 machine\n"
    assert cli("cache", "--json").json == {"path": str(cache), "plugins": [], "error": None}


def test_what_is_not_ours_is_not_shown(cache: Path, cli: Cli, plugins: Path) -> None:
    with Machine() as machine:
        assert machine.open(plugins / "hello.so").not_cached == ""  # waits for it
    (cache / "machines" / "something").write_text("else")
    assert len(cli("cache", "--json").json["plugins"]) == 1


def test_switched_off(monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.setenv(SWITCH, "off")
    assert "switched off" in cli("cache").stdout
    assert cli("cache", "--json").json == {"path": None, "error": None}


def test_wrong_words(cli: Cli) -> None:
    result = cli("cache", "eat")
    assert result.code == 2
    assert "'list', 'size', 'clear', 'path'" in result.stderr
