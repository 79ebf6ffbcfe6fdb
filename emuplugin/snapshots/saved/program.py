"""A program with one module as plain data, and such a program again."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple
from functools import partial
from typing import Any

from emuplugin.cpu.engine import KeptProcessor
from emuplugin.cpu.page_store import PageStore
from emuplugin.elf.buildinfo import BuildInfo, Module
from emuplugin.elf.file import ElfFile
from emuplugin.runtime_shims.boot import BootStep
from emuplugin.runtime_shims.caller import HostGoroutine
from emuplugin.runtime_shims.image import Image
from emuplugin.runtime_shims.inits import InitTrace
from emuplugin.runtime_shims.kernel.state import UnkeptError
from emuplugin.runtime_shims.layouts.remembered import RememberedLayout
from emuplugin.runtime_shims.process import Process
from emuplugin.runtime_shims.program import Program

from .kernel import Objects, load_kernel, load_objects, save_kernel
from .memory import load_space, save_space
from .reasons import NotSavedError, check, looks_at_files
from .threads import load_threads, save_threads

# The state of Python's generator of random numbers.
_RANDOM = struct.Struct("<625I")


def save(program: Program) -> dict[str, Any]:
    """The program as what JSON can hold (with :func:`finish`), without its memory: nothing in it
    changes when the program goes on. ``looked at files`` says whether it may have seen what is in
    the sandbox's. Raises NotSavedError."""
    check(program)
    process, (module,) = program.process, program.modules
    engine, kernel, image = process.engine, process.kernel, module.image
    assert program.boot.monitor is not None
    copies, originals = program.endings.traps.state
    c_threads, answers = program.c_threads, program.runtime.layout.answers()
    try:
        objects = Objects(kernel)
        threads = save_threads(kernel, engine, objects.keeper)
        kept = objects.save()
    except UnkeptError as error:
        raise NotSavedError(f"its inits have made something that is not kept ({error})") from None
    except OSError as error:
        raise NotSavedError(f"a mounted folder is gone: {error}") from None
    return {
        "build": asdict(program.build_info),
        "layout": [dict(answers.variables), answers.fields],
        "moduledata": module.moduledata - image.base,
        "image": [image.base, image.size, dict(image.relocations), dict(image.known_symbols)],
        "library": program.library.names,
        "c heap": program.library.heap.state,
        "c threads": None
        if c_threads is None
        else [[*c_threads.free], [*c_threads.stacks.items()]],
        "traps": [copies, [[at, *entry] for at, entry in _hex(originals)]],
        "caller": [[*program.caller.hosts], program.caller.g, program.caller.waited],
        "monitor": program.boot.monitor.state,
        "boot": [program.boot.next, program.boot.g0],
        "told": [[*program.boot_steps], [*module.init_trace]],
        "roots": program.roots.state,
        "executed": engine.stops.keep(),
        "clock": kernel.clock.slept_for,
        "turn": kernel.allowance.state,
        "random": _RANDOM.pack(*kernel.random_state).hex() if kernel.random_state else "",
        "looked at files": looks_at_files(kernel),
        "kernel": save_kernel(kernel),
        "objects": kept,
        "threads": threads,
        "space": save_space(process.space),
    }


def finish(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What takes its time, and can be done when the program goes on already."""
    steps, inits = saved["told"]
    return {**saved, "told": [_text(steps), _text(map(astuple, inits))]}


def load(saved: Mapping[str, Any], process: Process, file: ElfFile, store: PageStore) -> Program:
    """A running program again, in an empty process, with the memory that ``store`` holds. What it
    had printed was not printed again: see :meth:`StandardStreams.print_again`. The process is
    closed where that is not possible."""
    try:
        return _load(saved, process, file, store)
    except BaseException:
        process.close()
        raise


def _load(saved: Mapping[str, Any], process: Process, file: ElfFile, store: PageStore) -> Program:
    base, size, relocations, symbols = saved["image"]
    image = Image(file, base, size, relocations)
    image.known_symbols = dict(symbols)
    copies, originals = saved["traps"]
    traps = copies, {entry: (bytes.fromhex(head), at) for entry, head, at in originals}
    info = load_build_info(saved)
    program = Program.assembled(
        process,
        info,
        image,
        saved["moduledata"],
        saved["library"],
        traps,
        RememberedLayout(info.go_version, saved["layout"]),
        c_code=saved["c threads"] is not None,
    )
    _load_into(program, saved, store)
    return program


def load_build_info(saved: Mapping[str, Any]) -> BuildInfo:
    """The build info of the plugin."""
    build = dict(saved["build"])
    main, deps = build.pop("main"), build.pop("deps")
    return BuildInfo(main=_module(main), deps=tuple(map(_module, deps)), **build)


def _module(saved: Mapping[str, Any]) -> Module:
    replaced = saved["replace"]
    return Module(**{**saved, "replace": None if replaced is None else _module(replaced)})


def _load_into(program: Program, saved: Mapping[str, Any], store: PageStore) -> None:
    process, (module,) = program.process, program.modules
    engine, kernel, caller = process.engine, process.kernel, program.caller
    process.space.show(load_space(saved["space"], store))
    program.boot.next, program.boot.g0 = saved["boot"]
    steps, inits = saved["told"]
    program.told, module.told = partial(_boot_steps, steps), partial(_init_trace, inits)
    size, free = saved["roots"]
    program.roots.resume((size, free))
    caller.hosts.update((g, HostGoroutine(g)) for g in saved["caller"][0])
    caller.switch(caller.hosts[saved["caller"][1]])
    caller.waited = saved["caller"][2]
    program.library.heap.resume(saved["c heap"])
    if program.c_threads is not None:
        free, stacks = saved["c threads"]
        program.c_threads.free, program.c_threads.stacks = list(free), dict(stacks)
    load_kernel(kernel, saved["kernel"])
    load_threads(kernel, engine, saved["threads"], load_objects(kernel, saved["objects"]))
    kernel.clock.slept_for = saved["clock"]
    kernel.allowance.state = saved["turn"]
    if saved["random"]:
        kernel.random_state = [*_RANDOM.unpack(bytes.fromhex(saved["random"]))]
    assert program.boot.monitor is not None
    tid, base = saved["monitor"]
    program.boot.monitor.resume((tid, base))
    executed, left, passed = saved["executed"]
    engine.show(KeptProcessor(engine.save(), (executed, left, passed), frozenset(engine.traps)))


def _text(entries: Iterable[Any]) -> str:
    """What hardly anybody asks for: it is text until then, for to read it takes long."""
    return json.dumps([*entries], separators=(",", ":"))


def _boot_steps(text: str) -> list[BootStep]:
    return [BootStep(*step) for step in json.loads(text)]


def _init_trace(text: str) -> list[InitTrace]:
    return [
        InitTrace(package, tuple(functions), *taken)
        for package, functions, *taken in json.loads(text)
    ]


def _hex(originals: Mapping[int, tuple[bytes, int]]) -> list[tuple[int, tuple[str, int]]]:
    return [(entry, (head.hex(), at)) for entry, (head, at) in originals.items()]
