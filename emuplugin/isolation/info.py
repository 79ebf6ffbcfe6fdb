"""What stands between a machine and the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Isolation:
    """How a machine is kept apart: ``machine.isolation``.

    ``kind``: ``"none"``, in this process; ``"process"``, in a worker process, ``pid``.
    ``system_calls``: ``"filtered"`` if the kernel lets the worker make only those that it needs.
    ``files``: which of the host's the worker can reach, whatever happens in it: ``"none"``, those
    that were ``"granted"`` by mounts (and what resolving names reads), or ``"all"`` that the user
    can. ``network``: ``"none"`` or ``"all"``.
    """

    kind: Literal["none", "process"] = "none"
    pid: int = 0
    system_calls: Literal["filtered", "all"] = "all"
    files: Literal["none", "granted", "all"] = "all"
    network: Literal["none", "all"] = "all"
