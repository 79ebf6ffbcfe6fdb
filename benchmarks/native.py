"""The peer: the same plugin in Go's own loader, natively and, where it is installed, under qemu."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from emuplugin.build import fetch_toolchain, find_compiler
from emuplugin.errors import BuildError

_SOURCE = Path(__file__).parent / "native_host"


def build_host(go_version: str, folder: Path) -> Path | None:
    """The program ``native_host``, built in ``folder``; None where it cannot run."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    output = folder / "native_host"
    arguments = ["build", "-o", str(output), "."]
    env = {"GOWORK": "off", "CGO_ENABLED": "1", **find_compiler().variables()}
    result = fetch_toolchain(go_version).go(arguments, _SOURCE, env)
    if result.returncode != 0:
        raise BuildError(f"the native host does not build:\n{result.stdout}", result.stdout)
    return output


def launchers(host: Path | None) -> dict[str, list[str]]:
    """The ways to start the host on this machine: command lines, by what the tables call them."""
    if host is None:
        return {}
    found = {"native": [str(host)]}
    qemu = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if qemu is not None:
        found["qemu-x86_64"] = [qemu, str(host)]
    return found


def run(launcher: list[str], *arguments: str) -> dict[str, float]:
    """Seconds by step of one run of the host."""
    result = subprocess.run(
        [*launcher, *arguments], capture_output=True, stdin=subprocess.DEVNULL, check=True
    )
    return {name: value / 1e9 for name, value in json.loads(result.stderr).items()}
