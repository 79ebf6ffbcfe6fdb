"""Stubs that mypy accepts, and that tell it what is wrong."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import emuplugin
from emuplugin.stubs import write_stubs
from tests.conftest import PluginPath

USE = """\
from typing import cast

import emuplugin
import stub

plugin = cast(stub.Plugin, emuplugin.open("plugin.so"))
point = plugin.lookup("Origin").value
x: int = point.X
total: float = plugin.lookup("Seconds")(1, 2)
plugin.lookup("Ints").value = [1, 2]
number, cap = plugin.lookup("Append")([1], 2, 3)
wrong: str = point.X
plugin.lookup("Sum")(5)
plugin.lookup("Double")("x")
"""


@pytest.mark.parametrize("name", ["values_faces", "values_json", "kinds", "scalars"])
def test_mypy_accepts_them(
    name: str, go_version: str, plugin_path: PluginPath, tmp_path: Path
) -> None:
    pytest.importorskip("mypy")
    with closing(emuplugin.open(plugin_path(name, go_version, stripped=True))) as plugin:
        (tmp_path / "stub.pyi").write_text(write_stubs(plugin))
    ran = run_mypy(tmp_path, "stub.pyi")
    assert ran.returncode == 0, ran.stdout


def test_they_say_what_is_wrong(go_version: str, plugin_path: PluginPath, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    with closing(emuplugin.open(plugin_path("values_faces", go_version))) as plugin:
        (tmp_path / "stub.pyi").write_text(write_stubs(plugin))
    (tmp_path / "use.py").write_text(USE)
    ran = run_mypy(tmp_path, "use.py")
    lines = [line for line in ran.stdout.splitlines() if ": error:" in line]
    assert [line.split(":")[1] for line in lines] == ["12", "14"], ran.stdout


def run_mypy(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """mypy --strict on a file in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), name],
        cwd=folder,
        env={"MYPYPATH": str(Path(__file__).resolve().parents[2]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
