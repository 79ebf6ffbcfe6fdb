"""What opening a plugin costs, by step: each sample in a fresh process.

Cold when another file was opened on this machine before, warm when this one was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from rich.table import Table

from .native import run
from .samples import Samples
from .settings import Settings
from .tables import quantity_table

#: Steps in the order in which they happen, and the part of the whole that each belongs to: those
#: of a cold opening, of a warm one, or of both.
STEPS = (
    "interpreter",
    "import unicorn",
    "import emuplugin",
    "read the file",
    "machine",
    "map and relocate",
    "boot the runtime",
    "run the inits",
    "put into the cache",
    "take from the cache",
    "total",
    "look up F",
    "first call of F",
    "whole process",
    "second machine",
)
#: What is measured of openings by file.
SUMMARY = ("total", "first call of F", "whole process")
COLD, WARM = "cold", "warm"
FILES = ("hello", "router")
"""Fixtures: the one of Go's documentation, and one that imports net/http."""
_FUNCTIONS = {"hello": ("F",), "router": ()}


def measure(settings: Settings) -> Samples:
    """Seconds: ``FILE, cold: STEP``, ``FILE, warm: STEP``, ``FILE, PEER: STEP``. The ways take
    turns, so that all see the same machine."""
    samples = Samples()
    with tempfile.TemporaryDirectory(prefix="emuplugin-bytecode-") as bytecode:
        for file in FILES:
            plugin = settings.fixture(file)
            for number in range(settings.runs + 1):
                settings.say(f"opening {file}, {number} of {settings.runs}")
                # The first round compiles bytecode and fills the file cache.
                _round(samples if number else Samples(), settings, file, plugin, bytecode)
    return samples


def _round(samples: Samples, settings: Settings, file: str, plugin: Path, bytecode: str) -> None:
    with tempfile.TemporaryDirectory(prefix="emuplugin-home-") as home:
        env = _environment(bytecode, home)
        _steps([str(settings.fixture("add"))], env)
        for way in (COLD, WARM):
            steps = _steps([str(plugin), *_FUNCTIONS[file]], env)
            for step in STEPS:
                if step in steps:
                    samples.add(f"{file}, {way}: {step}", steps[step])
    for name, launcher in settings.launchers.items():
        for step, seconds in run(launcher, "open", str(plugin), *_FUNCTIONS[file]).items():
            samples.add(f"{file}, {name}: {step}", seconds)


def _environment(bytecode: str, home: str) -> dict[str, str]:
    """This process's environment, but with compiled bytecode kept, as pip does when it installs,
    and a home of its own, where the cache is found as users' is."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "HOME": home, "XDG_CACHE_HOME": home}
    for name in ("PYTHONDONTWRITEBYTECODE", "EMUPLUGIN_CACHE"):
        env.pop(name, None)
    return env


def _steps(arguments: list[str], env: dict[str, str]) -> dict[str, float]:
    start = perf_counter()
    subprocess.run([sys.executable, "-P", "-c", "pass"], env=env, check=True)
    interpreter = perf_counter() - start
    start = perf_counter()
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.sample_opening", *arguments],
        cwd=Path(__file__).parents[1],
        env=env,
        capture_output=True,
        check=True,
    )
    whole = perf_counter() - start
    steps: dict[str, float] = json.loads(result.stderr)
    # The second machine is made by the same process only to be measured.
    return {**steps, "interpreter": interpreter, "whole process": whole - steps["second machine"]}


def tables(samples: Samples) -> list[Table]:
    """Each step of a cold opening, and the ways to open."""
    ways = Samples()
    for file in FILES:
        for name, values in samples.by_name.items():
            way, _, step = name.partition(": ")
            if way.startswith(f"{file}, ") and step in (*SUMMARY, "open", "first call"):
                ways.by_name[name] = values
    return [
        quantity_table(
            "Opening hello, cold, in a fresh process", samples.part(f"hello, {COLD}"), "ms", 1e3
        ),
        quantity_table(
            "Opening hello, warm, in a fresh process", samples.part(f"hello, {WARM}"), "ms", 1e3
        ),
        quantity_table("Ways to open", ways, "ms", 1e3),
    ]
