"""``emuplugin trace``: call a function and watch what happens."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any, Final, cast

import click

from emuplugin.cli.call import NumbersAsArguments, unmark
from emuplugin.cli.passthrough import Passthrough
from emuplugin.cli.sandbox_options import SandboxOptions, sandbox_options

_POSITIVE: Final = click.IntRange(min=1)
_OBSERVERS: Final = {
    "syscalls": "syscalls",
    "calls": "calls",
    # As options, "goroutines" and "instructions" are limits.
    "scheduling": "goroutines",
    "allocations": "allocations",
    "gc": "gc",
    "panics": "panics",
    "inits": "inits",
    "steps": "instructions",
    "watch": "watch",
    "blocks": "blocks",
    "profile": "profile",
    "stdio": "output",
}
_EPILOG = """\b
Examples:
  emuplugin trace calc.so Add 2 3
  emuplugin trace calc.so                            # only what opening it does
  emuplugin trace runtime.so PingPong 3 --syscalls --scheduling
  emuplugin trace runtime.so Pipeline 2 --calls own --calls 'sync.*'
  emuplugin trace hello.so F --steps main.F --watch V
  emuplugin trace runtime.so Goroutines 9 --profile 9000 -o flame.svg
  emuplugin trace runtime.so Pipeline 5 --blocks own -o coverage.html
  emuplugin trace runtime.so Pipeline 5 -o trace.json # for ui.perfetto.dev

\b
Without any of the options that choose: --syscalls --calls own --scheduling
--panics --stdio. A PATTERN is a function as stack traces name it, with *
and ? (main.*, net/http.(*Server).*), a package (encoding/json), * for all,
or own for the packages of the plugin's own module.

\b
In the tree G1 is a goroutine, M3 a thread that runs none; time counts from
the start of the runtime, by the plugin's clock. A call with its results on
its own line had nothing else in it.
"""


@click.command(
    cls=NumbersAsArguments,
    epilog=_EPILOG,
    short_help="Call a function and watch what happens.",
)
@click.argument("plugin")
@click.argument("name", required=False)
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, callback=unmark)
@click.option("--syscalls", is_flag=True, help="System calls, decoded.")
@click.option(
    "--calls", metavar="PATTERN", multiple=True, help="Calls of functions and their ends (repeat)."
)
@click.option("--scheduling", is_flag=True, help="Goroutines: made, run, wait, wake, end.")
@click.option("--allocations", is_flag=True, help="Memory of the Go heap, by type.")
@click.option("--gc", is_flag=True, help="Cycles of the garbage collector.")
@click.option("--panics", is_flag=True, help="Panics, and who recovers.")
@click.option("--inits", is_flag=True, help="Initialisation of packages.")
@click.option(
    "--steps", metavar="PATTERN", multiple=True, help="Each instruction of functions (repeat)."
)
@click.option(
    "--watch", metavar="VARIABLE", multiple=True, help="Reads and writes of a variable (repeat)."
)
@click.option(
    "--blocks",
    metavar="PATTERN",
    multiple=True,
    help="Which code runs, for coverage (repeat).",
)
@click.option(
    "--profile", type=_POSITIVE, metavar="NUMBER", help="Take a stack every NUMBER instructions."
)
@click.option("--stdio", is_flag=True, help="What the plugin prints; a tree has it anyway.")
@click.option("--boot", is_flag=True, help="Show the start of the runtime too.")
@click.option(
    "--limit", type=_POSITIVE, metavar="NUMBER", help="Events to keep.  [default: 1000000]"
)
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Save the trace; the ending tells the format.",
)
@click.option("--format", "form", metavar="FORMAT", help="The format, whatever the ending.")
@click.option("--live", is_flag=True, help="Show the tree although there is an --output.")
@sandbox_options
def trace(
    plugin: str,
    name: str | None,
    arguments: tuple[str, ...],
    boot: bool,
    limit: int | None,
    out: Path | None,
    form: str | None,
    live: bool,
    **options: Any,
) -> None:
    """Open PLUGIN, call its function NAME with ARGS, and show what happens while it happens: calls
    with arguments and results, system calls, goroutines, panics.

    Without NAME only opening it is shown.
    """
    observed = _observed(options)
    given = SandboxOptions(**options)
    if given.isolate:
        raise click.UsageError("a machine in a process of its own cannot be traced")
    _check_format(out, form)
    if out is not None and not observed:
        from emuplugin.tracing.formats import format_of

        observed = _fitting(form or format_of(out))
    from emuplugin.cli.session import Session
    from emuplugin.cli.trace_live import Counting, Live, save, tell
    from emuplugin.machine import Machine

    show = live or out is None
    if show and observed:
        observed["output"] = True  # at its place in the tree, whatever else is in it
    output = None if show else Passthrough()
    stream = cast(IO[bytes], output or io.BytesIO())
    sandbox = given.sandbox(stream, cast(IO[bytes], io.BytesIO()) if show else None)
    results: list[Any] = []
    with Machine(sandbox) as machine:
        watcher = Live(machine, boot) if show else Counting(machine)
        if limit is not None:
            observed["limit"] = limit
        taken = machine.trace(**observed, on_event=watcher)
        try:
            with taken:
                session = Session(machine.open(plugin), {}, output)
                if name is not None:
                    results = session.call(name, arguments)
        finally:
            # Also after a panic: what led to it is what people want to see.
            watcher.finish()
            if taken.go_version:
                tell(taken, out)
                if out is not None:
                    save(taken, out, form)
        session.show(results)


def _fitting(form: str) -> dict[str, Any]:
    """What a format shows, for those who have only named a file."""
    if form in ("drcov", "lcov", "cover", "html"):
        return {"blocks": True}
    if form in ("pprof", "folded", "flame"):
        return {"profile": 10_000}
    return {}


def _observed(options: dict[str, Any]) -> dict[str, Any]:
    """The observers that were asked for, as keyword arguments; they leave ``options``."""
    found = {name: options.pop(option) for option, name in _OBSERVERS.items()}
    return {name: value for name, value in found.items() if value}


def _check_format(out: Path | None, form: str | None) -> None:
    """Say what is wrong before anything has run."""
    from emuplugin.tracing.formats import FORMATS, format_of

    if form is not None and form not in FORMATS:
        raise click.UsageError(f"--format {form}: must be one of {', '.join(FORMATS)}")
    if out is None:
        if form is not None:
            raise click.UsageError(
                "--format says how to save a trace, and there is no --output FILE"
            )
        return
    if form is None:
        format_of(out)
