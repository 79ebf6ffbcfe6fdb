"""Open Go plugins anywhere: Go's package ``plugin`` for Python, on an emulated processor.

    import emuplugin

    p = emuplugin.open("plugin.so")
    p.lookup("V").value = 7
    p.lookup("F")()

Nothing of the plugin runs on the host.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from .errors import (
    AlreadyLoadedError,
    BuildError,
    ChangedError,
    ChannelClosed,
    ChannelTimeout,
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
    MethodRemovedError,
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
    WouldDeadlock,
    WrongTargetError,
)

if TYPE_CHECKING:
    from .machine import Machine
    from .plugin import Plugin
    from .sandbox import Limits, Sandbox
    from .values import Function, Variable
from .values.to_json import to_json
from .values.to_python import to_python

__version__ = "0.1.0"

__all__ = [
    "AlreadyLoadedError",
    "BuildError",
    "ChangedError",
    "ChannelClosed",
    "ChannelTimeout",
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
    "MethodRemovedError",
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
    "WouldDeadlock",
    "WrongTargetError",
    "open",
    "to_json",
    "to_python",
]


# Where the rest of the public names live. They are imported when they are first used, which
# keeps `import emuplugin` and the command line's help quick.
_LAZY = {
    "Function": "emuplugin.values",
    "Limits": "emuplugin.sandbox",
    "Machine": "emuplugin.machine",
    "Plugin": "emuplugin.plugin",
    "Sandbox": "emuplugin.sandbox",
    "Variable": "emuplugin.values",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def open(path: str | os.PathLike[str], sandbox: Sandbox | None = None) -> Plugin:
    """Open a Go plugin in a machine of its own.

    Without a ``sandbox``, opening a file that is open already returns the same plugin, as in Go.
    With one, the plugin is opened anew. Raises OpenError and its kinds.
    """
    if sandbox is None:
        from .opening import open_shared

        return open_shared(path)
    from .machine import Machine

    return Machine(sandbox).open(path)
