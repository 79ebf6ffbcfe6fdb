"""Python exceptions as Go errors: the methods that every exception has in Go."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from emuplugin.errors import GoError, GoPanic

RETURNED = (GoError, EOFError)
"""Exceptions that a Python function may raise where Go expects an ``error`` as the last result:
they are returned. EOFError is ``io.EOF``. All others become panics."""


class ExceptionMethod(NamedTuple):
    """A method of all exceptions, and its Go type."""

    function: Callable[[BaseException], object]
    type: str


def error_text(error: BaseException) -> str:
    """What ``Error`` returns: ``ValueError: no such thing``; of what came from Go, Go's words."""
    if isinstance(error, GoPanic):
        return error.value
    if isinstance(error, GoError):
        return error.message
    name, text = type(error).__name__, str(error)
    return f"{name}: {text}" if text else name


def _unwrap(error: BaseException) -> BaseException | None:
    """``errors.Unwrap``: what the exception was raised from."""
    return error.__cause__


EXCEPTION_METHODS = {
    "Error": ExceptionMethod(error_text, "func() string"),
    "Unwrap": ExceptionMethod(_unwrap, "func() error"),
}
"""By their names in Go. A class that has methods of these names uses its own."""
