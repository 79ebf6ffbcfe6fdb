"""``python -m benchmarks [NAMES]``: measure, print tables, keep the samples, draw plots.

Needs the extras ``dev`` and, for plots, ``bench`` of emuplugin. Builds plugins and installs the
peers first, which takes some minutes the first time. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import platformdirs
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from emuplugin.build import NEWEST, resolve_version

from . import document, goals
from .parts import NAMES, PARTS
from .peers import Peers
from .plots import draw
from .results import Results
from .settings import Settings

FULL = {"runs": 15, "calls": 10_000, "scale": 1.0}
QUICK = {"runs": 2, "calls": 200, "scale": 0.01}


def main() -> int:
    """Measure what the command line asks for."""
    options = _parser().parse_args()
    for option, number in (QUICK if options.quick else FULL).items():
        if getattr(options, option) is None:
            setattr(options, option, number)
    go_version = resolve_version(options.go)
    console = Console()
    folder = options.output or platformdirs.user_cache_path("emuplugin") / "benchmarks" / "results"
    with tempfile.TemporaryDirectory(prefix="emuplugin-benchmarks-") as temporary:
        settings = Settings(
            go=go_version,
            runs=options.runs,
            calls=options.calls,
            scale=options.scale,
            long=options.long,
            stripped=options.stripped,
            folder=Path(temporary),
            peers=Peers(go_version, Path(temporary)),
            say=lambda text: None,
        )
        results = Results(describe_machine(go_version), {}, {})
        with console.status("building what is needed") as status:
            for name in options.names:
                settings.say = partial(_show, status, name)
                settings.say("measuring")
                results.groups[name] = PARTS[name].measure(settings)
    results.facts["load afterwards"] = load()
    results.missing.update(settings.peers.missing)
    for fact, value in results.facts.items():
        console.print(f"{fact}: {value}", highlight=False, markup=False)
    for peer, reason in results.missing.items():
        console.print(f"not measured: {peer}: {reason}", highlight=False, markup=False)
    for name in options.names:
        for table in PARTS[name].tables(results.groups[name]):
            console.print(table)
    for table in goals.tables(results.groups):
        console.print(table)
    path = results.save(folder)
    console.print(f"samples: {path}", highlight=False, soft_wrap=True)
    if "scaling" in results.groups:
        for picture in draw(results.groups["scaling"], folder, path.stem):
            console.print(f"plot: {picture}", highlight=False, soft_wrap=True)
    if options.document is not None:
        document.update(options.document, results)
        console.print(f"written: {options.document}", highlight=False, soft_wrap=True)
    return 0


def _show(status: Status, name: str, text: str) -> None:
    status.update(escape(f"{name}: {text}"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:12} {part.about}" for name, part in PARTS.items()),
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", type=_name, default=list(NAMES),
        help="what to measure (default: all)",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, help="samples of each (default: 15)")
    parser.add_argument("--calls", type=int, help="calls per sample of a call (10,000)")
    parser.add_argument("--scale", type=float, help="share of the full sizes (default: 1)")
    parser.add_argument("--quick", action="store_true", help="only see whether all works")
    parser.add_argument(
        "--long", action="store_true", help="ten thousand openings and a million calls"
    )
    parser.add_argument("--go", default=NEWEST, help=f"Go version (default: {NEWEST})")
    parser.add_argument("--stripped", action="store_true", help="plugins without DWARF, no peers")
    parser.add_argument(
        "--output", type=Path, help="folder for samples and plots (default: the user's cache)"
    )
    parser.add_argument(
        "--document", type=Path, metavar="FILE",
        help="put the tables into this Markdown file, between its marks",
    )  # fmt: skip
    return parser


def _name(text: str) -> str:
    if text not in PARTS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(PARTS)}")
    return text


def describe_machine(go_version: str) -> dict[str, str]:
    """What one must know to compare figures."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": f"{_processor()}, {os.cpu_count()} CPUs",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "unicorn": version("unicorn"),
        "go": go_version,
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


if __name__ == "__main__":
    sys.exit(main())
