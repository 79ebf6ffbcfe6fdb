"""What is done while something else is done: files are read that way."""

from __future__ import annotations

import _thread
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import emuplugin
from emuplugin.beside import Beside
from emuplugin.elf.file import ElfFile
from tests.conftest import PluginPath

AT_EXIT = """
import atexit, sys, threading
import emuplugin

def late() -> None:
    threading._shutdown()
    plugin = emuplugin.Machine(cache=False).open(sys.argv[1])
    print(plugin["Add"](40, 2))

atexit.register(late)
"""


def read(path: Path) -> Beside[ElfFile]:
    return Beside(partial(ElfFile.open, path))


def test_it_is_what_is_there(tmp_path: Path, plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("add", go_version)
    assert bytes(read(path).outcome().data) == path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"text"])
def test_errors_arrive_where_it_is_wanted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.so"
    path.write_bytes(content)
    reading = read(path)
    for _ in range(2):
        with pytest.raises(emuplugin.OpenError) as raised:
            reading.outcome()
        assert raised.value.path == str(path)


def test_hosts_without_threads(
    plugin_path: PluginPath, go_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    path = plugin_path("add", go_version)
    assert bytes(read(path).outcome().data) == path.read_bytes()


def test_at_the_end_of_the_interpreter(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("add", go_version)
    command = [sys.executable, "-c", AT_EXIT, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "42\n"


def test_a_bad_file_leaves_an_empty_machine(
    tmp_path: Path, plugin_path: PluginPath, go_version: str
) -> None:
    bad = tmp_path / "bad.so"
    bad.write_bytes(b"\x7fELF" + bytes(100))
    with emuplugin.Machine() as machine:
        for _ in range(3):
            with pytest.raises(emuplugin.OpenError):
                machine.open(bad)
        assert machine.state == "empty"
        assert machine.open(plugin_path("add", go_version))["Add"](40, 2) == 42
