"""Colour and width of what is printed, for terminals that have them."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import Final

import click

from emuplugin.printable import plain

__all__ = ["bold", "dim", "green", "in_colour", "item", "plain", "red", "width"]

_MAX_WIDTH: Final = 100


def in_colour() -> bool:
    """Whether to colour: both outputs are a terminal, and nobody asked otherwise
    (https://no-color.org)."""
    return (
        not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
        and sys.stdout.isatty()
        and sys.stderr.isatty()
    )


def width() -> int | None:
    """Columns to keep to, None where output is read by a program: one line per item there."""
    if not sys.stdout.isatty():
        return None
    return min(shutil.get_terminal_size().columns, _MAX_WIDTH)


def bold(text: str) -> str:
    return click.style(text, bold=True) if in_colour() else text


def dim(text: str) -> str:
    return click.style(text, dim=True) if in_colour() else text


def red(text: str) -> str:
    return click.style(text, fg="red", bold=True) if in_colour() else text


def green(text: str) -> str:
    return click.style(text, fg="green", bold=True) if in_colour() else text


def item(label: str, text: str, indent: int, columns: int | None) -> str:
    """``label`` and ``text``, which starts at column ``indent`` and goes on there if it is long."""
    start = f"{label:<{indent}}" if len(label) < indent else f"{label}  "
    if columns is None or len(start) + len(text) <= columns:
        return (start + text).rstrip()
    lines = textwrap.wrap(
        text,
        width=columns,
        initial_indent=" " * len(start),
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )
    return start + "\n".join(lines)[len(start) :]
