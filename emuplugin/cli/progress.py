"""Steps that may take long: said before, counted while they run, their time kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import click

from emuplugin.cli.style import in_colour


class Progress:
    """``with progress.step("building"):`` shows what is going on, on stderr; ``seconds`` holds how
    long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, message: str) -> Iterator[None]:
        """Run one step. A terminal gets a spinner, anything else one line."""
        start = perf_counter()
        if sys.stderr.isatty():
            with _spinner(message):
                yield
        else:
            click.echo(f"{message} ...", err=True)
            yield
        self.seconds[name] = perf_counter() - start


@contextmanager
def _spinner(message: str) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color=not in_colour())
    columns = SpinnerColumn("line"), TextColumn("{task.description}"), TimeElapsedColumn()
    with Bars(*columns, console=console, transient=True) as bars:
        bars.add_task(message, total=None)
        yield
