"""What options are made of: sizes, times, numbers, mounts, grants; BadParameter for what is not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, cast, get_args

import click

from emuplugin.units import count, duration, size

UNLIMITED: Final = "unlimited"
_MOUNT: Final = re.compile(r"(?P<host>.+?):(?P<guest>/[^:]*)(:(?P<mode>\w+))?")
_FILE: Final = re.compile(r"(?P<host>.+?):(?P<guest>/[^:]*)")
Mode = Literal["read", "write", "overlay"]
_MODES: Final = get_args(Mode)
_GRANTS: Final = ("connect", "listen", "resolve")


class Quantity(click.ParamType):  # type: ignore[type-arg]  # not generic in older clicks
    """A limit: what ``parse`` makes of it, or ``unlimited`` (None)."""

    def __init__(self, name: str, parse: Callable[[str], float], *, optional: bool) -> None:
        self.name = name
        self._parse = parse
        self._optional = optional

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        """The number, or the word itself."""
        if not isinstance(value, str):
            number: float = value
            return number
        if value == UNLIMITED:
            if not self._optional:
                self.fail("there is no machine without this limit: give a number", param, ctx)
            return UNLIMITED
        try:
            number = self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not number > 0:
            self.fail(f"{value!r}: must be greater than 0", param, ctx)
        return number


SIZE: Final = Quantity("size", size, optional=True)
MEMORY: Final = Quantity("size", size, optional=False)
TIME: Final = Quantity("time", duration, optional=True)
COUNT: Final = Quantity("number", count, optional=True)
FIXED_COUNT: Final = Quantity("number", count, optional=False)


def assignment(text: str) -> tuple[str, str]:
    """``NAME=VALUE``."""
    name, mark, value = text.partition("=")
    if not name or not mark:
        raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE")
    return name, value


class MountOption(NamedTuple):
    """``--mount HOST:GUEST[:MODE]``."""

    host: str
    guest: str
    mode: Mode


def mount(text: str) -> MountOption:
    """``HOST:GUEST[:MODE]``; the host's path may be one of Windows, with a colon."""
    match = _MOUNT.fullmatch(text)
    if match is None:
        raise click.BadParameter(
            f"{text!r} is not of the form HOST:GUEST[:MODE]; write one like corpus:/data "
            "or out:/out:write"
        )
    mode = match["mode"] or "read"
    if mode not in _MODES:
        raise click.BadParameter(
            f"{text!r}: there is no mode {mode}; there are {', '.join(_MODES)}"
        )
    return MountOption(match["host"], match["guest"], cast(Mode, mode))


def file(text: str) -> tuple[str, str]:
    """``HOST:GUEST``."""
    match = _FILE.fullmatch(text)
    if match is None:
        raise click.BadParameter(
            f"{text!r} is not of the form HOST:GUEST; write one like app.toml:/etc/app.toml"
        )
    return match["host"], match["guest"]


def grant(text: str) -> tuple[str, str]:
    """``connect=HOST:PORT``, ``listen=HOST:PORT`` or ``resolve=NAME=ADDRESS``."""
    kind, mark, value = text.partition("=")
    if kind not in _GRANTS or not mark or (kind == "resolve" and "=" not in value):
        raise click.BadParameter(
            f"{text!r} grants nothing; write connect=HOST:PORT, listen=HOST:PORT "
            "or resolve=NAME=ADDRESS"
        )
    return kind, value


def seed(text: str) -> int | str:
    """A whole number, or ``host``."""
    if text == "host":
        return text
    if not re.fullmatch(r"\d+", text):
        raise click.BadParameter(f"{text!r} is not a number from 0 up, nor 'host'")
    return int(text)
