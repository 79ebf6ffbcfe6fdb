"""The C compiler that cgo and the external linker need for linux/amd64."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from emuplugin.build.cache import cache_path, make_once
from emuplugin.build.wheel import fetch_wheel
from emuplugin.errors import ToolchainError

ZIG_VERSION = "0.17.0"
"""The version of ``ziglang`` on PyPI that is fetched where zig stands in for a C compiler."""

_TARGET = "x86_64-linux-gnu"


@dataclass(frozen=True)
class Compiler:
    """A C compiler: what ``go`` wants as CC and CXX, and further variables it needs."""

    cc: str
    cxx: str
    environment: dict[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        """The environment variables that make ``go`` use it."""
        return {"CC": self.cc, "CXX": self.cxx, **self.environment}


def find_compiler(cc: str | None = None) -> Compiler:
    """The compiler named ``cc``, or the best one for this machine.

    ``None`` takes CC from the environment, else cc, gcc or clang, on Linux x86-64; elsewhere, and
    where there is none of them, zig. ``"zig"`` is the one from PyPI, downloaded once (90 MB).
    Anything else is a command as CC takes it, with arguments.
    """
    if cc == "zig":
        return _zig()
    if cc is not None:
        return Compiler(cc, os.environ.get("CXX", cc))
    if sys.platform == "linux" and platform.machine() == "x86_64":
        if command := os.environ.get("CC"):
            return Compiler(command, os.environ.get("CXX", command))
        for command, cxx in (("cc", "c++"), ("gcc", "g++"), ("clang", "clang++")):
            if shutil.which(command):
                return Compiler(command, cxx)
    return _zig()


def _zig() -> Compiler:
    """``zig cc``, which links for Linux on every host."""

    def fill(folder: Path) -> None:
        fetch_wheel(f"ziglang=={ZIG_VERSION}", folder)
        if not any((folder / "ziglang").glob("zig*")):
            raise ToolchainError(f"the wheel ziglang {ZIG_VERSION} holds no program zig")

    folder = make_once(cache_path() / "zig" / ZIG_VERSION, fill)
    program = folder / "ziglang" / ("zig.exe" if os.name == "nt" else "zig")
    # go splits CC at spaces outside quotes (cmd/internal/quoted).
    quoted = f"'{program}'" if " " in str(program) else str(program)
    caches = {
        "ZIG_GLOBAL_CACHE_DIR": str(cache_path() / "zig" / "cache"),
        "ZIG_LOCAL_CACHE_DIR": str(cache_path() / "zig" / "cache"),
    }
    return Compiler(f"{quoted} cc -target {_TARGET}", f"{quoted} c++ -target {_TARGET}", caches)
