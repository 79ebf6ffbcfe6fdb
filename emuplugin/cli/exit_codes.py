"""Exit codes: what scripts can tell from how a command ended."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from emuplugin.errors import (
    BuildError,
    ConfigurationError,
    ConversionError,
    EmulationError,
    EmupluginError,
    GoError,
    GoExit,
    Goexit,
    GoFatal,
    GoPanic,
    InitError,
    Interrupted,
    LimitExceeded,
    OpenError,
    OutOfRangeError,
    SymbolNotFoundError,
    ToolchainError,
    UnsupportedTypeError,
    WorkerDied,
)


class ExitCode(IntEnum):
    """How a command ended.

    ``os.Exit(n)`` of a plugin is not passed on: a plugin could pass for a success with
    ``os.Exit(0)``, or for any of the other codes. The number is in the message and in the JSON.
    """

    OK = 0
    GO_ERROR = 1
    USAGE = 2
    CANNOT_OPEN = 3
    NO_SYMBOL = 4
    PANIC = 5
    FATAL = 6
    LIMIT = 7
    OS_EXIT = 8
    BUILD = 9
    BUG = 70  # EX_SOFTWARE of sysexits.h
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it
    BROKEN_PIPE = 141  # 128 + SIGPIPE


MEANINGS: Final = {
    ExitCode.OK: "done",
    ExitCode.GO_ERROR: "the Go function returned an error",
    ExitCode.USAGE: "wrong options, or arguments that do not fit the Go types",
    ExitCode.CANNOT_OPEN: "the file cannot be opened as a plugin, or an init failed",
    ExitCode.NO_SYMBOL: "the plugin exports no such name",
    ExitCode.PANIC: "the Go function panicked or called runtime.Goexit",
    ExitCode.FATAL: "the Go runtime gave up: fatal error, deadlock, crash",
    ExitCode.LIMIT: "a limit of the sandbox was reached (--seconds, --memory, ...)",
    ExitCode.OS_EXIT: "the plugin called os.Exit, with whatever code",
    ExitCode.BUILD: "the plugin or its toolchain could not be built or fetched",
    ExitCode.BUG: "a bug in emuplugin",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
}

# The first class that fits decides.
_BY_CLASS: Final[tuple[tuple[type[EmupluginError], ExitCode], ...]] = (
    (Interrupted, ExitCode.INTERRUPTED),
    (GoError, ExitCode.GO_ERROR),
    (OpenError, ExitCode.CANNOT_OPEN),
    (SymbolNotFoundError, ExitCode.NO_SYMBOL),
    (GoPanic, ExitCode.PANIC),
    (Goexit, ExitCode.PANIC),
    (GoFatal, ExitCode.FATAL),
    (EmulationError, ExitCode.FATAL),
    (WorkerDied, ExitCode.FATAL),
    (LimitExceeded, ExitCode.LIMIT),
    (GoExit, ExitCode.OS_EXIT),
    (BuildError, ExitCode.BUILD),
    (ToolchainError, ExitCode.BUILD),
    (UnsupportedTypeError, ExitCode.USAGE),
    (ConfigurationError, ExitCode.USAGE),
    (ConversionError, ExitCode.USAGE),
    (OutOfRangeError, ExitCode.USAGE),
)


def exit_code(error: EmupluginError) -> ExitCode:
    """The code for an error. An init function that broke a limit counts as the limit."""
    if isinstance(error, InitError) and isinstance(error.__cause__, LimitExceeded):
        return ExitCode.LIMIT
    return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), ExitCode.FATAL)


def table() -> str:
    """The codes and their meanings, a line each, for help texts."""
    return "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
