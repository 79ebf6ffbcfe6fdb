"""The benchmarks run, keep what they found, and can put it into a page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from benchmarks import calls, document, goals, opening, scaling, states, tables, throughput
from benchmarks.conversions import JSON
from benchmarks.parts import NAMES
from benchmarks.results import Results
from benchmarks.samples import Samples

from .blocks import ROOT

_MARK = re.compile(r"<!-- benchmark (\w+) -->")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A run of nearly everything that is as short as it can be."""
    folder = tmp_path_factory.mktemp("results")
    names = [name for name in NAMES if name != "observers"]
    options = ["--quick", "--runs=1", "--calls=10", "--scale=0.001", f"--output={folder}"]
    command = [sys.executable, "-m", "benchmarks", *names, *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    (path,) = folder.glob("*.json")
    assert str(path) in result.stdout
    return Results.load(path)


def test_facts(run: Results) -> None:
    assert run.facts["unicorn"]
    assert run.facts["load afterwards"]


def test_opening(run: Results) -> None:
    cold = run.groups["opening"].part(f"hello, {opening.COLD}")
    warm = run.groups["opening"].part(f"hello, {opening.WARM}")
    assert set(opening.STEPS) - set(cold.by_name) == {"take from the cache"}
    assert warm.by_name["take from the cache"] <= warm.by_name["total"]
    assert all(len(samples) == 1 and samples[0] > 0 for samples in cold.by_name.values())
    parts = opening.STEPS[3:9]
    assert (parts[0], parts[-1]) == ("read the file", "put into the cache")
    total = cold.median("total")
    assert 0.4 * total < sum(cold.median(part) for part in parts) <= total
    assert run.groups["opening"].median(f"router, {opening.WARM}: total") > 0


def test_calls(run: Results) -> None:
    found = run.groups["calls"]
    assert found.median(f"Add: {calls.OURS}") > 0
    signatures = {f"signature: {label}" for label, *_ in calls.SIGNATURES}
    assert signatures < set(found.by_name)


def test_states(run: Results) -> None:
    assert run.groups["states"].median("time: snapshot.clone()") > 0
    assert run.groups["states"].median("memory: each clone") >= 0
    assert states.tables(run.groups["states"])[0].row_count > 5


def test_conversions(run: Results) -> None:
    conversions = run.groups["conversions"].by_name
    assert all(len(samples) == 1 and samples[0] > 0 for samples in conversions.values())
    counted = {"[]float64, 10,000", "map[string]int, 100", "[]Point, 100", "[]string, 100"}
    for verb in ("read", "write"):
        by_peer = {f"{verb} {what}: {JSON}" for what in counted}
        assert by_peer < {name for name in conversions if name.startswith(verb)}


def test_throughput(run: Results) -> None:
    for name in throughput.SIZES:
        assert run.groups["throughput"].median(f"{throughput.OURS}: {name}") > 0


def test_scaling(run: Results) -> None:
    found = run.groups["scaling"]
    assert all(len(scaling.points(found, series)) > 1 for series in scaling.SERIES)


def test_lines() -> None:
    line = scaling.fitted([(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)])
    assert (round(line.start, 9), round(line.slope, 9), round(line.off, 9)) == (3.0, 2.0, 0.0)
    assert scaling.fitted([(0.0, 0.0), (1.0, 4.0), (2.0, 4.0)]).off > 0.2


def test_goals() -> None:
    samples = Samples()
    for way, seconds in ((calls.OURS, 3e-6), (calls.WASM, 60e-6), (calls.PIPE, 2e-6)):
        samples.add(f"Add: {way}", seconds)
    (table,) = goals.tables({"calls": samples})
    text = tables.markdown(table)
    assert "| call of Add | wasmtime from Python | 0.05 x | 0.1 x |  | aim |" in text
    assert "| call of Add | a round trip over a pipe | 1.5 x | 1 x |  | no |" in text


def test_the_page_has_all_and_can_be_brought_up_to_date(run: Results, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    inspect = (ROOT / "docs" / "inspect.md").read_text(encoding="utf-8")
    assert {*NAMES, "machine", "goals"} == set(_MARK.findall(text)) | set(_MARK.findall(inspect))
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    document.update(page, run)
    updated = page.read_text(encoding="utf-8")
    assert f"- date: {run.facts['date']}" in updated
    assert updated.count("<!-- end -->") == text.count("<!-- end -->")
    document.update(page, run)
    assert page.read_text(encoding="utf-8") == updated


def test_markdown() -> None:
    table = Table("what", title="Title")
    table.add_column("ms", justify="right")
    table.add_row("a|b", "[bold]1.5[/]")
    assert tables.markdown(table) == "**Title**\n\n| what | ms |\n| --- | ---: |\n| a\\|b | 1.5 |"
    assert [tables.digits(x) for x in (0, 1234.5, 12.345, 0.00001)] == [
        "0",
        "1,234",
        "12.3",
        "1.00e-05",
    ]


def test_samples() -> None:
    samples = Samples()
    for value in (5.0, 1.0, 2.0, 4.0, 3.0):
        samples.add("x: y", value)
    assert samples.median("x: y") == 3.0
    assert samples.quartiles("x: y") == (2.0, 4.0)
    assert samples.part("x").by_name == {"y": [5.0, 1.0, 2.0, 4.0, 3.0]}


def test_results_are_kept(tmp_path: Path) -> None:
    samples = Samples()
    samples.add("x", 1.5)
    path = Results({"date": "2026-01-01T00:00:00"}, {"calls": samples}, {"qemu": "none"}).save(
        tmp_path
    )
    found = Results.load(path)
    assert found.groups["calls"].by_name == {"x": [1.5]}
    assert found.missing == {"qemu": "none"}
    assert json.loads(path.read_text(encoding="utf-8"))["machine"]["date"] == "2026-01-01T00:00:00"


def test_results_are_not_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/benchmarks/results/" in ignored
