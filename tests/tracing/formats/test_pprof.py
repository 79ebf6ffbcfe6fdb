"""Profiles, as ``go tool pprof`` reads them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from emuplugin.build import fetch_toolchain
from emuplugin.errors import ConfigurationError
from emuplugin.tracing import events as e
from emuplugin.tracing.formats import save
from emuplugin.tracing.formats.protobuf import data, number, numbers, varint

from .made import NASTY, trace_of

F = e.Frame("main.F", "/src/f.go", 7, 0x4001000)
G = e.Frame("main.g", "/src/f.go", 12, 0x4001100)

Pprof = Callable[..., str]


@pytest.fixture
def pprof(go_version: str, tmp_path: Path) -> Pprof:
    def run(path: Path, *arguments: str) -> str:
        result = fetch_toolchain(go_version).go(
            ["tool", "pprof", *arguments, str(path)], tmp_path, {"PPROF_TMPDIR": str(tmp_path)}
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    return run


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, b"\0"), (127, b"\x7f"), (128, b"\x80\1"), (300, b"\xac\2"),
        (-1, b"\xff" * 9 + b"\1"), ((1 << 64) - 1, b"\xff" * 9 + b"\1"),
    ],
)  # fmt: skip
def test_numbers(value: int, encoded: bytes) -> None:
    assert varint(value) == encoded


def test_fields() -> None:
    # The examples of protobuf.dev/programming-guides/encoding.
    assert number(1, 150) == bytes.fromhex("089601")
    assert data(2, b"testing") == bytes.fromhex("120774657374696e67")
    assert numbers(6, [3, 270, 86942]) == bytes.fromhex("3206038e029ea705")
    assert number(1, 0) == numbers(6, []) == b""


def test_samples_and_allocations(tmp_path: Path, pprof: Pprof) -> None:
    path = tmp_path / "t.pb.gz"
    samples = [
        e.Sample((F,), 1000, 1),
        e.Sample((G, F), 2000, 1),
        e.Sample((G, F), 3000, 2),
        e.Sample((), 4000, 0),
    ]
    events = [
        e.Allocation(1, 1, 1, 1, 64, "main.T", 0xC000, (G, F)),
        e.Allocation(2, 2, 1, 1, 64, "main.T", 0xC040, (G, F)),
        e.Allocation(3, 3, 1, 2, 2048, "", 0xC100, (F,)),
    ]
    save(trace_of(events, samples, every=1000), path)
    top = pprof(path, "-top")
    assert "Type: instructions" in top
    assert "4000 total" in top
    assert re.search(r"2000 +50.00% +50.00% +2000 +50.00% +main\.g", top)
    assert re.search(r"1000 +25.00% +75.00% +3000 +75.00% +main\.F", top)
    space = pprof(path, "-top", "-sample_index=alloc_space")
    assert re.search(r"2048B +94.12% +94.12% +2176B +100% +main\.F", space)
    assert re.search(r"128B +5.88% +100% +128B +5.88% +main\.g", space)
    objects = pprof(path, "-top", "-sample_index=alloc_objects")
    assert re.search(r"2 66.67% 66.67% +2 66.67% +main\.g", objects)
    tags = pprof(path, "-tags", "-sample_index=alloc_objects")
    assert re.search(r" 2(\.0)? \(.*\): main\.T", tags)  # percentages differ between versions
    assert re.search(r" 1(\.0)? \(33\.33%\): 2kB", tags)
    assert re.search(
        r"goroutine:.*\n +2000(\.0)? \(.*\): 1\n +1000(\.0)? \(.*\): 2", pprof(path, "-tags")
    )
    traces = pprof(path, "-traces")
    assert re.search(r"1000 +main\.g\n +main\.F\n", traces)
    raw = pprof(path, "-raw")
    assert "samples/count instructions/count[dflt] alloc_objects/count alloc_space/bytes" in raw
    assert "main.g /src/f.go:12" in raw


def test_a_function_that_calls_itself_is_there_as_often(tmp_path: Path, pprof: Pprof) -> None:
    path = tmp_path / "t.pb.gz"
    save(trace_of([], [e.Sample((F, F, F), 10, 1)], every=10), path)
    assert re.search(r"10 +main\.F\n +main\.F\n +main\.F\n", pprof(path, "-traces"))


def test_the_same_trace_gives_the_same_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pb.gz", tmp_path / "two.pb.gz"
    for path in (one, two):
        save(trace_of([], [e.Sample((F,), 10, 1)], every=10), path)
    assert one.read_bytes() == two.read_bytes()


def test_names_of_plugins_do_no_harm(tmp_path: Path, pprof: Pprof) -> None:
    path = tmp_path / "t.pb.gz"
    samples = [e.Sample((e.Frame(text, text, 1, at),), 1, 1) for at, text in enumerate(NASTY, 1)]
    save(trace_of([], samples, every=1), path)
    assert "main.Map[go.shape.struct { A int; B int }]" in pprof(path, "-raw")
    assert b"main.Map[" in gzip.decompress(path.read_bytes())


def test_nothing_to_profile(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="profile=10_000 or allocations=True"):
        save(trace_of([]), tmp_path / "t.pb.gz")
    assert not list(tmp_path.iterdir())
