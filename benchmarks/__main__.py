"""``python -m benchmarks``: measure, print tables, and keep the samples as JSON.

Needs the extra ``dev`` of emuplugin. Builds the plugins first, which takes a minute the first
time. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from emuplugin.build import NEWEST, resolve_version
from tests.support.plugins import plugin_path

from . import calls, conversions, opening, throughput
from .native import build_host, launchers
from .samples import Samples

RESULTS = Path(__file__).parent / "results"
_MOST_CONVERSIONS = 7  # a round takes half a minute


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=21, help="samples of each (default: 21)")
    parser.add_argument("--calls", type=int, default=10_000, help="calls per sample of a call")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the elements in conversions (default: 1)"
    )
    parser.add_argument("--go", default=NEWEST, help=f"Go version (default: {NEWEST})")
    parser.add_argument("--stripped", action="store_true", help="plugins without DWARF")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the JSON")
    options = parser.parse_args()
    go_version = resolve_version(options.go)
    console = Console()
    hello = plugin_path("hello", go_version, stripped=options.stripped)
    add = plugin_path("add", go_version, stripped=options.stripped)
    facts = describe_machine(go_version, hello)
    with tempfile.TemporaryDirectory(prefix="emuplugin-benchmarks-") as temporary:
        # A stripped plugin is built with -trimpath, which Go's loader wants of its host too.
        host = None if options.stripped else build_host(go_version, Path(temporary))
        peers = launchers(host)
        with Progress(console=console, transient=True) as bars:
            rounds = min(options.runs, _MOST_CONVERSIONS)
            steps = 2 * options.runs + 1 + len(throughput.SIZES)
            steps += len(conversions.TYPES) * (rounds + 1)
            task = bars.add_task("measuring", total=steps)
            opened = opening.measure(hello, peers, options.runs, lambda: bars.advance(task))
            called = calls.measure(
                add, peers, options.runs, options.calls, lambda: bars.advance(task)
            )
            ran = throughput.measure(
                go_version, Path(temporary), peers, options.runs, lambda: bars.advance(task)
            )
            converted = conversions.measure(
                go_version, Path(temporary), rounds, options.scale, lambda: bars.advance(task)
            )
    facts["load afterwards"] = load()
    for name, value in facts.items():
        console.print(f"{name}: {value}", highlight=False)
    console.print(_table("Opening hello, in a fresh process", opened, "ms", 1e3))
    console.print(_table("One call of Add(int, int) int", called, "us", 1e6))
    console.print(throughput.table(ran))
    console.print(conversions.table(converted))
    groups = {"opening": opened, "calls": called, "throughput": ran, "conversions": converted}
    path = _save(options.output, facts, groups)
    console.print(f"samples: {path}", highlight=False)
    return 0


def describe_machine(go_version: str, plugin: Path) -> dict[str, str]:
    """What one must know to compare figures."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": f"{_processor()}, {os.cpu_count()} CPUs",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "unicorn": version("unicorn"),
        "go": go_version,
        "plugin": f"{plugin.stat().st_size:,} bytes",
        "load before": load(),
    }


def load() -> str:
    """How many processes wanted to run in the last minute, where the system tells."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _table(title: str, samples: Samples, unit: str, scale: float) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    for heading in (f"median ({unit})", "quartiles"):
        table.add_column(heading, justify="right")
    for name in samples.by_name:
        low, high = (value * scale for value in samples.quartiles(name))
        table.add_row(
            name, _digits(samples.median(name) * scale), f"{_digits(low)} - {_digits(high)}"
        )
    return table


def _digits(value: float) -> str:
    return f"{value:.4f}" if value < 0.1 else f"{value:.2f}"


def _save(folder: Path, facts: dict[str, str], groups: dict[str, Samples]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{facts['date'].replace(':', '')}.json"
    content = {"machine": facts, **{name: group.by_name for name, group in groups.items()}}
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
