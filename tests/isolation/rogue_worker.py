"""A worker that was taken over: it runs what it is told, behind all that hardens it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import threading
from typing import Any

from emuplugin.isolation import operations, worker
from emuplugin.isolation.things import Op

_NAMES = {
    "ctypes": ctypes, "os": os, "signal": signal, "socket": socket, "subprocess": subprocess,
    "threading": threading,
}  # fmt: skip


def run(target: object, code: str) -> Any:
    """In the place of an operation: evaluate an expression."""
    return eval(code, dict(_NAMES))


operations.OPERATIONS[Op.JSON] = run

if __name__ == "__main__":
    worker.main()
