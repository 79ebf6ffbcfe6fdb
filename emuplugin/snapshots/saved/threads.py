"""Threads: their registers, and what they wait for."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from emuplugin.cpu import registers as reg
from emuplugin.cpu.engine import Engine
from emuplugin.runtime_shims.kernel.epoll import Collecting
from emuplugin.runtime_shims.kernel.kernel import Kernel
from emuplugin.runtime_shims.kernel.threads import Pending, Thread, Wait

from .objects import Keeper, Maker
from .reasons import NotSavedError

#: The x87 unit's control and tag words as the engine begins with them: nobody has used it.
_X87 = (0, 0x5555)
_NUMBERS = (
    "tid", "result", "signal_mask", "saved_mask", "interrupted", "restart", "clear_child_tid",
    "robust_list", "policy", "affinity", "cpu",
)  # fmt: skip
_WAIT_NUMBERS = ("deadline", "timeout", "futex", "bitset", "signals", "call")
_REGISTERS = (*reg.GENERAL, reg.FS_BASE, reg.GS_BASE, reg.MXCSR)


def save_threads(kernel: Kernel, engine: Engine, keeper: Keeper) -> dict[str, Any]:
    """All threads of the process. Raises NotSavedError."""
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
            found.append(_save_thread(thread, list(registers.load()), keeper))
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


def _save_thread(thread: Thread, registers: list[int], keeper: Keeper) -> dict[str, Any]:
    return {
        **{name: getattr(thread, name) for name in _NUMBERS},
        "registers": registers,
        "start": None if thread.start is None else [*thread.start.items()],
        "alternate_stack": thread.alternate_stack,
        "name": thread.name.hex(),
        "wait": None if thread.wait is None else _save_wait(thread.wait, keeper),
        "pending": save_pending(thread.pending),
    }


def _save_wait(wait: Wait, keeper: Keeper) -> list[Any]:
    ready = None
    if isinstance(wait.ready, Collecting):
        ready = keeper.reference(wait.ready)
    elif wait.ready is not None:
        raise NotSavedError("a thread waits for more than time, a futex or epoll")
    if wait.interrupted is not None:
        raise NotSavedError("a thread waits for something that a signal ends")
    return [ready, *(getattr(wait, name) for name in _WAIT_NUMBERS)]


def save_pending(pending: deque[Pending]) -> list[tuple[int, str]]:
    """Signals that wait to be delivered."""
    return [(number, info.hex()) for number, info in pending]


def load_pending(saved: list[Any]) -> deque[Pending]:
    """The same again."""
    return deque(Pending(number, bytes.fromhex(info)) for number, info in saved)


def load_threads(kernel: Kernel, engine: Engine, saved: Mapping[str, Any], maker: Maker) -> None:
    """Let the threads be these."""
    threads, current = kernel.threads, saved["current"]
    registers = engine.batch(*_REGISTERS, wide=reg.XMM)
    threads.all.clear()
    # The one that runs is last, so that its registers stay.
    for entry in sorted(saved["all"], key=lambda entry: entry["tid"] == current):
        thread = _load_thread(entry, maker)
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


def _load_thread(saved: Mapping[str, Any], maker: Maker) -> Thread:
    thread = Thread(saved["tid"])
    for name in _NUMBERS:
        setattr(thread, name, saved[name])
    low, flags, size = saved["alternate_stack"]
    thread.alternate_stack = low, flags, size
    thread.name = bytes.fromhex(saved["name"])
    thread.start = None if saved["start"] is None else dict(saved["start"])
    thread.pending = load_pending(saved["pending"])
    if saved["wait"] is not None:
        thread.wait = _load_wait(saved["wait"], maker)
    return thread


def _load_wait(saved: list[Any], maker: Maker) -> Wait:
    ready, *numbers = saved
    wait = Wait(**dict(zip(_WAIT_NUMBERS, numbers, strict=True)))
    if ready is not None:
        collecting = maker.referent(ready)
        if not isinstance(collecting, Collecting):
            raise ValueError("a thread that waits for what is no epoll")
        wait.ready = collecting
    return wait
