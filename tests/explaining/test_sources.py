"""Sources: found by the end of their paths, and only where the user has agreed to."""

from __future__ import annotations

from pathlib import Path

import pytest

from emuplugin.explaining.sources import Sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("hello/plugin.go", "hello/inner/deep/code.go", "hello/asm_amd64.s", "hello/keys"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"first of {name}\nsecond\n")
    return tmp_path / "hello"


def test_found(folder: Path) -> None:
    sources = Sources([folder])
    assert sources.line(str(folder / "plugin.go"), 1) == "first of hello/plugin.go"
    assert sources.line("example.com/hello/plugin.go", 2) == "second"  # -trimpath
    assert sources.line("example.com/hello/inner/deep/code.go", 1) is not None
    assert sources.line("/somewhere/else/inner/deep/code.go", 1) is not None
    assert sources.line("C:\\users\\me\\hello\\plugin.go", 1) is not None
    assert sources.line("command-line-arguments/plugin.go", 1) is not None
    assert sources.line("/x/hello/asm_amd64.s", 1) is not None
    assert sources.found
    for number in (0, -1, 3, 1 << 40):
        assert sources.line("example.com/hello/plugin.go", number) is None


def test_not_looked_at(folder: Path) -> None:
    secret = folder.parent / "secret.go"
    secret.write_text("secret\n")
    (folder / "link.go").symlink_to(secret)
    sources = Sources([folder])
    for file in (
        str(secret),  # a Go source, but not of this folder
        str(folder / "keys"),
        f"{folder}/../secret.go",
        "hello/../../secret.go",
        str(folder / "link.go"),
        "other/plugin.go",  # another plugin's: the name alone is not enough
        "plugin.go",
        "<img>.go",
        "",
        ".go",
        "\0.go",
        "x" * 10_000 + "/y.go",
    ):
        assert sources.line(file, 1) is None, file
    assert not sources.found


def test_a_file_that_is_no_text(folder: Path) -> None:
    (folder / "bytes.go").write_bytes(b"\xff\xfe\x00\n")
    assert Sources([folder]).line("hello/bytes.go", 1) == "\ufffd\ufffd\0"
    (folder / "folder.go").mkdir()
    assert Sources([folder]).line("hello/folder.go", 1) is None
