"""Open Go plugins anywhere: Go's package ``plugin`` for Python, on an emulated processor.

    import emuplugin

    p = emuplugin.open("plugin.so")
    p.lookup("V").value = 7
    p.lookup("F")()

Nothing of the plugin runs on the host.
"""

from __future__ import annotations

import os

from .errors import (
    AlreadyLoadedError,
    BuildError,
    ClosedError,
    ConversionError,
    DeadMachineError,
    EmulationError,
    EmupluginError,
    FormatError,
    GoDeadlock,
    GoError,
    GoExit,
    Goexit,
    GoFatal,
    GoOutOfMemory,
    GoPanic,
    GoroutinePanic,
    GoStackOverflow,
    InitError,
    LimitExceeded,
    MemoryLimitExceeded,
    NotAPluginError,
    NotElfError,
    OpenError,
    OutOfRangeError,
    OutputLimitExceeded,
    PathError,
    SymbolNotFoundError,
    TimeLimitExceeded,
    ToolchainError,
    TruncatedError,
    UnknownRelocationError,
    UnsupportedBuildError,
    UnsupportedGoVersionError,
    UnsupportedTypeError,
    VersionMismatchError,
    WrongTargetError,
)
from .machine import Machine
from .opening import open_shared
from .plugin import Plugin
from .sandbox import Limits, Sandbox
from .values import Function, Variable

__version__ = "0.1.0"

__all__ = [
    "AlreadyLoadedError",
    "BuildError",
    "ClosedError",
    "ConversionError",
    "DeadMachineError",
    "EmulationError",
    "EmupluginError",
    "FormatError",
    "Function",
    "GoDeadlock",
    "GoError",
    "GoExit",
    "GoFatal",
    "GoOutOfMemory",
    "GoPanic",
    "GoStackOverflow",
    "Goexit",
    "GoroutinePanic",
    "InitError",
    "LimitExceeded",
    "Limits",
    "Machine",
    "MemoryLimitExceeded",
    "NotAPluginError",
    "NotElfError",
    "OpenError",
    "OutOfRangeError",
    "OutputLimitExceeded",
    "PathError",
    "Plugin",
    "Sandbox",
    "SymbolNotFoundError",
    "TimeLimitExceeded",
    "ToolchainError",
    "TruncatedError",
    "UnknownRelocationError",
    "UnsupportedBuildError",
    "UnsupportedGoVersionError",
    "UnsupportedTypeError",
    "Variable",
    "VersionMismatchError",
    "WrongTargetError",
    "open",
]


def open(path: str | os.PathLike[str], sandbox: Sandbox | None = None) -> Plugin:
    """Open a Go plugin in a machine of its own.

    Without a ``sandbox``, opening a file that is open already returns the same plugin, as in Go.
    With one, the plugin is opened anew. Raises OpenError and its kinds.
    """
    return open_shared(path) if sandbox is None else Machine(sandbox).open(path)
