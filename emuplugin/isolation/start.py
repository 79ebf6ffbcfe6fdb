"""The sandbox on its way to the worker."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from emuplugin.network import Network
from emuplugin.sandbox import Limits, Mount, Sandbox

_PLAIN = ("args", "env", "files", "clock", "epoch", "seed", "cpus", "accelerators")


class _Input:
    """Standard input: reading asks the parent."""

    def __init__(self, read: Any) -> None:
        self.read = read


class _Output:
    """Standard output or error: writing tells the parent."""

    def __init__(self, write: Any) -> None:
        self.write = write


def describe_sandbox(sandbox: Sandbox) -> dict[str, Any]:
    """A sandbox as plain data, and as functions that the worker may call back."""
    read, write, write_error = sandbox.streams()
    return {
        **{name: getattr(sandbox, name) for name in _PLAIN},
        "stdin": None if sandbox.stdin is None else read,
        "stdout": write,
        "stderr": write_error,
        "mounts": {path: (mount.path, mount.mode) for path, mount in sandbox.mounts.items()},
        "limits": {entry.name: getattr(sandbox.limits, entry.name) for entry in fields(Limits)},
        "network": {
            "connect": sandbox.network.connect,
            "listen": sandbox.network.listen,
            "resolve": {
                name: found if isinstance(found, str) else tuple(found)
                for name, found in sandbox.network.resolve.items()
            },
        },
    }


def sandbox_from(description: dict[str, Any]) -> Sandbox:
    """The sandbox again, in the worker."""
    stdin = description["stdin"]
    streams: dict[str, Any] = {
        "stdin": None if stdin is None else _Input(stdin),
        "stdout": _Output(description["stdout"]),
        "stderr": _Output(description["stderr"]),
    }
    return Sandbox(
        **{name: description[name] for name in _PLAIN},
        **streams,
        mounts={path: Mount(*parts) for path, parts in description["mounts"].items()},
        limits=Limits(**description["limits"]),
        network=Network(**description["network"]),
    )
