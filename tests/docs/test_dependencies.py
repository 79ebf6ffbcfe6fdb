"""The rationale says of every dependency what it is for."""

from __future__ import annotations

import re
import tomllib

from .blocks import ROOT


def test_every_dependency_has_its_row() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = content["project"]
    listed = [*content["build-system"]["requires"], *project["dependencies"]]
    listed += [name for extra in project["optional-dependencies"].values() for name in extra]
    names = {re.split(r"[\[<>=~ ]", requirement)[0] for requirement in listed} - {"emuplugin"}
    text = (ROOT / "docs" / "rationale.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]+) \|", text.partition("## Dependencies")[2], re.M)
    rows = {name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)}
    assert rows == names
