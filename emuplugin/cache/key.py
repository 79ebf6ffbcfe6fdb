"""What has to be the same for a kept machine to be the one that opening would make."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

import emuplugin
from emuplugin.cpu.host_code import is_supported
from emuplugin.sandbox import Sandbox

#: Parts of the package that a kept machine depends on: other code makes other machines.
_PARTS = ("cpu", "elf", "runtime_shims", "snapshots", "cache")


def key_of(path: str, contents: str, sandbox: Sandbox) -> str:
    """The name of the entry for a file's real path and the digest of its contents."""
    return _digest([path, contents, _describe(sandbox), _ours()])


def link_of(path: str, sandbox: Sandbox) -> str:
    """The name of what leads to the entry while the file is not touched."""
    return _digest([path, _describe(sandbox), _ours()])


def _describe(sandbox: Sandbox) -> list[Any]:
    """All of a sandbox that inits can see without asking for files or connections, which kept
    machines have not done: see :mod:`emuplugin.snapshots.saved`."""
    limits = sandbox.limits
    return [
        sandbox.args,
        sorted(sandbox.env.items()),
        sandbox.epoch,
        sandbox.seed,
        sandbox.cpus,
        [
            limits.memory, limits.seconds, limits.instructions, limits.output, limits.file_bytes,
            limits.open_files, limits.goroutines, limits.threads,
        ],
        # The size of the file tree, of which inode numbers and such depend.
        sorted(sandbox.files),
        sorted((path, mount.path, mount.mode) for path, mount in sandbox.mounts.items()),
    ]  # fmt: skip


def _digest(parts: list[Any]) -> str:
    text = json.dumps(parts, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:40]


@cache
def _ours() -> str:
    """What stands for us and the engine: versions, our files and its library by size and time, so
    that who changes the code need not clear the cache. Whether instructions are counted, because it
    is seen in the clock."""
    folder = os.path.dirname(emuplugin.__file__)
    files = [*_files(folder, deep=False)]
    for part in _PARTS:
        files += _files(os.path.join(folder, part), deep=True)
    return _digest(
        [
            emuplugin.__version__, sys.byteorder, is_supported(), sorted(files),
            unicorn.__version__, *_library(),
        ]
    )  # fmt: skip


def _library() -> tuple[int, int]:
    """Size and time of the engine's library, where it tells its place."""
    try:
        status = os.stat(uclib._name)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _files(folder: str, *, deep: bool) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of the modules, and of their data, in a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((".py", ".json")):
                status = entry.stat()
                yield entry.path[len(folder) :], status.st_size, status.st_mtime_ns
            elif deep and entry.name != "__pycache__" and entry.is_dir():
                yield from _files(entry.path, deep=True)
