"""The options that say what a plugin may do and use up."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from emuplugin.sandbox import Sandbox

F = TypeVar("F", bound=Callable[..., Any])

_UNITS: Final = {
    "": 1,
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "K": 1 << 10,
    "M": 1 << 20,
    "G": 1 << 30,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
}


def size(text: str) -> int:
    """A number of bytes: ``256MiB``, ``1G``, ``1073741824``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", text)
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None or float(match[1]) * unit < 1:
        raise click.BadParameter(f"{text!r} is not a size: write one like 256MiB")
    return int(float(match[1]) * unit)


def assignment(text: str) -> tuple[str, str]:
    """``NAME=VALUE``."""
    name, mark, value = text.partition("=")
    if not name or not mark:
        raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE")
    return name, value


_OPTIONS: Final = (
    click.option(
        "--env",
        type=assignment,
        metavar="NAME=VALUE",
        multiple=True,
        help="Give the plugin an environment variable (repeat). It sees no others.",
    ),
    click.option(
        "--arg",
        "args",
        metavar="TEXT",
        multiple=True,
        help="Add an argument to os.Args (repeat).",
    ),
    click.option(
        "--stdin",
        type=click.File("rb"),
        metavar="FILE",
        help="What the plugin reads as standard input; - for that of this command. "
        "Without it there is nothing to read.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        metavar="NUMBER",
        default=0,
        show_default=True,
        help="Where all of the plugin's randomness comes from: the same seed, the same run.",
    ),
    click.option(
        "--memory",
        type=size,
        metavar="SIZE",
        default="1GiB",
        show_default=True,
        help="Memory that the plugin may use.",
    ),
    click.option(
        "--seconds",
        type=click.FloatRange(min=0, min_open=True),
        metavar="NUMBER",
        help="Time that opening and each call may take.  [default: no limit]",
    ),
)


def sandbox_options(command: F) -> F:
    """Give a command the options above; it gets them as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class SandboxOptions:
    """What was asked for; the attributes are the options."""

    env: tuple[tuple[str, str], ...]
    args: tuple[str, ...]
    stdin: IO[bytes] | None
    seed: int
    memory: int
    seconds: float | None

    def sandbox(self, stdout: IO[bytes] | None, stderr: IO[bytes] | None) -> Sandbox:
        """The sandbox, with output that goes to these files, else to where this command's goes."""
        from emuplugin.sandbox import Limits, Sandbox

        try:
            return Sandbox(
                args=("plugin", *self.args),
                env=dict(self.env),
                stdin=self.stdin,
                stdout=stdout,
                stderr=stderr,
                seed=self.seed,
                limits=Limits(memory=self.memory, seconds=self.seconds),
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
