"""The peers: where they come from, and why one is missing.

qemu's user-mode emulation from Debian (installed where that is allowed), wasmtime and gRPC from
PyPI in an environment of their own in the user's cache, the native host and the gRPC server built
by emuplugin's own toolchain.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import venv
from functools import cached_property
from pathlib import Path

from emuplugin.build import fetch_toolchain, find_compiler
from emuplugin.build.cache import cache_path, make_once
from emuplugin.errors import EmupluginError

from .native import launchers

_SOURCES = Path(__file__).parent
_QEMU = ("qemu-x86_64", "qemu-x86_64-static")
#: What the environment holds. Another version makes another one.
PACKAGES = ("wasmtime==50.0.1", "grpcio==1.85.1")
_TIMEOUT = 600  # seconds for an installation


class Peers:
    """``missing`` tells why a peer is not there, by its name."""

    def __init__(self, go_version: str, folder: Path) -> None:
        self._go, self._folder = go_version, folder
        self.missing: dict[str, str] = {}

    @cached_property
    def launchers(self) -> dict[str, list[str]]:
        """The ways to start the native host: command lines, by what the tables call them."""
        host = self._built("native_host")
        if host is None:
            self.missing.setdefault("qemu-x86_64", self.missing["native"])
        else:
            self._install_qemu()
        return launchers(host)

    @cached_property
    def python(self) -> Path | None:
        """A Python that has :data:`PACKAGES`."""
        name = "-".join(["peers", *PACKAGES, f"{sys.version_info[0]}.{sys.version_info[1]}"])
        target = cache_path() / "benchmarks" / name.replace("==", "")
        try:
            make_once(target, _make_environment)
        except (OSError, EmupluginError, subprocess.SubprocessError) as error:
            for package in PACKAGES:
                self.missing[package] = f"it could not be installed: {_last_line(error)}"
            return None
        return _python_of(target)

    @cached_property
    def grpc_server(self) -> Path | None:
        """The program ``grpc_host``."""
        return self._built("grpc_host", "gRPC")

    def _built(self, source: str, name: str = "native") -> Path | None:
        """A Go program of a folder beside this file; None where it cannot run or be built."""
        if sys.platform != "linux" or platform.machine() != "x86_64":
            self.missing[name] = "it needs Linux on x86-64"
            return None
        output = self._folder / source
        arguments = ["build", "-o", str(output), "."]
        try:
            env = {"GOWORK": "off", "CGO_ENABLED": "1", **find_compiler().variables()}
            result = fetch_toolchain(self._go).go(arguments, _SOURCES / source, env)
        except EmupluginError as error:
            self.missing[name] = str(error)
            return None
        if result.returncode != 0:
            self.missing[name] = f"it does not build: {_last_line(result.stdout)}"
            return None
        return output

    def _install_qemu(self) -> None:
        if any(map(shutil.which, _QEMU)):
            return
        apt = shutil.which("apt-get")
        if apt is None or os.geteuid() != 0:
            self.missing["qemu-x86_64"] = "install qemu-user (apt-get install qemu-user)"
            return
        result = subprocess.run(
            [apt, "install", "--yes", "--no-install-recommends", "qemu-user"],
            capture_output=True, encoding="utf-8", timeout=_TIMEOUT, check=False,
        )  # fmt: skip
        if not any(map(shutil.which, _QEMU)):
            self.missing["qemu-x86_64"] = f"apt-get: {_last_line(result.stderr)}"


def _make_environment(folder: Path) -> None:
    venv.create(folder, with_pip=True)
    subprocess.run(
        [str(_python_of(folder)), "-m", "pip", "install", "--quiet", *PACKAGES],
        capture_output=True, encoding="utf-8", timeout=_TIMEOUT, check=True,
    )  # fmt: skip


def _python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _last_line(error: object) -> str:
    text = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    return (text or str(error)).strip().splitlines()[-1]
