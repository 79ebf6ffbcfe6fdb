"""Open: from a path to a plugin in a machine (``plugin/plugin_dlopen.go: open``)."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from .elf.file import ElfFile
from .elf.refusals import check_plugin
from .errors import (
    AlreadyLoadedError,
    EmupluginError,
    FormatError,
    InitError,
    NotAPluginError,
    OpenError,
    PathError,
    VersionMismatchError,
)
from .plugin import Plugin

if TYPE_CHECKING:
    from .machine import Machine
    from .runtime_shims.program import Module


def real_path(name: str) -> str:
    """The path that plugins are known by. Raises PathError where Go's realpath would fail."""
    try:
        if name and "\0" not in name:
            return os.fspath(Path(name).resolve(strict=True))
    except (OSError, RuntimeError):
        pass  # the same words as for an empty name, below
    raise PathError("realpath failed", path=name)


def open_in(machine: Machine, name: str) -> Plugin:
    """Open ``name`` in ``machine``; the machine's lock is held. See :meth:`Machine.open`."""
    path = real_path(name)
    known = machine.opened(path)
    if known is not None:
        return known
    start = perf_counter()
    try:
        plugin = _open(machine, path, name)
    except EmupluginError as error:
        failure = _named(error, name)
        machine.remember_failure(path, failure)
        if failure is error:
            raise
        raise failure from error
    plugin.timings["total"] = perf_counter() - start
    machine.remember(path, plugin)
    return plugin


def _open(machine: Machine, path: str, name: str) -> Plugin:
    start = perf_counter()
    file = ElfFile.open(path)
    check_plugin(file)
    timings = {"read the file": perf_counter() - start}
    if machine.state == "empty":
        module = machine.start(file)
    else:
        module = machine.program.add(file)
        try:
            _check_module(machine, module)
        except OpenError:
            machine.program.remove(module)
            raise
        machine.link(module)
    plugin_path = module.plugin_path
    if not plugin_path:
        raise NotAPluginError("runtime: plugin has empty pluginpath")
    plugin = Plugin(machine, module, path)
    timings |= machine.program.timings if module is machine.program.modules[0] else {}
    start = perf_counter()
    try:
        machine.run_inits(module)
    except EmupluginError as error:
        summary = str(error).splitlines()[0]
        raise InitError(f"an init function failed: {summary}", path=_short(name)) from error
    timings["run the inits"] = perf_counter() - start
    plugin.timings.update(timings)
    return plugin


def _check_module(machine: Machine, module: Module) -> None:
    """What ``runtime.plugin_lastmoduleinit`` checks of a further plugin."""
    for other in machine.program.modules:
        if other.plugin_path == module.plugin_path:
            raise AlreadyLoadedError("plugin already loaded")
    for package, linked, running in module.package_hashes:
        if linked != running:
            raise VersionMismatchError(
                f"plugin was built with a different version of package {package}"
            )
    if not module.get("ftab.len"):
        raise FormatError("runtime: plugin has bad symbol table")


def _named(error: EmupluginError, name: str) -> EmupluginError:
    """The error as it is raised: with the path in it."""
    if isinstance(error, OpenError) and not error.path:
        error.path = name
    return error


def _short(name: str) -> str:
    """Once the file is loaded Go names it without its ``.so``."""
    return name.removesuffix(".so")


class _PathLock:
    """A lock that goes away with its last user."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


_shared: WeakValueDictionary[tuple[str, int, int], Plugin] = WeakValueDictionary()
_shared_lock = threading.Lock()
_path_locks: WeakValueDictionary[str, _PathLock] = WeakValueDictionary()


def open_shared(name: str | os.PathLike[str]) -> Plugin:
    """:func:`emuplugin.open` without a sandbox: one plugin per file, for as long as somebody holds
    it and its machine runs. A file that was replaced on disk is another file.

    Several threads may open one path: the first does it, the others wait for it.
    """
    from .machine import Machine

    path = real_path(os.fspath(name))
    with _shared_lock:
        lock = _path_locks.setdefault(path, _PathLock())
    with lock.lock:
        status = os.stat(path)
        key = (path, status.st_size, status.st_mtime_ns)
        plugin = _shared.get(key)
        if plugin is None or plugin.machine.state != "running":
            plugin = _shared[key] = Machine().open(name)
        return plugin
