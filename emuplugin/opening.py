"""Open: from a path to a plugin in a machine (``plugin/plugin_dlopen.go: open``)."""

from __future__ import annotations

import os
import threading
from copy import copy
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from .beside import Beside
from .cache.opening import Kept, find, keep, recall_engine
from .collector import still
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

# Go remembers what goes wrong once a file is loaded; anything before may be mended and tried again.
_REMEMBERED = (AlreadyLoadedError, VersionMismatchError, InitError)
_PREVIOUS = " (previous failure)"
F = TypeVar("F", bound=OpenError)

if TYPE_CHECKING:
    from .machine import Machine
    from .runtime_shims.process import Process
    from .runtime_shims.program import Module
    from .sandbox import Sandbox


def real_path(name: str) -> str:
    """The path that plugins are known by. Raises PathError where Go's realpath would fail."""
    try:
        if name and "\0" not in name:
            return os.path.realpath(name, strict=True)
    except OSError:
        pass  # the same words as for an empty name, below
    # An empty path stands for one that is not known yet: see OpenError.
    raise PathError("realpath failed" if name else 'plugin.Open(""): realpath failed', path=name)


def open_in(machine: Machine, name: str, found: tuple[str, bytes] | None = None) -> Plugin:
    """Open ``name`` in ``machine``; the machine's lock is held. See :meth:`Machine.open`.

    ``found`` is its real path and what is in the file, where that was read elsewhere.
    """
    path, contents = found or (real_path(name), None)
    failure = machine.failure(path)
    if failure is not None:
        raise previous_failure(failure, name)
    known = machine.opened(path)
    if known is not None:
        return known
    start = perf_counter()
    try:
        with still():
            plugin = _open(machine, path, contents)
    except _REMEMBERED as error:
        error.path = _short(name)
        machine.remember_failure(path, error)
        raise
    except OpenError as error:
        error.path = error.path or name
        raise
    plugin.timings["total"] = perf_counter() - start
    machine.remember(path, plugin)
    return plugin


def _open(machine: Machine, path: str, contents: bytes | None) -> Plugin:
    start = perf_counter()
    first = machine.uses_cache and contents is None
    found, process, timings = _find(machine, path, contents, cached=first)
    if isinstance(found, Kept):
        assert process is not None
        if machine.resume(found, process):
            plugin = Plugin(machine, machine.program.modules[0], path)
            plugin.from_cache = True
            plugin.timings["take from the cache"] = perf_counter() - start
            return plugin
        found, process, timings = _find(machine, path, None, cached=False)
        assert isinstance(found, ElfFile)
    module = _load(machine, found, process)
    if not module.plugin_path:
        raise NotAPluginError("runtime: plugin has empty pluginpath")
    plugin = Plugin(machine, module, path)
    plugin.timings.update(timings | _run_inits(machine, module))
    if first:
        start = perf_counter()
        plugin.keeping = keep(machine.program, path, machine.sandbox)
        plugin.timings["put into the cache"] = perf_counter() - start
    return plugin


def _find(
    machine: Machine, path: str, contents: bytes | None, *, cached: bool
) -> tuple[ElfFile | Kept, Process | None, dict[str, float]]:
    """Read a plugin, or find what the cache has of it, and make a process meanwhile if it is the
    machine's first. How long both took."""
    timings = {}
    sandbox = machine.sandbox if cached else None
    if cached:
        recall_engine()
    if contents is None:
        wait = Beside(partial(_look, path, sandbox)).outcome
    else:
        wait = partial(ElfFile, contents, path)
    start = perf_counter()
    process = machine.life.first_process()
    if process is not None:
        timings["machine"] = perf_counter() - start
    start = perf_counter()
    try:
        found = wait()
        if isinstance(found, ElfFile):
            check_plugin(found)
    except BaseException:
        if process is not None:
            process.close()
        raise
    return found, process, timings | {"read the file": perf_counter() - start}


def _look(path: str, sandbox: Sandbox | None) -> ElfFile | Kept:
    """What the cache has for a sandbox, if one is given; else the file."""
    kept = None if sandbox is None else find(path, sandbox)
    return ElfFile.open(path, in_parts=True) if kept is None else kept


def reopen(machine: Machine, plugin: Plugin) -> None:
    """Open ``plugin`` again after its machine was reset, from the file as it was read before."""
    start = perf_counter()
    if plugin.from_cache and machine.life.state == "empty" and machine.resume_again():
        plugin.bind(machine.program.modules[0])
        plugin.timings = {"total": perf_counter() - start}
        return
    module = _load(machine, plugin.module.image.file, machine.life.first_process())
    plugin.bind(module)
    try:
        timings = _run_inits(machine, module)
    except OpenError as error:
        error.path = _short(plugin.path)
        raise
    plugin.timings = timings | {"total": perf_counter() - start}


def _load(machine: Machine, file: ElfFile, process: Process | None) -> Module:
    """Map a plugin and make it part of the program; boot in ``process`` if it is the first."""
    life = machine.life
    if process is not None:
        return life.start(file, process)
    _check_version(machine, file)
    module = life.program.add(file)
    try:
        _check_module(machine, module)
    except OpenError:
        life.program.remove(module)
        raise
    life.link(module)
    return module


def _run_inits(machine: Machine, module: Module) -> dict[str, float]:
    """Run the init functions; how long that and booting took."""
    program = machine.program
    timings = program.timings if module is program.modules[0] else {}
    start = perf_counter()
    try:
        machine.life.run_inits(module)
    except EmupluginError as error:
        summary = str(error).splitlines()[0]
        raise InitError(f"an init function failed: {summary}") from error
    return timings | {"run the inits": perf_counter() - start}


def _check_version(machine: Machine, file: ElfFile) -> None:
    """A plugin of another Go version: Go would abort while it reads the plugin's module data."""
    mine, its = machine.program.build_info, file.build_info
    if its is not None and its.go_version != mine.go_version:
        raise VersionMismatchError(
            "plugin was built with a different version of package runtime: "
            f"{its.go_version}, the machine runs {mine.go_version}; open it in a machine of its own"
        )


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


def _short(name: str) -> str:
    """Once the file is loaded Go names it without its ``.so``."""
    return name.removesuffix(".so")


def previous_failure(failure: F, name: str) -> F:
    """The same failure, to be raised once more for ``name``, marked as Go marks it."""
    again = copy(failure).with_traceback(None)
    again.__cause__ = failure.__cause__
    again.path = name
    again.reason = again.reason.removesuffix(_PREVIOUS) + _PREVIOUS
    return again


class _PathLock:
    """A lock that goes away with its last user."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


#: A file by real path, size and time of its last change.
_Key = tuple[str, int, int]

_shared: WeakValueDictionary[_Key, Plugin] = WeakValueDictionary()
_shared_failures: dict[_Key, InitError] = {}
_shared_lock = threading.Lock()
_path_locks: WeakValueDictionary[str, _PathLock] = WeakValueDictionary()


def open_shared(name: str | os.PathLike[str]) -> Plugin:
    """:func:`emuplugin.open` without a sandbox: one plugin per file, for as long as somebody holds
    it and its machine runs. A file that was replaced on disk is another file; one whose init
    functions failed is not tried again.

    Several threads may open one path: the first does it, the others wait for it.
    """
    from .machine import Machine

    path = real_path(os.fspath(name))
    with _shared_lock:
        lock = _path_locks.setdefault(path, _PathLock())
    with lock.lock:
        status = os.stat(path)
        key = (path, status.st_size, status.st_mtime_ns)
        failure = _shared_failures.get(key)
        if failure is not None:
            raise previous_failure(failure, os.fspath(name))
        plugin = _shared.get(key)
        if plugin is None or plugin.machine.state != "running":
            machine = Machine()
            try:
                plugin = _shared[key] = machine.open(name)
            except BaseException as error:
                machine.close()
                if isinstance(error, InitError):
                    _shared_failures[key] = error
                raise
        return plugin
