"""How errors are shown: in a few lines on stderr, or as JSON."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from typing import Any, Final

import click

from emuplugin.cli.exit_codes import ExitCode, exit_code
from emuplugin.cli.sandbox_options import LIMIT_OPTIONS
from emuplugin.cli.style import bold, dim, red
from emuplugin.errors import (
    BuildError,
    EmulationError,
    EmupluginError,
    GoError,
    GoExit,
    Goexit,
    GoFatal,
    GoPanic,
    LimitExceeded,
    OpenError,
    PathError,
    SymbolNotFoundError,
    UnsupportedBuildError,
    UnsupportedGoVersionError,
    UnsupportedTypeError,
)

_SCREEN: Final = 20
"""Lines of a traceback or of compiler output that are shown; the JSON has all of them."""


class NotFoundError(SymbolNotFoundError):
    """A name that the plugin does not export; ``exports`` are those that it does."""

    def __init__(self, name: str, plugin_path: str, exports: Sequence[str]) -> None:
        super().__init__(name, plugin_path)
        self.exports = tuple(exports)

    @property
    def advice(self) -> str:
        """Similar names, or what there is."""
        folded = {name.casefold(): name for name in self.exports}
        close = difflib.get_close_matches(self.name.casefold(), folded, n=3)
        if close:
            return f"did you mean {' or '.join(folded[name] for name in close)}?"
        if not self.exports:
            return "it exports nothing: only exported names of package main can be looked up"
        shown = ", ".join(self.exports[:12])
        return f"it exports {shown}{', ...' if len(self.exports) > 12 else ''}"


def show(error: EmupluginError) -> None:
    """Tell of an error on stderr."""
    click.echo(f"{red('emuplugin:')} {bold(headline(error))}", err=True)
    for line in _details(error):
        click.echo(line, err=True)


def show_usage(error: click.ClickException) -> None:
    """Tell of wrong options or arguments."""
    click.echo(f"{red('emuplugin:')} {bold(error.format_message())}", err=True)
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        click.echo(f"see {context.command_path} --help", err=True)


def show_interrupt() -> None:
    """Tell of Ctrl-C."""
    click.echo(f"{red('emuplugin:')} interrupted", err=True)


def headline(error: BaseException) -> str:
    """What happened, in one line as a rule; without tracebacks."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, GoError):
        return f"{error.message} ({error.type})" if error.type else error.message
    if isinstance(error, GoPanic):
        return f"panic: {error.value} ({error.type})" if error.type else f"panic: {error.value}"
    if isinstance(error, GoFatal):
        return error.message
    if isinstance(error, BuildError) and error.output:
        return str(error).partition("\n")[0]
    return str(error)


def _details(error: BaseException) -> list[str]:
    """What more there is to say, in lines."""
    if isinstance(error, GoPanic | Goexit):
        return _screen(error.traceback)
    if isinstance(error, GoFatal):
        return _screen(error.text.removeprefix(error.message).strip("\n"))
    if isinstance(error, GoExit):
        return ["an emulated plugin cannot end this process; its code is not passed on"]
    if isinstance(error, LimitExceeded) and error.limit in LIMIT_OPTIONS:
        return [f"here the option is {LIMIT_OPTIONS[error.limit]}"]
    if isinstance(error, BuildError):
        return _screen(str(error).partition("\n")[2])
    if isinstance(error, PathError) and error.path and not os.path.lexists(error.path):
        return [f"there is no file {error.path} (looked in {os.getcwd()})"]
    if isinstance(error, NotFoundError):
        return [error.advice]
    if isinstance(error, OpenError) and error.__cause__ is not None:
        return _details(error.__cause__)
    return []


def _screen(text: str) -> list[str]:
    lines = text.splitlines()
    if len(lines) <= _SCREEN:
        return lines
    more = len(lines) - _SCREEN
    return [*lines[:_SCREEN], dim(f"... {more} more lines; --json shows them all")]


def as_json(error: BaseException) -> dict[str, Any]:
    """An error as the value of ``"error"`` in a JSON document."""
    if isinstance(error, click.ClickException):
        kind, code = "UsageError", ExitCode.USAGE
    elif isinstance(error, EmupluginError):
        known = SymbolNotFoundError if isinstance(error, NotFoundError) else type(error)
        kind, code = known.__name__, exit_code(error)
    else:
        kind, code = "Interrupted", ExitCode.INTERRUPTED
    message = error.message if isinstance(error, GoError) else headline(error)
    if isinstance(error, GoPanic):
        message = f"panic: {error.value}"
    if isinstance(error, KeyboardInterrupt):
        message = "interrupted"
    document = {"kind": kind, "message": message, "exit_code": int(code), **_facts(error)}
    if isinstance(error, OpenError) and isinstance(error.__cause__, EmupluginError):
        document["cause"] = as_json(error.__cause__)
    return document


def _facts(error: BaseException) -> dict[str, Any]:
    """The attributes of an error."""
    match error:
        case GoError():
            return {"type": error.type}
        case GoPanic():
            return {"value": error.value, "type": error.type, "traceback": error.traceback}
        case Goexit():
            return {"traceback": error.traceback}
        case GoExit():
            return {"code": error.code}
        case GoFatal():
            return {"text": error.text}
        case LimitExceeded():
            return {"limit": error.limit, "allowed": error.allowed, "used": error.used}
        case EmulationError():
            return {"rip": error.rip}
        case UnsupportedTypeError():
            return {"type": error.type}
        case UnsupportedBuildError():
            return {"path": error.path, "setting": error.setting, "value": error.value}
        case UnsupportedGoVersionError():
            return {"path": error.path, "version": error.version, "known": list(error.known)}
        case OpenError():
            return {"path": error.path}
        case SymbolNotFoundError():
            return {"name": error.name, "plugin_path": error.plugin_path}
        case BuildError():
            return {"output": error.output}
        case _:
            return {}
