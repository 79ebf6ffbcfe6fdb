"""Whether two programs are in the same state, down to each register, page and Python object."""

from __future__ import annotations

import ctypes
import types
from collections import deque
from functools import partial
from typing import Any

from emuplugin.cpu.physical import PAGE_SHIFT
from emuplugin.elf.file import ElfFile
from emuplugin.runtime_shims.kernel.threads import Thread
from emuplugin.runtime_shims.program import Program
from emuplugin.snapshots.captured import is_elsewhere, is_record, slots_of
from emuplugin.snapshots.memento import Memento

#: What differs between two runs of the same: how long things took, and what has been asked for.
_OF_TIME = {
    "layout",
    "_module",
    "timings",
    "seconds",
    "_deadline",
    "known_symbols",
    "pclntab",
    "plugin_path",
    "package_hashes",
    "told",
    "_last",
}
_OF_CALLS = {"_generation", "_base_top", "_top_word", "_return_word", "_back", "on_fatal",
             "on_callback", "_random", "boot_steps", "entered", "_woken",
             "_stack", "_word", "_double", "was_read", "_order"}  # fmt: skip

# In Unicorn's struct CPUX86State: flags that were not worked out yet (cc_src, cc_dst, cc_op), the
# sticky flags of floating point, and how its last exception was delivered.
_OF_ENGINE = {184, 192, 200, 208, 848, 2912, 2920, 5424, 5432}
# What lies above the XMM registers, where no instruction of the machine's processor reaches, holds
# whatever the engine's functions for vectors have left there.
_VECTORS, _VECTOR, _XMM = range(864, 864 + 16 * 64), 64, 16
# struct uc_context in front of it.
_HEAD = 48


def differences(one: Program, other: Program) -> list[str]:
    """In words; none if they are the same."""
    for program in one, other:
        _ = [module.init_trace for module in program.modules]  # of one that was saved, it is text
    found = _memory(one, other) + _registers(one, other)
    first, second = _graph(one), _graph(other)
    return found + [
        f"{name}: {first.get(name)!r} is not {second.get(name)!r}"
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    ]


def _memory(one: Program, other: Program) -> list[str]:
    found = []
    mine, theirs = one.process.physical, other.process.physical
    if mine.allocated != theirs.allocated:
        found.append(f"allocated: {mine.allocated} is not {theirs.allocated}")
    for start, pages in mine.allocated:
        if pages << PAGE_SHIFT > 1 << 26:
            pages = 1 << 14
        for page in range(start, start + pages):
            at = slice(page << PAGE_SHIFT, (page + 1) << PAGE_SHIFT)
            if mine.bytes[at] != theirs.bytes[at]:
                found.append(f"page {page:#x}")
    return found


def _registers(one: Program, other: Program) -> list[str]:
    found = []
    for name in ("rip", "traps"):
        if getattr(one.process.engine, name) != getattr(other.process.engine, name):
            found.append(name)
    if one.process.engine.stops.keep() != other.process.engine.stops.keep():
        found.append("executed")
    threads = zip(
        one.process.kernel.threads.all.values(),
        other.process.kernel.threads.all.values(),
        strict=True,
    )
    for mine, theirs in threads:
        images = [_context(one, mine), _context(other, theirs)]
        found += [
            f"thread {mine.tid}: context at {at}"
            for at in range(_HEAD, len(images[0]) & -64, 8)
            if images[0][at : at + 8] != images[1][at : at + 8]
            and at not in _OF_ENGINE
            and (at not in _VECTORS or (at - _VECTORS.start) % _VECTOR < _XMM)
        ]
    return found


def _context(program: Program, thread: Thread) -> bytes:
    context = program.process.engine.save() if thread.context is None else thread.context
    return ctypes.string_at(context.context, context.size)


def _graph(program: Program) -> dict[str, object]:
    """All attributes by the way that leads to them."""
    assert program.process.kernel.tree  # made when it is first asked for
    Memento((program,))  # nothing that cannot be captured
    found: dict[str, object] = {}
    seen: dict[int, str] = {}
    waiting: deque[tuple[str, Any]] = deque([("program", program)])
    while waiting:
        name, thing = waiting.popleft()
        kind = type(thing)
        if isinstance(thing, int | str | bytes | float | bool | type(None)):
            found[name] = thing
        elif id(thing) in seen and not isinstance(thing, tuple):
            found[name] = f"= {seen[id(thing)]}"
        elif isinstance(thing, ElfFile):
            found[name] = "file"
        else:
            seen[id(thing)] = name
            found[name] = kind.__qualname__
            waiting += [
                (f"{name}.{part}", value)
                for part, value in _parts(thing, kind)
                if part not in _OF_TIME and part not in _OF_CALLS
            ]
    return found


def _parts(thing: Any, kind: type) -> list[tuple[str, Any]]:
    if isinstance(thing, dict):
        return [(f"[{_key(key)}]", value) for key, value in thing.items()]
    if isinstance(thing, set | frozenset):
        return [("items", tuple(sorted(map(repr, thing))))]
    if isinstance(thing, list | tuple | deque | bytearray):
        return [(f"[{index}]", value) for index, value in enumerate(thing)]
    if kind is types.FunctionType:
        cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
        if not thing.__module__.startswith("emuplugin.runtime_shims"):
            return []
        return [(name, cell.cell_contents) for name, cell in cells]
    if kind is types.MethodType:
        return [("self", thing.__self__), ("function", thing.__func__.__qualname__)]
    if kind is partial:
        return [("function", thing.func), ("arguments", thing.args)]
    if is_elsewhere(kind) and not kind.__module__.startswith("emuplugin.runtime_shims.image"):
        return []
    if is_record(kind) or not kind.__dictoffset__:
        return [(name, getattr(thing, name, None)) for name in slots_of(kind)]
    return list(vars(thing).items())


def _key(key: object) -> str:
    if isinstance(key, tuple):
        return ", ".join(map(_key, key))
    return repr(key) if isinstance(key, int | str | bytes) else type(key).__qualname__
