"""emuplugin build and emuplugin demo: real toolchains, real plugins."""

from __future__ import annotations

import re
from pathlib import Path

import emuplugin
from emuplugin.build import NEWEST, PATCHES
from emuplugin.cli.demo import SOURCE
from tests.cli.conftest import Cli, run_program

GO = PATCHES[NEWEST]


def test_demo(go_version: str, tmp_path: Path) -> None:
    result = run_program("demo", "--go", go_version, "-o", "kept.so", cwd=tmp_path)
    assert result.code == 0
    source = (SOURCE / "hello.go").read_text(encoding="utf-8")
    assert all(line in result.stdout for line in source.splitlines())
    assert "\nHello, number 7\n" in result.stdout
    steps = re.findall(r"^(\S.*?) {2,}[\d.]+ m?s", result.stdout, re.MULTILINE)
    assert steps == [
        "fetch the Go toolchain",
        "build the plugin",
        "read the file",
        "make the machine",
        "map and relocate",
        "boot the Go runtime",
        "run init functions",
        "look up V and F",
        "set V, call F",
    ]
    assert re.search(r"map and relocate .* [\d,]{5,} relocations\n", result.stdout)
    assert f"Go {go_version}" in result.stdout
    info = run_program("info", "kept.so", cwd=tmp_path)
    assert f"go{go_version}" in info.stdout


def test_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    result = run_program("demo", cwd=tmp_path)
    assert result.code == 0
    assert list(tmp_path.iterdir()) == []


def test_build(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "built.so"
    result = cli(
        "build", str(SOURCE), "-o", str(path), "--go", GO,
        "--ldflags", "-s -w", "--trimpath", "--tags", "one,two",
    )  # fmt: skip
    assert result.code == 0
    assert result.stdout == ""
    assert f"{path}: {path.stat().st_size:,} bytes, Go {GO}" in result.stderr
    report = cli("info", str(path), "--json").json
    assert (report["symbol_table"], report["dwarf"]) == (False, False)
    assert report["settings"]["-tags"] == "one,two"
    assert report["settings"]["-trimpath"] == "true"
    with emuplugin.Machine() as machine:
        assert set(machine.open(path).exports) == {"F", "V"}


def test_build_names_the_file_after_the_folder(tmp_path: Path) -> None:
    source = tmp_path / "greeter"
    source.mkdir()
    for name in ("go.mod", "hello.go"):
        (source / name).write_bytes((SOURCE / name).read_bytes())
    assert run_program("build", "greeter", "--go", GO, cwd=tmp_path).code == 0
    assert (tmp_path / "greeter.so").is_file()
    assert sorted(path.name for path in source.iterdir()) == ["go.mod", "hello.go"]


def test_build_errors_show_what_go_says(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.go").write_text(
        "package main\n\nfunc F() int { return nil }\nfunc main() {}\n"
    )
    output = str(tmp_path / "bad.so")
    result = cli("build", str(tmp_path / "bad.go"), "-o", output, "--go", GO)
    assert result.code == 9
    assert "bad.go:3" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "bad.so").exists()
    missing = cli("build", str(tmp_path / "none"), "--go", GO)
    assert missing.code == 9
    assert "no Go source at" in missing.stderr
    assert cli("build", str(SOURCE), "--go", "one").code == 9


def test_missing_extras(tmp_path: Path) -> None:
    """On a machine with neither a toolchain nor what fetches one."""
    (tmp_path / "filelock.py").write_text("raise ModuleNotFoundError('filelock')\n")
    env = {
        "PYTHONPATH": f"{tmp_path}:{Path(emuplugin.__file__).parents[1]}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
    }
    result = run_program("demo", cwd=tmp_path, env=env)
    assert result.code == 9
    assert "pip install 'emuplugin[build]'" in result.stderr
    assert "Traceback" not in result.stderr
