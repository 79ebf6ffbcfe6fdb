"""The user's cache folder, and how several processes fill it without harming each other."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from emuplugin.errors import ToolchainError


def cache_path() -> Path:
    """emuplugin's folder in the user's cache. Everything in it can be deleted at any time."""
    return platformdirs.user_cache_path("emuplugin")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that goes with ``path`` (``path.lock`` beside it) against other processes.

    Raises :class:`ToolchainError` where the package ``filelock`` is missing.
    """
    try:
        from filelock import FileLock
    except ModuleNotFoundError as error:
        raise ToolchainError(
            "building needs the package filelock: pip install 'emuplugin[build]'"
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(path.name + ".lock")):
        yield


def make_once(target: Path, fill: Callable[[Path], None]) -> Path:
    """Return the folder ``target``; where it is missing, let ``fill`` make it.

    ``fill`` gets a temporary folder beside ``target`` that takes its name only when ``fill`` has
    returned, so a folder of that name is always whole. One process fills, others wait for it.
    """
    if target.is_dir():
        return target
    with locked(target):
        if target.is_dir():
            return target
        for leftover in target.parent.glob(f".{target.name}.*"):  # of a process that was killed
            shutil.rmtree(leftover)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            fill(temporary)
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return target
