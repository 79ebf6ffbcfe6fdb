"""The benchmarks run, and keep what the performance page says they keep."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.conversions import JSON
from benchmarks.opening import STEPS
from benchmarks.samples import Samples

from .blocks import ROOT


def test_benchmarks_run(tmp_path: Path) -> None:
    options = ["--runs=1", "--calls=10", "--scale=0.001", f"--output={tmp_path}"]
    command = [sys.executable, "-m", "benchmarks", *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    (path,) = tmp_path.glob("*.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["machine"]["unicorn"]
    opening = content["opening"]
    steps = {name.removeprefix("emuplugin: ") for name in opening if name.startswith("emuplugin: ")}
    assert steps == set(STEPS)
    assert all(len(samples) == 1 and samples[0] > 0 for samples in opening.values())
    parts = ("read the file", "machine", "map and relocate", "boot the runtime", "run the inits")
    total = opening["emuplugin: total"][0]
    assert 0.5 * total < sum(opening[f"emuplugin: {part}"][0] for part in parts) <= total
    assert "emuplugin" in content["calls"]
    conversions = content["conversions"]
    assert all(len(samples) == 1 and samples[0] > 0 for samples in conversions.values())
    counted = {"[]float64, 10,000", "map[string]int, 100", "[]Point, 100", "[]string, 100"}
    for verb in ("read", "write"):
        by_peer = {f"{verb} {what}: {JSON}" for what in counted}
        assert by_peer < {name for name in conversions if name.startswith(verb)}


def test_samples() -> None:
    samples = Samples()
    for value in (5.0, 1.0, 2.0, 4.0, 3.0):
        samples.add("x", value)
    assert samples.median("x") == 3.0
    assert samples.quartiles("x") == (2.0, 4.0)


def test_results_are_not_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/benchmarks/results/" in ignored
