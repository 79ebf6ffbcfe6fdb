"""Help texts: every example in them runs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import emuplugin
from emuplugin.build import OLDEST
from emuplugin.cli.demo import SOURCE
from tests.cli.conftest import PROGRAM, environment, run_program
from tests.support.plugins import SOURCES

COMMANDS = (
    "demo",
    "build",
    "info",
    "inspect",
    "call",
    "run",
    "get",
    "set",
    "explain",
    "trace",
    "stubs",
    "cache",
)


def examples(help_text: str) -> list[str]:
    """The lines under ``Examples:``."""
    block = help_text.partition("Examples:\n")[2].partition("\n\n")[0]
    return [line.strip() for line in block.splitlines()]


def test_the_commands(tmp_path: Path) -> None:
    text = run_program("--help", cwd=tmp_path).stdout
    listed = re.findall(r"^  (\w+)  +\S", text.partition("Commands:\n")[2], re.MULTILINE)
    assert tuple(listed[: len(COMMANDS)]) == COMMANDS
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 70, 130):
        assert re.search(rf"^ +{code}  \w", text, re.MULTILINE)
    assert run_program("-h", cwd=tmp_path).stdout == text


def test_version(tmp_path: Path) -> None:
    assert run_program("--version", cwd=tmp_path).stdout == (
        f"emuplugin, version {emuplugin.__version__}\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a POSIX shell")
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_examples_run(plugins: Path, command: str, tmp_path: Path) -> None:
    for plugin in plugins.iterdir():
        shutil.copy(plugin, tmp_path)
    for name in ("go.mod", "hello.go"):
        shutil.copy(SOURCE / name, tmp_path)
    shutil.copytree(SOURCES / "scalars", tmp_path / "greeter")
    (tmp_path / "notes.txt").write_text("some notes")
    lines = examples(run_program(*filter(None, [command]), "--help", cwd=tmp_path).stdout)
    assert len(lines) >= 2
    program = " ".join(shlex.quote(part) for part in PROGRAM)
    for line in lines:
        assert line.startswith("emuplugin ")
        if ("jq" in line and not shutil.which("jq")) or ("gcc" in line and not shutil.which("gcc")):
            continue
        expected = re.search(r"# exit code (\d+)", line)
        line = line.replace("--go 1.21", f"--go {OLDEST}")
        done = subprocess.run(
            ["bash", "-c", f'set -o pipefail\nemuplugin() {{ {program} "$@"; }}\n{line}'],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == (int(expected[1]) if expected else 0), (line, done.stderr)


def test_help_and_errors_start_without_rich(tmp_path: Path) -> None:
    script = "import sys, emuplugin.cli as c; c.main(sys.argv[1:]); print('rich' in sys.modules)"
    for arguments in (["--help"], ["call", "missing.so", "F"], ["info", "missing.so"]):
        done = subprocess.run(
            [sys.executable, "-P", "-c", script, *arguments],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.stdout.endswith("False\n")
