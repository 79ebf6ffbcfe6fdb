"""Which files of the host get into a report, and what hostile names do to one."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from emuplugin.tracing.formats.go_cover import _is_go
from emuplugin.tracing.formats.lcov import _record
from emuplugin.tracing.formats.source_lines import SourceFile, SourceFunction
from emuplugin.tracing.formats.source_view import to_html
from emuplugin.tracing.formats.sources import Sources

from .made import NASTY, trace_of
from .test_coverage import Page


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "id_rsa"
    path.parent.mkdir()
    path.write_text("secret")
    return path


def test_absolute_names_are_read_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "f.go"
    path.write_text("package f\n\nvar X int\n")
    assert Sources().lines(str(path)) == ["package f", "", "var X int"]
    assert Sources().lines(str(path), last=3) is not None
    assert Sources().lines(str(path), last=4) is None  # not the file that was compiled
    assert Sources(read=False).lines(str(path)) is None
    assert Sources().lines(str(tmp_path / "no.go")) is None


def test_folders_are_searched_by_ever_shorter_endings(tmp_path: Path) -> None:
    (tmp_path / "geo").mkdir()
    (tmp_path / "geo" / "f.go").write_text("geo")
    (tmp_path / "f.go").write_text("top")
    sources = Sources(tmp_path, read=False)
    assert sources.lines("example.com/geo/f.go") == ["geo"]
    assert sources.lines("example.com/other/f.go") == ["top"]
    assert sources.lines("/build/geo/f.go") == ["geo"]
    assert sources.lines("./f.go") == ["top"]
    assert Sources([tmp_path / "none", tmp_path]).lines("x/f.go") == ["top"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_only_source_is_read(tmp_path: Path, secret: Path) -> None:
    link, folder = tmp_path / "link.go", tmp_path / "folder.go"
    link.symlink_to(secret)
    folder.mkdir()
    loop = tmp_path / "loop.go"
    loop.symlink_to(loop)
    for name in (secret, link, folder, loop, f"{link}/../home/id_rsa", "/dev/zero", "/proc/1/x.go"):
        assert Sources().lines(str(name)) is None, name
    inside = Sources(tmp_path / "folder.go")
    (tmp_path / "outside.go").write_text("outside")
    assert inside.lines("../outside.go") is None
    assert inside.lines("x/../../outside.go") is None
    assert Sources().lines(f"{secret}\0.go") is None


def test_large_files_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "f.go"
    with path.open("wb") as file:
        file.truncate(9 << 20)
    assert Sources().lines(str(path)) is None


def test_names_of_plugins_do_no_harm(tmp_path: Path) -> None:
    files = [
        SourceFile(f"/x/{text}.go", text, {1: 1, 2: 0}, [SourceFunction(text, 1, 1)])
        for text in NASTY
    ]
    text = to_html(trace_of([]), files, Sources())
    text.encode("utf-8", "replace")
    page = Page(text)
    assert {file["package"] for file in json.loads(page.data)["files"]} == set(NASTY)
    assert set(page.links) == {"data:,", "#", *(f"#{number}" for number in range(len(NASTY)))}
    assert len(re.findall("<script", text)) == 2
    for file in files:
        lines = list(_record(file))
        assert len(lines) == 11
        assert all(re.fullmatch(r"[A-Z]+:.*|end_of_record", line) for line in lines)
        assert not any("\n" in line or "\x1b" in line for line in lines)
        if not file.path.isprintable():
            assert not _is_go(file.path)
    assert not _is_go("/x/asm_amd64.s")
    assert not _is_go("/x/_cgo_gotypes.go")
    assert _is_go("/x/f.go")
