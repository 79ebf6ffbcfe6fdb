"""emuplugin stubs: what it writes, mypy accepts; and with it, mypy knows a plugin."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emuplugin.build import NEWEST, PATCHES
from tests.cli.conftest import ROOT, Cli, environment, run_program
from tests.conftest import PluginPath

FIXTURES = ("kinds", "composites", "scalars", "stdlib", "router")

PROGRAM = """\
from typing import TYPE_CHECKING, cast

import emuplugin

if TYPE_CHECKING:
    import composites

p = cast("composites.Plugin", emuplugin.open("composites.so"))
words: list[str] = list(p.lookup("Words").value)
p.lookup("Words").value[0] = "delta"
x: int = p.lookup("Origin").value.X
row: int = p.lookup("Grid").value[1][2]
ages = p.lookup("Ages").value
assert ages is not None
ages["eve"] = ages["ann"] + 1
area: float = p.lookup("Area")(p.lookup("Figure").value)
code = p.lookup("Fail").results(3)[0]
assert isinstance(code, emuplugin.GoError)
message: str = code.message
adder = p.lookup("Adder")(3)
assert adder is not None
total: int = adder(4) + p.lookup("Apply")(adder, 20)
print(words, x, row, area, message, total)
"""

#: What mypy is to refuse instead of one of the lines above.
MISTAKES = {
    "x: int": 'x: str = p.lookup("Origin").value.X',
    "p.lookup": 'p.lookup("Words").value[0] = 3',
    "ages[": "ages[1] = 2",
    "message": "message: int = code.message",
    "adder =": 'adder = p.lookup("Adder")("three")',
    "total": "total: str = adder(4)",
    "row": 'row: str = p.lookup("Grid").value[1][2]',
}


@pytest.fixture(scope="module")
def folder(plugin_path: PluginPath, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plugins of all FIXTURES, stripped, with their stubs."""
    path = tmp_path_factory.mktemp("stubs")
    for name in FIXTURES:
        shutil.copy(plugin_path(name, PATCHES[NEWEST], stripped=True), path / f"{name}.so")
        done = run_program("stubs", f"{name}.so", "-o", f"{name}.pyi", cwd=path)
        assert (done.code, done.stdout) == (0, ""), done.stderr
        assert done.stderr.startswith(f"{name}.pyi: ")
    return path


def mypy(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Check files of a folder as strictly as this project; what it learned serves again."""
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(folder / "cache")]
    return subprocess.run(
        [sys.executable, "-P", "-m", "mypy", *options, *files],
        cwd=folder,
        env=environment({"MYPYPATH": str(folder)}),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )


def test_mypy_accepts_all_stubs(folder: Path) -> None:
    done = mypy(folder, *(f"{name}.pyi" for name in FIXTURES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_program_is_checked_and_runs(folder: Path) -> None:
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    done = mypy(folder, "program.py")
    assert done.returncode == 0, done.stdout + done.stderr
    # What the stub says is so.
    ran = subprocess.run(
        [sys.executable, "-P", "program.py"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
    )
    assert ran.stderr == ""
    assert ran.stdout == ("['alpha', 'beta', 'gamma'] 1 6 2.25 failed with code 3 30\n")


def test_mistakes_are_found(folder: Path) -> None:
    lines = PROGRAM.splitlines()
    for start, mistake in MISTAKES.items():
        (index,) = (i for i, line in enumerate(lines) if line.startswith(start))
        lines[index] = mistake
    (folder / "mistakes.py").write_text("\n".join(lines), encoding="utf-8")
    done = mypy(folder, "mistakes.py")
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert found == {lines.index(mistake) + 1 for mistake in MISTAKES.values()}, done.stdout


def test_every_export_is_there(folder: Path, plugin_path: PluginPath, cli: Cli) -> None:
    exports = cli("info", "geo.so", "--json").json["exports"]  # the same fixture, unstripped
    literals = {
        node.value
        for node in ast.walk(ast.parse((folder / "composites.pyi").read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {export["name"] for export in exports} <= literals
    text = (folder / "composites.pyi").read_text(encoding="utf-8")
    for export in exports:
        assert f"{export['name']} {export['type']}" in text


def test_on_standard_output(cli: Cli, folder: Path) -> None:
    done = cli("stubs", "geo.so")
    assert (done.code, done.stderr) == (0, "")
    assert (
        done.stdout.splitlines()[1:]
        == ((folder / "composites.pyi").read_text(encoding="utf-8").splitlines()[1:])
    )
    ast.parse(done.stdout)


def test_what_inits_print_is_not_in_it(cli: Cli) -> None:
    done = cli("stubs", "runtime.so")
    assert done.code == 0
    ast.parse(done.stdout)


def test_failures(cli: Cli, tmp_path: Path) -> None:
    assert cli("stubs", "missing.so").code == 3
    done = cli("stubs", "hello.so", "-o", str(tmp_path / "no" / "hello.pyi"))
    assert done.code == 2
    assert "hello.pyi" in done.stderr
    assert cli("stubs", "hello.so", "-o", str(tmp_path)).code == 2
