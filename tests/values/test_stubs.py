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
from dataclasses import dataclass
from typing import cast

import emuplugin
import stub

plugin = cast(stub.Plugin, emuplugin.open("plugin.so"))
point = plugin.lookup("Origin").value
ages = plugin["People"].value
assert ages is not None
ages["eve"] = 3
oldest: str = ages.Oldest()
x: int = point.X
y: int = point["Y"]
total: float = plugin["Seconds"](1, 2)
plugin.lookup("Ints").value = [1, 2]
number, cap = plugin.lookup("Append")([1], 2, 3)
plugin["Points"].value.append({"X": 1})
plugin["Points"].value[0] = point
near: int = point.Plus(point).Norm()
whole = plugin["Whole"].value
inner: int = whole.X + whole.Norm()
title: str = whole.Title("a", "b")
link = plugin["Chain"].value.To
assert link is not None
link.X = link.value.Y
link.value = {"X": 3}
link.Move(1, 2)
last: int = plugin["Pile"].value.Top()


class Disc:
    def Area(self) -> float:
        return 3.0

    def Scale(self, by: float, /) -> "Disc":
        return self


plugin["Figure"].value = Disc()


@dataclass
class Place:
    X: int
    Y: int


plugin["Origin"].value = Place(1, 2)
"""

WRONG = """\
text: str = point.X
plugin.lookup("Sum")(5)
plugin.lookup("Double")("x")
z: int = point.Z
point.Plus(1)
point.X = "x"
link.Move("a", 1)
plugin["Points"].value.append(5)
plugin["Numbers"].value.send("x")
plugin["Figure"].value = Place(1, 2)
plugin["Ints"].value = ["a"]
nothing: str = plugin["Origin"].value
"""
"""Each line is wrong."""


@pytest.mark.parametrize(
    "name", ["values_faces", "values_json", "values_any", "kinds", "scalars", "callbacks"]
)
def test_mypy_accepts_them(
    name: str, go_version: str, plugin_path: PluginPath, tmp_path: Path, cache: Path
) -> None:
    pytest.importorskip("mypy")
    with closing(emuplugin.open(plugin_path(name, go_version, stripped=True))) as plugin:
        (tmp_path / "stub.pyi").write_text(write_stubs(plugin))
    ran = run_mypy(tmp_path, "stub.pyi", cache)
    assert ran.returncode == 0, ran.stdout


def test_they_say_what_is_wrong(
    go_version: str, plugin_path: PluginPath, tmp_path: Path, cache: Path
) -> None:
    pytest.importorskip("mypy")
    with closing(emuplugin.open(plugin_path("values_faces", go_version))) as plugin:
        (tmp_path / "stub.pyi").write_text(write_stubs(plugin))
    (tmp_path / "use.py").write_text(f"{USE}{WRONG}")
    ran = run_mypy(tmp_path, "use.py", cache)
    lines = [line for line in ran.stdout.splitlines() if ": error:" in line]
    first = len(USE.splitlines()) + 1
    wrong = [int(line.split(":")[1]) - first for line in lines]
    assert sorted({*wrong}) == [*range(len(WRONG.splitlines()))], ran.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where mypy keeps what it knows of emuplugin itself."""
    return tmp_path_factory.mktemp("mypy")


def run_mypy(folder: Path, name: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """mypy --strict on a file in ``folder``, and of emuplugin only what that needs."""
    options = ["--strict", "--follow-imports=silent", "--cache-dir", str(cache)]
    return subprocess.run(
        [sys.executable, "-m", "mypy", *options, name],
        cwd=folder,
        env={"MYPYPATH": str(Path(__file__).resolve().parents[2]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
