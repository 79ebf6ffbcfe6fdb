"""Source files of a plugin, where they are at hand.

A plugin names the files that it was compiled from, and it may name any: only Go and assembly
sources below folders that the user has agreed to are looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

_ENDINGS: Final = (".go", ".s")
_MAX_SIZE: Final = 4 << 20


class Sources:
    """Files by the paths that the compiler saw, which may be those of another machine, or shortened
    by ``-trimpath``: the file that agrees with the longest end of the path counts."""

    def __init__(self, folders: Sequence[str | os.PathLike[str]]) -> None:
        self._folders = [Path(folder).resolve() for folder in folders]
        self._read: dict[str, list[str] | None] = {}

    def line(self, file: str, number: int) -> str | None:
        """A line of a file, None where either is not there."""
        if file not in self._read:
            self._read[file] = self._find(file)
        lines = self._read[file]
        return lines[number - 1] if lines and 0 < number <= len(lines) else None

    @property
    def found(self) -> bool:
        """Whether any file that was asked for was found."""
        return any(lines is not None for lines in self._read.values())

    def _find(self, file: str) -> list[str] | None:
        if not file.endswith(_ENDINGS) or "\0" in file:
            return None
        parts = [part for part in PurePosixPath(file.replace("\\", "/")).parts if part != "/"]
        if ".." in parts:
            return None
        for folder in self._folders:
            for candidate in _candidates(folder, file, parts):
                lines = self._lines(folder, candidate)
                if lines is not None:
                    return lines
        return None

    def _lines(self, folder: Path, path: Path) -> list[str] | None:
        """The lines of a file, if it is one and, links followed, lies in the folder."""
        try:
            real = path.resolve(strict=True)
            if not real.is_relative_to(folder) or not real.is_file():
                return None
            if not real.name.endswith(_ENDINGS) or real.stat().st_size > _MAX_SIZE:
                return None
            return real.read_text(encoding="utf-8", errors="replace").splitlines()
        except (OSError, RuntimeError, ValueError):
            return None


def _candidates(folder: Path, file: str, parts: list[str]) -> Iterator[Path]:
    """Where a file may be: as named; or by the end of its path, of which the name alone is not
    enough, unless the folder itself has the name of its folder, or Go knew of none."""
    if Path(file).is_absolute():
        yield Path(file)
    for start in range(len(parts) - 1):
        yield folder.joinpath(*parts[start:])
    if len(parts) > 1 and parts[-2] in (folder.name, "command-line-arguments"):
        yield folder / parts[-1]
