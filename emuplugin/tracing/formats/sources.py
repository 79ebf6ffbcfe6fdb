"""Source files on this host, for formats that show them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: One folder or several.
Folders = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_SUFFIXES: Final = (".go", ".s")
_LARGEST: Final = 8 << 20


class Sources:
    """Finds the source files that a plugin names.

    The names come from the plugin, which may name any file of the host and have its content put
    into a report: only files called ``.go`` or ``.s`` are read, also behind links. An absolute name
    is looked for where it says, if ``read`` allows; then every name in the folders ``folders``,
    with ever fewer of its first parts: ``example.com/geo/area.go``, ``geo/area.go``, ``area.go``.
    """

    def __init__(self, folders: Folders = (), read: bool = True) -> None:
        given = (folders,) if isinstance(folders, (str, os.PathLike)) else folders
        self._folders = tuple(Path(folder) for folder in given)
        self._read = read

    def lines(self, name: str, last: int = 0) -> list[str] | None:
        """The lines of a file without their ends, None where it is not found. A file with fewer
        lines than ``last`` is not the one that was compiled."""
        for path in self._candidates(name):
            text = _content(path)
            if text is not None:
                lines = text.removesuffix("\n").split("\n")
                if len(lines) >= last:
                    return lines
        return None

    def _candidates(self, name: str) -> list[Path]:
        if not name.endswith(_SUFFIXES) or "\0" in name:
            return []
        found = [Path(name)] if self._read and os.path.isabs(name) else []
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        for folder in self._folders:
            found += [folder.joinpath(*parts[at:]) for at in range(len(parts))]
        return found


def _content(path: Path) -> str | None:
    try:
        real = path.resolve(strict=True)
        if real.suffix not in _SUFFIXES or not real.is_file() or real.stat().st_size > _LARGEST:
            return None
        return real.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError, RuntimeError):  # not there, not readable, a loop of links
        return None
