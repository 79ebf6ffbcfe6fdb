"""The README's two commands install what there is, and ``.ci/run`` runs the same tests."""

from __future__ import annotations

import re
import shlex
import tomllib

from .blocks import ROOT, read_blocks


def commands() -> list[list[list[str]]]:
    """The README's shell blocks, each as the commands between ``&&``."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [block.text for block in read_blocks(readme) if block.kind == "sh"]
    return [[shlex.split(command) for command in text.split("&&")] for text in blocks]


def test_there_are_two_and_they_install_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    run, test = commands()
    for extra, (venv, install, _) in zip(("build", "dev"), (run, test), strict=True):
        assert venv == ["python3", "-m", "venv", ".venv"]
        assert install == [".venv/bin/pip", "install", "-e", f".[{extra}]"]
        assert extra in project["optional-dependencies"]
    assert run[-1] == [".venv/bin/emuplugin", "demo"]
    assert project["scripts"]["emuplugin"] == "emuplugin.cli:main"


def test_continuous_integration_runs_the_same_tests() -> None:
    _, install, test = commands()[1]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    program, *arguments = test
    assert program == ".venv/bin/pytest"
    (options,) = re.findall(r'^exec "\$venv/bin/pytest" (.*) "\$@"$', script, re.M)
    assert shlex.split(options)[: len(arguments)] == arguments
    installed = re.findall(r'^"\$venv/bin/pip" (install .*)$', script, re.M)
    assert [shlex.split(line)[-2:] for line in installed] == [install[-2:]]
