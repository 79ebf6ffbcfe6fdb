"""Which format a file gets, and that it is whole or not there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from emuplugin.errors import ConfigurationError
from emuplugin.tracing import events as e
from emuplugin.tracing.formats import FORMATS, format_of, save
from emuplugin.tracing.formats.files import written_whole

from .made import trace_of

SAMPLE = e.Sample((e.Frame("main.F", "f.go", 1, 1),), 10, 1)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("x.jsonl", "jsonl"), ("x.json", "chrome"), ("X.JSON", "chrome"), ("x.pb.gz", "pprof"),
        ("a.b.pprof", "pprof"), ("x.folded", "folded"), ("x.svg", "flame"), ("x.drcov", "drcov"),
        ("x.lcov", "lcov"), ("lcov.info", "lcov"), ("x.cover", "cover"), ("cover.out", "cover"),
        ("dir.json/x.html", "html"), (".jsonl", "jsonl"), ("x.ndjson", "jsonl"),
    ],
)  # fmt: skip
def test_endings(name: str, format: str) -> None:
    assert format_of(name) == format
    assert format_of(Path(name)) == format


def test_an_ending_that_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        save(trace_of([]), tmp_path / "x.gz")
    assert "'x.gz'" in str(caught.value)
    for name, form in FORMATS.items():
        assert f"{form.suffix} ({name})" in str(caught.value)


def test_formats_and_options_that_there_are_none_of(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(ConfigurationError, match="'xml' is no format; there are jsonl, chrome"):
        save(trace_of([]), path, "xml")
    with pytest.raises(ConfigurationError, match="chrome takes on_progress, not by, title"):
        save(trace_of([]), path, title="x", by="calls")
    with pytest.raises(ConfigurationError, match="format drcov takes no options, not by"):
        save(trace_of([]), path, "drcov", by="calls")


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_trace_without_what_it_takes(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"x{FORMATS[name].suffix}"
    path.write_text("before")
    if not FORMATS[name].needs:
        save(trace_of([]), path)
        assert path.read_text() != "before"
        return
    with pytest.raises(ConfigurationError, match="trace with"):
        save(trace_of([]), path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == [path.name]


def test_a_named_format_goes_before_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    save(trace_of([], [SAMPLE], every=3), path, "folded")
    assert path.read_text() == "main.F 3\n"


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("before")
    path.chmod(0o640)
    with pytest.raises(KeyboardInterrupt):
        _half_of_it(path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["x"]
    with written_whole(path) as stream:
        stream.write(b"after")
    assert path.read_text() == "after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def _half_of_it(path: Path) -> None:
    with written_whole(path) as stream:
        stream.write(b"half of it")
        stream.flush()
        raise KeyboardInterrupt


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither")
def test_links_and_pipes_stay_what_they_are(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    with written_whole(link) as stream:
        stream.write(b"x")
    assert link.is_symlink()
    assert target.read_text() == "x"
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~_umask()
    with written_whole("/dev/null") as stream:
        stream.write(b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save(trace_of([]), tmp_path / "none" / "x.json")


@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_progress(tmp_path: Path, name: str) -> None:
    events = [e.Output(number, 0, 1, 1, "stdout", "x") for number in range(25_000)]
    heard: list[tuple[int, int]] = []
    save(trace_of(events), tmp_path / name, on_progress=lambda *now: heard.append(now))
    assert heard == [(10_000, 25_000), (20_000, 25_000), (25_000, 25_000)]
