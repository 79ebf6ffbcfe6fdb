"""Python exceptions as Go errors: the methods that every exception has in Go."""

from __future__ import annotations

from emuplugin.errors import GoError, GoPanic


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


EXCEPTION_METHODS = {"Error": error_text, "Unwrap": _unwrap}
"""By their names in Go. A class that has methods of these names uses its own."""
