"""A machine after its first plugin was opened, as plain data: what the cache keeps on disk.

It is not the state of any machine whatever, as a :class:`~.state.ProgramState` is, but of one whose
inits have done nothing but compute: asked the kernel for memory, threads, signal handlers and such.
:func:`save` says why a machine is none of these. Everything else of a machine (streams, files, the
network) is then as its sandbox makes it, and nothing of the host's comes from the cache.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import AddressSpace, Area, KeptSpace
from emuplugin.cpu.engine import Engine, KeptProcessor
from emuplugin.cpu.page_store import PageStore
from emuplugin.elf.buildinfo import BuildInfo, Module
from emuplugin.elf.file import ElfFile
from emuplugin.runtime_shims.boot import BootStep
from emuplugin.runtime_shims.caller import HostGoroutine
from emuplugin.runtime_shims.image import Image
from emuplugin.runtime_shims.inits import InitTrace
from emuplugin.runtime_shims.kernel.kernel import Kernel
from emuplugin.runtime_shims.kernel.signals import Action
from emuplugin.runtime_shims.kernel.threads import Thread, Wait
from emuplugin.runtime_shims.layouts.remembered import RememberedLayout
from emuplugin.runtime_shims.layouts.tables import is_measured
from emuplugin.runtime_shims.program import Program
from emuplugin.sandbox import Sandbox

#: System calls whose effect is all in what is saved.
_KNOWN_CALLS = frozenset(
    (
        "mmap", "munmap", "madvise", "mprotect", "mincore", "rt_sigprocmask", "rt_sigaction",
        "rt_sigreturn", "sigaltstack", "clone", "exit", "gettid", "getpid", "futex", "sched_yield",
        "sched_getaffinity", "getrlimit", "setrlimit", "prlimit64", "fcntl", "uname", "getrandom",
        "fstat", "clock_gettime", "clock_getres", "gettimeofday", "time", "nanosleep", "tgkill",
        "getuid", "getgid", "geteuid", "getegid", "getppid", "prctl", "set_robust_list",
    )
)  # fmt: skip
#: The x87 unit's control and tag words as the engine begins with them: nobody has used it.
_X87 = (0, 0x5555)
_STANDARD = frozenset((0, 1, 2))
_THREAD_NUMBERS = (
    "tid", "result", "signal_mask", "saved_mask", "interrupted", "restart", "clear_child_tid",
    "robust_list", "policy", "affinity", "cpu",
)  # fmt: skip
_WAIT_NUMBERS = ("deadline", "timeout", "futex", "bitset", "signals", "call")
_REGISTERS = (*reg.GENERAL, reg.FS_BASE, reg.GS_BASE, reg.MXCSR)


class NotSavedError(Exception):
    """The machine cannot be kept on disk. The message says why."""


def save(program: Program) -> dict[str, Any]:
    """The program as what JSON can hold, without its memory. Raises NotSavedError."""
    _check(program)
    process, (module,) = program.process, program.modules
    engine, kernel, image = process.engine, process.kernel, module.image
    assert program.boot.monitor is not None
    copies, originals = program.endings.traps.state
    c_threads = program.c_threads
    return {
        "build": asdict(program.build_info),
        "layout": program.runtime.layout.answers(),
        "moduledata": module.moduledata - image.base,
        "image": [image.base, image.size, dict(image.relocations), image.known_symbols],
        "library": program.library.names,
        "c threads": None if c_threads is None else [c_threads.free, [*c_threads.stacks.items()]],
        "traps": [copies, [[at, *entry] for at, entry in _hex(originals)]],
        "caller": [[*program.caller.hosts], program.caller.g, program.caller.waited],
        "monitor": program.boot.monitor.state,
        "boot": [program.boot.next, program.boot.g0],
        "boot steps": [asdict(step) for step in program.boot_steps],
        "inits": [asdict(init) for init in module.init_trace],
        "roots": program.roots.state,
        "executed": engine.stops.keep(),
        "clock": kernel.clock.slept_for,
        "turn": kernel.allowance.state,
        "random": kernel.random_state,
        "kernel": _save_kernel(kernel),
        "threads": _save_threads(kernel, engine),
        "space": _save_space(process.space),
    }


def load(saved: Mapping[str, Any], sandbox: Sandbox, file: ElfFile, store: PageStore) -> Program:
    """A running program again, around memory that ``store`` holds."""
    base, size, relocations, symbols = saved["image"]
    image = Image(file, base, size, relocations)
    image.known_symbols = symbols
    copies, originals = saved["traps"]
    traps = copies, {entry: (bytes.fromhex(head), at) for entry, head, at in originals}
    info = load_build_info(saved)
    program = Program.assembled(
        sandbox,
        info,
        image,
        saved["moduledata"],
        saved["library"],
        traps,
        RememberedLayout(info.go_version, saved["layout"]),
        c_code=saved["c threads"] is not None,
    )
    try:
        _load_into(program, saved, store)
    except BaseException:
        program.close()
        raise
    return program


def load_build_info(saved: Mapping[str, Any]) -> BuildInfo:
    """The build info of the plugin."""
    build = dict(saved["build"])
    main, deps = build.pop("main"), build.pop("deps")
    return BuildInfo(main=_module(main), deps=tuple(map(_module, deps)), **build)


def _module(saved: dict[str, Any]) -> Module:
    replaced = saved.pop("replace", None)
    return Module(**saved, replace=None if replaced is None else _module(replaced))


def _load_into(program: Program, saved: Mapping[str, Any], store: PageStore) -> None:
    process, (module,) = program.process, program.modules
    engine, kernel, caller = process.engine, process.kernel, program.caller
    process.space.show(_load_space(saved["space"], store))
    program.boot.next, program.boot.g0 = saved["boot"]
    program.boot_steps += [BootStep(**step) for step in saved["boot steps"]]
    for init in saved["inits"]:
        module.init_trace.append(InitTrace(**{**init, "functions": tuple(init["functions"])}))
    size, free = saved["roots"]
    program.roots.resume((size, free))
    caller.hosts.update((g, HostGoroutine(g)) for g in saved["caller"][0])
    caller.switch(caller.hosts[saved["caller"][1]])
    caller.waited = saved["caller"][2]
    if program.c_threads is not None:
        free, stacks = saved["c threads"]
        program.c_threads.free, program.c_threads.stacks = list(free), dict(stacks)
    _load_kernel(kernel, saved["kernel"])
    _load_threads(kernel, engine, saved["threads"])
    kernel.clock.slept_for = saved["clock"]
    kernel.allowance.state = saved["turn"]
    kernel.random_state = saved["random"]
    assert program.boot.monitor is not None
    tid, base = saved["monitor"]
    program.boot.monitor.resume((tid, base))
    executed, left, passed = saved["executed"]
    engine.show(KeptProcessor(engine.save(), (executed, left, passed), frozenset(engine.traps)))


# --- what is not saved ----------------------------------------------------------------------------


def _check(program: Program) -> None:
    kernel = program.process.kernel
    threads = kernel.threads.all.values()
    other = kernel.calls.keys() - _KNOWN_CALLS
    reasons: Iterable[tuple[object, str]] = (
        (not kernel.sandbox.repeats, "its clock or its chance is the host's"),
        (len(program.modules) != 1, "several plugins are open"),
        (not program.library.heap.is_new, "its C code has allocated memory"),
        (not is_measured(program.build_info.go_version), "its Go version was not measured"),
        (other, f"its inits made the system calls {', '.join(sorted(other))}"),
        (kernel.output_bytes, "its inits have printed something"),
        (kernel.files.table.keys() != _STANDARD, "its inits have opened files"),
        (kernel.files.close_on_exec, "its inits have changed the standard streams"),
        (kernel.mappings.count, "its inits have mapped files"),
        (not kernel.timers.idle, "its inits have set timers"),
        (kernel.signals.shared or kernel.signals.posted, "signals are pending"),
        (any(thread.pending for thread in threads), "signals are pending"),
        (any(_is_elsewhere(thread.wait) for thread in threads), "threads wait for more than time"),
        (len(program.roots), "Python holds values of it"),
        (not program.endings.is_quiet, "a call is ending"),
        (program.boot.monitor is None or program.boot.monitor.state is None, "it is not booted"),
        ("type_area" in vars(program), "types were made"),
        (any(host.parked or host.ended for host in program.caller.hosts.values()), "calls are on"),
        (kernel.report.has_accesses, "its inits have asked for files or connections"),
    )
    for applies, reason in reasons:
        if applies:
            raise NotSavedError(reason)


def _is_elsewhere(wait: Wait | None) -> bool:
    return wait is not None and (wait.ready is not None or wait.interrupted is not None)


# --- memory ---------------------------------------------------------------------------------------


def _save_space(space: AddressSpace) -> dict[str, Any]:
    kept = space.describe(PageStore(()))
    return {
        "areas": [[a.start, a.end, a.prot, a.physical, a.name] for a in kept.areas],
        "tables": [[*kept.leaf.items()], kept.tables],
        "present": [kept.present_pages, kept.peak_pages],
        "free": space.physical.free,
    }


def _load_space(saved: Mapping[str, Any], store: PageStore) -> KeptSpace:
    leaf, tables = saved["tables"]
    store.free = tuple((address, pages) for address, pages in saved["free"])
    present, peak = saved["present"]
    return KeptSpace(
        store,
        tuple(Area(*area) for area in saved["areas"]),
        dict(leaf),
        tables,
        present,
        peak,
        0,
    )


def _hex(originals: Mapping[int, tuple[bytes, int]]) -> list[tuple[int, tuple[str, int]]]:
    return [(entry, (head.hex(), at)) for entry, (head, at) in originals.items()]


# --- the kernel -----------------------------------------------------------------------------------


def _save_kernel(kernel: Kernel) -> dict[str, Any]:
    return {
        "mmap next": kernel.mmap_next,
        "brk": kernel.brk,
        "niceness": kernel.niceness,
        "settings": [*kernel.settings.items()],
        "calls": dict(kernel.calls),
        "refused": dict(kernel.refused),
        "refusals": [[*entry, count] for entry, count in kernel.report.refusals.counts.items()],
        "resources": kernel.resources.values,
        "actions": [[number, *action] for number, action in kernel.signals.actions.items()],
        "streams": [kernel.files.table[fd].flags for fd in sorted(_STANDARD)],
    }


def _load_kernel(kernel: Kernel, saved: Mapping[str, Any]) -> None:
    kernel.mmap_next, kernel.brk = saved["mmap next"], saved["brk"]
    kernel.niceness, kernel.settings = saved["niceness"], dict(saved["settings"])
    kernel.calls, kernel.refused = Counter(saved["calls"]), Counter(saved["refused"])
    for name, detail, count in saved["refusals"]:
        kernel.report.refusals.counts[name, detail] = count
    kernel.resources.values = [(soft, hard) for soft, hard in saved["resources"]]
    kernel.signals.actions = {number: Action(*action) for number, *action in saved["actions"]}
    for fd, flags in zip(sorted(_STANDARD), saved["streams"], strict=True):
        kernel.files.table[fd].flags = flags


def _save_threads(kernel: Kernel, engine: Engine) -> dict[str, Any]:
    threads = kernel.threads
    here = engine.save()
    registers = engine.batch(*_REGISTERS, wide=reg.XMM)
    found = []
    try:
        for thread in threads.all.values():
            if thread.context is not None:
                engine.restore(thread.context)
            if (engine.read_register(reg.FPCW), engine.read_register(reg.FPTAG)) != _X87:
                raise NotSavedError("a thread computes with the x87 unit")
            found.append(_save_thread(thread, list(registers.load())))
            engine.restore(here)
    finally:
        engine.restore(here)
    return {
        "all": found,
        "current": threads.current.tid,
        "runnable": [thread.tid for thread in threads.runnable],
        "last": threads.last_tid,
        "since": threads.since,
    }


def _save_thread(thread: Thread, registers: list[int]) -> dict[str, Any]:
    wait = thread.wait
    return {
        **{name: getattr(thread, name) for name in _THREAD_NUMBERS},
        "registers": registers,
        "start": None if thread.start is None else [*thread.start.items()],
        "alternate_stack": thread.alternate_stack,
        "name": thread.name.hex(),
        "wait": None if wait is None else [getattr(wait, name) for name in _WAIT_NUMBERS],
    }


def _load_threads(kernel: Kernel, engine: Engine, saved: Mapping[str, Any]) -> None:
    threads, current = kernel.threads, saved["current"]
    registers = engine.batch(*_REGISTERS, wide=reg.XMM)
    threads.all.clear()
    # The one that runs is last, so that its registers stay.
    for entry in sorted(saved["all"], key=lambda entry: entry["tid"] == current):
        thread = _load_thread(entry)
        registers.values[:] = entry["registers"]
        registers.store()
        if thread.tid != current:
            thread.context = engine.save()
        threads.all[thread.tid] = thread
    order = [entry["tid"] for entry in saved["all"]]
    threads.all = {tid: threads.all[tid] for tid in order}
    threads.current = threads.all[current]
    threads.runnable = deque(threads.all[tid] for tid in saved["runnable"])
    threads.last_tid, threads.since = saved["last"], saved["since"]


def _load_thread(saved: Mapping[str, Any]) -> Thread:
    thread = Thread(saved["tid"])
    for name in _THREAD_NUMBERS:
        setattr(thread, name, saved[name])
    low, flags, size = saved["alternate_stack"]
    thread.alternate_stack = low, flags, size
    thread.name = bytes.fromhex(saved["name"])
    thread.start = None if saved["start"] is None else dict(saved["start"])
    if saved["wait"] is not None:
        thread.wait = Wait(**dict(zip(_WAIT_NUMBERS, saved["wait"], strict=True)))
    return thread
