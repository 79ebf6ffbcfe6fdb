"""A folder of plugins, and two ways to run the command line: in a process of its own, or here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from emuplugin.build import NEWEST, PATCHES
from emuplugin.cli import main
from tests.conftest import PluginPath

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one document that stdout must be."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document


class Cli(Protocol):
    """Runs ``emuplugin ARGUMENTS`` in this process, in the folder of plugins."""

    def __call__(self, *arguments: str) -> Result: ...


@pytest.fixture(scope="session")
def plugins(plugin_path: PluginPath, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with plugins of the newest Go under the names that the help texts use.

    The command line has nothing of its own that depends on the Go version but ``info``; so most
    of its tests do with one.
    """
    folder = tmp_path_factory.mktemp("plugins")
    names = {
        "hello": "hello",
        "calc": "scalars",
        "text": "scalars",
        "bytes": "scalars",
        "geo": "composites",
        "runtime": "runtime",
    }
    for name, fixture in names.items():
        shutil.copy(plugin_path(fixture, PATCHES[NEWEST]), folder / f"{name}.so")
    return folder


@pytest.fixture
def cli(
    plugins: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Cli:
    monkeypatch.chdir(plugins)

    def run(*arguments: str) -> Result:
        capfdbinary.readouterr()
        code = main(arguments)
        out, err = capfdbinary.readouterr()
        return Result(
            code, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape")
        )

    return run


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a process that runs the emuplugin of this checkout."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **(extra or {})}


#: The command line as a program. -P: the folder of plugins must not be searched for modules.
PROGRAM = (sys.executable, "-P", "-m", "emuplugin")


def run_program(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> Result:
    """Run ``emuplugin ARGUMENTS`` as a process."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=cwd,
        env=environment(env),
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    return Result(done.returncode, done.stdout, done.stderr)
