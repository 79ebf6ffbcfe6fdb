"""A real run in every format, with all observers on."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import jsonschema
import pytest

import emuplugin
from emuplugin.build import fetch_toolchain
from emuplugin.tracing import Trace
from emuplugin.tracing import events as e
from emuplugin.tracing.formats import FORMATS, save
from emuplugin.tracing.formats.json_lines import read, read_lines, read_samples
from emuplugin.tracing.formats.weights import weigh
from tests.support.plugins import plugin_path

from .picture import read_picture
from .test_json_lines import SCHEMA


@cache
def everything(go_version: str) -> Trace:
    return emuplugin.trace(
        plugin_path("covered", go_version),
        "Run",
        syscalls=True,
        calls=True,
        goroutines=True,
        allocations=True,
        gc=True,
        panics=True,
        inits=True,
        output=True,
        instructions="main.Half",
        blocks=True,
        profile=500,
    )


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_says_the_same_again(go_version: str, name: str, tmp_path: Path) -> None:
    trace = everything(go_version)
    first, second = (tmp_path / f"{n}{FORMATS[name].suffix}" for n in (1, 2))
    trace.save(first)
    trace.save(second, name)
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size > 500


def test_json_lines(go_version: str, tmp_path: Path) -> None:
    trace = everything(go_version)
    path = tmp_path / "t.jsonl"
    trace.save(path)
    assert list(read(path)) == list(trace)
    assert list(read_samples(path)) == trace.samples
    definitions = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]
    validators = {
        line["properties"]["kind"]["const"]: jsonschema.Draft202012Validator(
            {**line, "$defs": definitions}
        )
        for key, line in definitions.items()
        if key.endswith("_line")
    }
    kinds = set()
    for line in read_lines(path):
        validators[line["kind"]].validate(line)
        kinds.add(line["kind"])
    assert {"syscall", "call", "return", "goroutine runs", "allocation", "panic"} <= kinds
    assert {"init begins", "trace", "module", "sample", "block", "end"} <= kinds


def test_json_lines_while_it_runs(go_version: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    trace = emuplugin.trace(plugin_path("covered", go_version), "Run", calls=True, file=path)
    assert list(read(path)) == list(trace)
    *_, last = read_lines(path)
    assert (last["kind"], last["events"]) == ("end", len(trace))


def test_a_file_of_another_format_is_written_at_the_end(go_version: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    emuplugin.trace(plugin_path("covered", go_version), "Run", calls=True, file=path)
    assert read_picture(path).names("goroutines/goroutine 1", "call")


def test_chrome(go_version: str, tmp_path: Path) -> None:
    trace = everything(go_version)
    path = tmp_path / "t.json"
    trace.save(path)
    picture = read_picture(path)
    main = next(t for t in picture.slices if re.match("goroutines/goroutine 1($|:)", t))
    calls = picture.names(main, "call")
    assert calls.count("main.Run") == 1
    # Every call of the trace is drawn, on its goroutine, and is as long as it took.
    drawn = [s for part in picture.slices.values() for s in part if s.category == "call"]
    assert len(drawn) == sum(isinstance(event, e.Call) for event in trace)
    run = next(s for s in drawn if s.name == "main.Run")
    assert run.end - run.start >= run.args["instructions"] > 10_000
    words = next(s for s in drawn if s.name == "main.Words")
    assert words.args["text"] == '"the cat and the dog and the bird" (string)'
    assert run.start < words.start < words.end < run.end
    workers = [t for t in picture.slices if "main.Sum" in t]
    assert len(workers) == 5
    for worker in workers:
        assert (main, worker, "go") in picture.arrows
        assert "main.Sum.func1" in picture.names(worker, "call")
    assert "chan receive" in picture.names(main, "wait")
    syscalls = [s for t, part in picture.slices.items() if t.startswith("threads/")
                for s in part if s.category == "syscall"]  # fmt: skip
    assert len(syscalls) == sum(isinstance(event, e.SystemCall) for event in trace)
    assert {"mmap", "clone"} <= {s.name for s in syscalls}
    assert 'panic: "told to"' in picture.marks[main]
    sizes = [event.size for event in trace if isinstance(event, e.Allocation)]
    assert picture.counters["allocated"][-1] == sum(sizes)


def test_pprof(go_version: str, tmp_path: Path) -> None:
    trace = everything(go_version)
    path = tmp_path / "t.pb.gz"
    trace.save(path)

    def pprof(*arguments: str) -> str:
        result = fetch_toolchain(go_version).go(["tool", "pprof", *arguments, str(path)], tmp_path)
        assert result.returncode == 0, result.stdout
        return result.stdout

    total = len(trace.samples) * 500
    top = pprof("-top", "-cum", "-nodecount=500")
    assert f"{total} total" in top or f"Total samples = {total}" in top
    assert re.search(r"\d+ +[\d.]+% +main\.Run\n", top)
    traces = pprof("-traces")
    assert re.search(r"\(inline\)", traces)
    # What a sample stands for adds up to what ran.
    assert abs(total - (trace.ended - trace.began)) <= 500
    sizes = [event.size for event in trace if isinstance(event, e.Allocation)]
    raw = pprof("-raw")
    rows = re.findall(r"^ +(\d+) +(\d+) +(\d+) +(\d+):", raw, re.M)
    assert sum(int(row[3]) for row in rows) == sum(sizes)
    assert sum(int(row[2]) for row in rows) == len(sizes)
    # The tree of the profile is that of the stacks.
    assert re.search(r"main\.Words\n +main\.Run\n", traces)


def test_stacks_begin_with_the_outermost(go_version: str) -> None:
    trace = everything(go_version)
    weights, _ = weigh(trace, "samples")
    assert sum(weights.values()) == len(trace.samples) * 500
    assert any(names[:2] == ("main.Run", "main.Words") for names in weights)
    calls, _ = weigh(trace, "calls")
    run = next(event for event in trace if isinstance(event, e.Return) and event.depth == 0)
    assert run.function == "main.Run" or run.function.startswith("main.Sum")
    mine = sum(weight for names, weight in calls.items() if names[0] == "main.Run")
    spent = next(
        event.spent
        for event in trace
        if isinstance(event, e.Return) and event.function == "main.Run"
    )
    assert mine == spent


def test_saving_by_function(go_version: str, tmp_path: Path) -> None:
    path = tmp_path / "t"
    save(everything(go_version), path, "folded", by="bytes")
    assert re.search(r"^main\.Run;main\.Words;.*;new \S+ \d+$", path.read_text(), re.M)
