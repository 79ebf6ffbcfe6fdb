"""The generator: the same toolchain gives the same bytes, for every patch release."""

from __future__ import annotations

from pathlib import Path

import pytest

from emuplugin.build import NEWEST, PATCHES
from emuplugin.runtime_shims.layouts import Layout, generate


def test_regenerating_gives_the_same_bytes(go_version: str) -> None:
    minor = generate.minor_of(go_version)
    table = generate.stored_table(minor)
    assert table is not None
    layouts = {**table.layouts, f"go{go_version}": generate.generate(go_version)}
    path = generate.table_path(minor)
    assert generate.table_text(minor, layouts).encode() == path.read_bytes(), (
        f"{path.name} is stale: run python -m {generate.__name__} --go {minor}"
    )


def test_differences_are_told() -> None:
    old, new = Layout.for_version("go1.23.3"), Layout.for_version("go1.23.4")
    assert not list(generate.differences(new, new))
    lines = list(generate.differences(old, new))
    assert "structs: runtime.workType.strongFromWeak is new" in lines
    assert "variables: runtime.waitReasonStrings is [38]string, not [37]string" in lines
    lines = list(generate.differences(new, old))
    assert "structs: runtime.workType.strongFromWeak is gone" in lines


def test_the_command_writes_and_checks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "HERE", tmp_path)
    name = f"go{PATCHES[NEWEST]}"
    full = PATCHES[NEWEST]
    assert generate.main(["--go", full, "--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [f"{name}: changed", "  not in the table"]
    assert not list(tmp_path.iterdir())
    assert generate.main(["--go", full]) == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"go{NEWEST}.json"]
    capsys.readouterr()
    assert generate.main(["--go", full, "--check"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{name}: as stored"]


def test_the_command_names_what_it_cannot_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--go", "nonsense"]) == 2
    assert "'nonsense' is not a Go version" in capsys.readouterr().err


def test_every_patch_release_has_the_layout_in_its_table(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Downloads and builds with every toolchain of the supported versions: about ten minutes."""
    if not request.config.getoption("--patch-releases", default=False):
        pytest.skip("needs --patch-releases")
    assert generate.main(["--check"]) == 0, capsys.readouterr().out
