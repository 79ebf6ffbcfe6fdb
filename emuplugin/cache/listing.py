"""What is in the cache, for people."""

from __future__ import annotations

from typing import NamedTuple

from .entry import BadEntryError, read
from .folder import CacheFolder


class Listed(NamedTuple):
    """One kept machine: the plugin's path, its Go version, bytes on disk, seconds since 1970."""

    path: str
    go: str
    bytes: int
    used: float


def listed(folder: CacheFolder) -> list[Listed]:
    """All that can be read, the last used first."""
    found = []
    for name, size, used in folder.entries():
        try:
            description, _ = read(folder.open(name))
            found.append(Listed(str(description["path"]), str(description["go"]), size, used))
        except (OSError, BadEntryError, KeyError):
            continue  # not one of ours; opening a plugin would remove it
    return sorted(found, key=lambda entry: -entry.used)
