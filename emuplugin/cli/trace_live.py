"""What ``emuplugin trace`` shows while the plugin runs, and afterwards."""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic
from typing import Final

import click

from emuplugin.cli.style import dim
from emuplugin.cli.trace_view import View, duration
from emuplugin.machine import Machine
from emuplugin.tracing.events import Event
from emuplugin.tracing.trace import Trace

_BETWEEN: Final = 0.1


class Live:
    """Shows the tree."""

    def __init__(self, machine: Machine, boot: bool) -> None:
        self._view = View(click.echo, lambda: machine.life.booted is not None, boot=boot)

    def __call__(self, event: Event) -> None:
        self._view(event)

    def finish(self) -> None:
        """There are no more events."""
        self._view.finish()


class Counting:
    """Shows on a terminal how far it is."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._count = 0
        self._next = monotonic() + _BETWEEN
        self._shown = False
        self._terminal = sys.stderr.isatty()

    def __call__(self, event: Event) -> None:
        self._count += 1
        if self._terminal and monotonic() > self._next:
            self._next = monotonic() + _BETWEEN
            self._shown = True
            text = f"{self._count:,} events, {event.instructions:,} instructions"
            click.echo(f"\r\x1b[K{text}", err=True, nl=False)

    def finish(self) -> None:
        """There are no more events."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)


def tell(taken: Trace, out: Path | None) -> None:
    """How much it was, on stderr."""
    parts = []
    if taken.events or not (taken.samples or taken.coverage):
        parts.append(f"{len(taken):,} events")
    if taken.dropped:
        parts.append(f"{taken.dropped:,} more beyond the limit")
    if taken.samples:
        parts.append(f"{len(taken.samples):,} stacks")
    if taken.coverage:
        parts.append(f"{len(taken.coverage):,} blocks")
    parts.append(f"{taken.ended - taken.began:,} instructions")
    parts.append(f"{duration(taken.duration)} of its time")
    if out is not None:
        parts.append(f"saved in {out}")
    click.echo(dim(", ".join(parts)), err=True)


def save(taken: Trace, out: Path, form: str | None) -> None:
    try:
        taken.save(out, form)
    except OSError as error:
        raise click.FileError(str(out), error.strerror or str(error)) from error
