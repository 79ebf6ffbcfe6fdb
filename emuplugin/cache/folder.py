"""The folder of the cache: entries, and what leads to them.

``machines/KEY`` are entries (:mod:`entry`), written beside and renamed, never changed.
``links/NAME`` says for a file and a sandbox which entry there is, and when the file, and the entry,
were last looked at as a whole: by device, inode, size and times, as git's index does. While these
are the same, neither is read again. ``engine`` is what was found out of the engine.

Whoever can write to the folder can make a machine what they like, so it must be the user's own, and
nobody else's to write.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from emuplugin.elf.digest import new_digest

#: Bytes of all entries together, at most, unless told otherwise.
DEFAULT_LIMIT = 1 << 30
#: Times that are so near to the look are no proof: the file may have been written to in the same
#: tick of the host's clock (git: racy entries).
_TICK = 50_000_000


class Stamp(NamedTuple):
    """What tells a file that was not touched since."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """From stat."""
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )

    @property
    def settled(self) -> int:
        """The first time at which a look is later than every change."""
        return max(self.modified, self.changed) + _TICK + 1

    def proves(self, looked: int) -> bool:
        """Whether a look at that time (nanoseconds) was later than every change."""
        return looked >= self.settled


class Link(NamedTuple):
    """What is known of a file: its digest, its entry, and of both when they were looked at."""

    contents: str
    entry: str
    file: Stamp
    file_looked: int
    pages: Stamp
    pages_looked: int


class CacheFolder:
    """The cache in ``path``. Methods raise OSError, but for those that say that they do not."""

    def __init__(self, path: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.path, self.limit = path, limit
        self._machines, self._links = path / "machines", path / "links"
        self._engine = path / "engine"

    def is_ours(self) -> bool:
        """Whether the folder is there and nobody else can write to it. Raises nothing."""
        try:
            return all(_is_ours(os.lstat(folder)) for folder in (self._machines, self._links))
        except OSError:
            return False

    # --- links ------------------------------------------------------------------------------

    def find(self, name: str) -> Link | None:
        """A link; None where there is none that makes sense. Raises nothing."""
        try:
            data = json.loads(_read(self._links / name))
            contents, entry, file, file_looked, pages, pages_looked = data
            if not all(isinstance(text, str) and text.isalnum() for text in (contents, entry)):
                return None
            if not all(isinstance(n, int) for n in (*file, *pages, file_looked, pages_looked)):
                return None
            return Link(contents, entry, Stamp(*file), file_looked, Stamp(*pages), pages_looked)
        except (OSError, ValueError, TypeError):
            return None

    def link(self, name: str, link: Link) -> None:
        """Write a link."""
        text = json.dumps(link).encode()
        self._write(self._links / name, lambda file: file.write(text))

    def used(self, name: str) -> None:
        """The entry of a link was used now."""
        os.utime(self._links / name)

    # --- the engine -------------------------------------------------------------------------

    def engine(self, build: str) -> Any:
        """What was found out of a build of the engine (:mod:`emuplugin.cpu.engine_probe`); None
        where nothing is known, or what is there makes no sense. Raises nothing."""
        try:
            digest, _, text = _read(self._engine).partition(b" ")
            if digest.decode() == new_digest(text).hexdigest():
                known = json.loads(text)
                return known[1] if known[0] == build else None
        except (OSError, ValueError, LookupError, TypeError):
            pass  # not yet, or not ours
        return None

    def keep_engine(self, build: str, known: object) -> None:
        """Write that."""
        text = json.dumps([build, known]).encode()
        digest = new_digest(text).hexdigest().encode()
        self._write(self._engine, lambda file: file.write(digest + b" " + text))

    # --- entries ----------------------------------------------------------------------------

    def open(self, entry: str) -> int:
        """A descriptor of an entry that is ours."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        fd = os.open(self._machines / entry, flags | getattr(os, "O_BINARY", 0))
        if not _is_ours(os.fstat(fd)):
            os.close(fd)
            raise PermissionError(f"{self._machines / entry} is not the user's own")
        return fd

    def keep(self, entry: str, fill: Callable[[BinaryIO], object]) -> Stamp:
        """Write an entry, and make room for it."""
        for folder in (self.path, self._machines, self._links):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.is_ours():
            raise PermissionError(f"{self.path} is not the user's own")
        stamp = self._write(self._machines / entry, fill)
        self.shrink()
        return stamp

    def discard(self, entry: str) -> None:
        """Remove an entry. Raises nothing."""
        with contextlib.suppress(OSError):
            os.unlink(self._machines / entry)

    def _write(self, target: Path, fill: Callable[[BinaryIO], object]) -> Stamp:
        fd, name = tempfile.mkstemp(prefix=".new-", dir=target.parent)
        try:
            with open(fd, "wb") as file:
                fill(file)
                file.flush()
                stamp = Stamp.of(os.fstat(fd))
            os.replace(name, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        return stamp._replace(changed=os.stat(target).st_ctime_ns)

    # --- looking after ----------------------------------------------------------------------

    def entries(self) -> Iterator[tuple[str, int, float]]:
        """Name, size and last use (seconds since 1970) of each entry. Raises nothing."""
        uses: dict[str, float] = {}
        with contextlib.suppress(OSError):
            for path in self._links.iterdir():
                link = self.find(path.name)
                if link is not None:
                    with contextlib.suppress(OSError):
                        uses[link.entry] = max(uses.get(link.entry, 0), path.stat().st_mtime)
        with contextlib.suppress(OSError):
            for path in self._machines.iterdir():
                with contextlib.suppress(OSError):
                    status = path.stat()
                    yield path.name, status.st_size, uses.get(path.name, status.st_mtime)

    def shrink(self) -> None:
        """Remove what was not used for longest, until what is left is small enough; leftovers of
        processes that were killed, and links that lead nowhere."""
        found = sorted(self.entries(), key=lambda entry: entry[2])
        total = sum(size for _, size, _ in found)
        hour_ago = time.time() - 3600
        for name, size, used in found:
            if total > self.limit or (name.startswith(".new-") and used < hour_ago):
                self.discard(name)
                total -= size
        there = {name for name, _, _ in self.entries()}
        with contextlib.suppress(OSError):
            for path in self._links.iterdir():
                link = self.find(path.name)
                if (link is None and not path.name.startswith(".new-")) or (
                    link is not None and link.entry not in there
                ):
                    with contextlib.suppress(OSError):
                        path.unlink()

    def clear(self) -> int:
        """Remove everything; how many entries there were."""
        names = [name for name, _, _ in self.entries()]
        for name in names:
            self.discard(name)
        with contextlib.suppress(OSError):
            self._engine.unlink(missing_ok=True)
            for path in self._links.iterdir():
                path.unlink()
        return len(names)


def _is_ours(status: os.stat_result) -> bool:
    if not hasattr(os, "geteuid"):
        return True  # Windows: the user's profile is the user's
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _read(path: Path) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(path, flags | getattr(os, "O_BINARY", 0))
    with open(fd, "rb") as file:
        if not _is_ours(os.fstat(fd)):
            raise PermissionError(f"{path} is not the user's own")
        return file.read()
