"""What has to be the same for a kept machine to be the one that opening would make."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

import emuplugin
from emuplugin.cpu.host_code import is_supported
from emuplugin.elf.digest import new_digest
from emuplugin.sandbox import Sandbox

#: Parts of the package that a kept machine depends on: other code makes other machines.
_PARTS = ("cpu", "elf", "runtime_shims", "snapshots", "cache")


def key_of(path: str, contents: str, sandbox: Sandbox, *, files: bool) -> str:
    """The name of the entry for a file's real path and the digest of its contents. ``files``: for
    inits that have looked at files, so that it matters what is in the sandbox's."""
    return _digest([path, contents, _describe(sandbox, files), OURS])


def link_of(path: str, sandbox: Sandbox, *, files: bool) -> str:
    """The name of what leads to the entry while the file is not touched."""
    return _digest([path, _describe(sandbox, files), OURS])


def _describe(sandbox: Sandbox, files: bool) -> list[Any]:
    """All of a sandbox that inits can see without connections, standard input and mounted folders,
    which those of kept machines have not used: see :mod:`emuplugin.snapshots.saved`."""
    limits = sandbox.limits
    return [
        sandbox.args,
        list(sandbox.env.items()),
        sandbox.epoch,
        sandbox.seed,
        sandbox.cpus,
        [
            limits.memory, limits.seconds, limits.instructions, limits.output, limits.file_bytes,
            limits.open_files, limits.goroutines, limits.threads,
        ],
        # Files and file systems are numbered in this order.
        [(path, _content(content) if files else "") for path, content in sandbox.files.items()],
        [(path, mount.path, mount.mode) for path, mount in sandbox.mounts.items()],
    ]  # fmt: skip


def _content(content: bytes | str) -> str:
    return new_digest(content.encode() if isinstance(content, str) else content).hexdigest()


def _digest(parts: list[Any]) -> str:
    text = json.dumps(parts, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:40]


def _ours() -> str:
    """What stands for us and the engine: versions, our files and its library by size and time, so
    that who changes the code need not clear the cache. Whether instructions are counted, because it
    is seen in the clock."""
    folder = os.path.dirname(emuplugin.__file__)
    files = _files(folder, deep=False)
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


def _files(folder: str, *, deep: bool) -> list[tuple[str, int, int]]:
    """Name, size and time of the modules, and of their data, in a folder."""
    found, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name[-3:] == ".py" or name[-5:] == ".json":
                status = entry.stat()
                found.append((name, status.st_size, status.st_mtime_ns))
            elif "." not in name and name != "__pycache__":
                folders.append(name)
    if deep:
        for name in folders:
            found += _files(os.path.join(folder, name), deep=True)
    return found


#: What runs in this process: looked at when it is imported.
OURS = _ours()
