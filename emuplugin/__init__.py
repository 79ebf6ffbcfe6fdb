"""Open Go plugins anywhere: Go's package ``plugin`` for Python, on an emulated processor.

    import emuplugin

    p = emuplugin.open("plugin.so")
    p.lookup("V").value = 7
    p.lookup("F")()

Nothing of the plugin runs on the host.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from .collector import still
from .errors import (
    AlreadyLoadedError,
    BuildError,
    BusyError,
    ChangedError,
    ChannelClosed,
    ChannelTimeout,
    ClosedError,
    ConfigurationError,
    ConversionError,
    CorruptDataError,
    DeadMachineError,
    EmulationError,
    EmupluginError,
    FileSizeLimitExceeded,
    FormatError,
    GoDeadlock,
    GoError,
    GoExit,
    Goexit,
    GoFatal,
    GoOutOfMemory,
    GoPanic,
    GoroutineLimitExceeded,
    GoroutinePanic,
    GoStackOverflow,
    InitError,
    InstructionLimitExceeded,
    Interrupted,
    IsolationError,
    LimitExceeded,
    MemoryLimitExceeded,
    MethodRemovedError,
    NotAPluginError,
    NotElfError,
    OpenError,
    OutOfRangeError,
    OutputLimitExceeded,
    PathError,
    SnapshotError,
    StaleError,
    SymbolNotFoundError,
    TimeLimitExceeded,
    ToolchainError,
    TruncatedError,
    UnknownRelocationError,
    UnsupportedBuildError,
    UnsupportedGoVersionError,
    UnsupportedTypeError,
    VersionMismatchError,
    WorkerDied,
    WouldDeadlock,
    WrongTargetError,
)

if TYPE_CHECKING:
    from .explaining import Explanation, explain
    from .inspection import Inspection, inspect
    from .machine import Machine
    from .network import Network
    from .plugin import Plugin
    from .runtime_shims.kernel.net.connection import Connection, Datagrams
    from .sandbox import Limits, Mount, Sandbox
    from .snapshots.snapshot import Snapshot
    from .tracing.runs import trace
    from .values import Function, Variable
    from .values.to_json import to_json
    from .values.to_python import to_python

__version__ = "0.1.0"

__all__ = [
    "AlreadyLoadedError",
    "BuildError",
    "BusyError",
    "ChangedError",
    "ChannelClosed",
    "ChannelTimeout",
    "ClosedError",
    "ConfigurationError",
    "Connection",
    "ConversionError",
    "CorruptDataError",
    "Datagrams",
    "DeadMachineError",
    "EmulationError",
    "EmupluginError",
    "Explanation",
    "FileSizeLimitExceeded",
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
    "GoroutineLimitExceeded",
    "GoroutinePanic",
    "InitError",
    "Inspection",
    "InstructionLimitExceeded",
    "Interrupted",
    "IsolationError",
    "LimitExceeded",
    "Limits",
    "Machine",
    "MemoryLimitExceeded",
    "MethodRemovedError",
    "Mount",
    "Network",
    "NotAPluginError",
    "NotElfError",
    "OpenError",
    "OutOfRangeError",
    "OutputLimitExceeded",
    "PathError",
    "Plugin",
    "Sandbox",
    "Snapshot",
    "SnapshotError",
    "StaleError",
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
    "WorkerDied",
    "WouldDeadlock",
    "WrongTargetError",
    "explain",
    "inspect",
    "open",
    "to_json",
    "to_python",
    "trace",
]


# Where the rest of the public names live. They are imported when they are first used, which
# keeps `import emuplugin` and the command line's help quick.
_LAZY = {
    "Connection": "emuplugin.runtime_shims.kernel.net.connection",
    "Datagrams": "emuplugin.runtime_shims.kernel.net.connection",
    "Explanation": "emuplugin.explaining",
    "Function": "emuplugin.values",
    "Inspection": "emuplugin.inspection",
    "Limits": "emuplugin.sandbox",
    "Machine": "emuplugin.machine",
    "Mount": "emuplugin.sandbox",
    "Network": "emuplugin.network",
    "Plugin": "emuplugin.plugin",
    "Sandbox": "emuplugin.sandbox",
    "Snapshot": "emuplugin.snapshots.snapshot",
    "Variable": "emuplugin.values",
    "explain": "emuplugin.explaining",
    "inspect": "emuplugin.inspection",
    "to_json": "emuplugin.values.to_json",
    "to_python": "emuplugin.values.to_python",
    "trace": "emuplugin.tracing.runs",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(_module(_LAZY[name]), name)
    globals()[name] = value
    return value


@cache
def _module(name: str) -> ModuleType:
    """A module, imported when it is first wanted."""
    with still(for_good=True):
        return import_module(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def open(
    path: str | os.PathLike[str],
    sandbox: Sandbox | None = None,
    *,
    isolate: Literal["process"] | None = None,
    cache: bool = True,
) -> Plugin:
    """Open a Go plugin in a machine of its own.

    Without a ``sandbox``, opening a file that is open already returns the same plugin, as in Go.
    With one, or with ``isolate="process"`` or ``cache=False`` (see Machine), the plugin is opened
    anew. Raises OpenError and its kinds.
    """
    if sandbox is None and isolate is None and cache:
        plugin: Plugin = _module("emuplugin.opening").open_shared(path)
    else:
        machine: Machine = _module("emuplugin.machine").Machine(
            sandbox, isolate=isolate, cache=cache
        )
        plugin = machine.open(path)
    return plugin
