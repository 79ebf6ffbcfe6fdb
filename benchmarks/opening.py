"""What opening a plugin costs, by step: each sample in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from .native import run
from .samples import Samples

#: Steps in the order in which they happen, and the part of the whole that each belongs to.
STEPS = (
    "interpreter",
    "import unicorn",
    "import emuplugin",
    "read the file",
    "machine",
    "map and relocate",
    "boot the runtime",
    "run the inits",
    "total",
    "look up F",
    "first call of F",
    "whole process",
    "second machine",
)


def measure(
    plugin: Path, peers: dict[str, list[str]], runs: int, progress: Callable[[], None]
) -> Samples:
    """Seconds by step. The peers take turns with emuplugin, so that all see the same machine."""
    samples = Samples()
    with tempfile.TemporaryDirectory(prefix="emuplugin-bytecode-") as bytecode:
        _measure(samples, plugin, peers, runs, progress, _environment(bytecode))
    return samples


def _environment(bytecode: str) -> dict[str, str]:
    """This process's environment, but with compiled bytecode kept, as pip does when it installs."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


def _measure(
    samples: Samples,
    plugin: Path,
    peers: dict[str, list[str]],
    runs: int,
    progress: Callable[[], None],
    env: dict[str, str],
) -> None:
    for number in range(runs + 1):
        start = perf_counter()
        subprocess.run([sys.executable, "-P", "-c", "pass"], env=env, check=True)
        interpreter = perf_counter() - start
        start = perf_counter()
        result = subprocess.run(
            [sys.executable, "-m", "benchmarks.sample_opening", str(plugin)],
            cwd=Path(__file__).parents[1],
            env=env,
            capture_output=True,
            check=True,
        )
        whole = perf_counter() - start
        steps: dict[str, float] = json.loads(result.stderr)
        steps["interpreter"] = interpreter
        # The second machine is made by the same process only to be measured.
        steps["whole process"] = whole - steps["second machine"]
        native = {name: run(launcher, "open", str(plugin), "F") for name, launcher in peers.items()}
        progress()
        if number == 0:
            continue  # compiles bytecode and fills the file cache
        for step in STEPS:
            samples.add(f"emuplugin: {step}", steps[step])
        for name, times in native.items():
            for step, seconds in times.items():
                samples.add(f"{name}: {step}", seconds)
