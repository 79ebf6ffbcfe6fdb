"""Tracebacks in the form in which the Go runtime prints them, made from outside.

Unwinding needs only the function table: on amd64 a function's frame size at a pc tells where its
caller's pc lies. (``runtime/traceback.go``)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from emuplugin.cpu.memory import GuestMemoryError, Memory
from emuplugin.elf.pclntab import Frame, PclnTable

_MAX_FRAMES = 100  # runtime/traceback.go: tracebackInnerFrames + tracebackOuterFrames
# After these the pc is where a fault happened, not a return address.
_FAULTS = frozenset(("runtime.sigpanic", "runtime.sigpanic0", "runtime.asyncPreempt"))


class TraceFrame(NamedTuple):
    """One call: function, file, line, and how far behind the function's entry the pc is."""

    function: str
    file: str
    line: int
    offset: int
    inlined: bool


def unwind(
    memory: Memory, table_for: Callable[[int], PclnTable | None], pc: int, sp: int
) -> Iterator[TraceFrame]:
    """The calls from ``pc`` up, where ``sp`` is RSP in that function's frame.

    Goes through the loader's stubs, and ends at ``goexit`` or where the pc is in no known module.
    """
    exact = True
    for _ in range(_MAX_FRAMES * 2):
        table = table_for(pc)
        function = None if table is None else table.find(pc)
        if table is None or function is None or function.name == "runtime.goexit":
            return
        frames: tuple[Frame, ...] = ()
        if not function.name.startswith("emuplugin."):  # the loader's stubs have no source
            frames = table.frames(pc if exact else pc - 1)
        for index, frame in enumerate(frames):
            inlined = index < len(frames) - 1
            offset = pc - function.entry
            yield TraceFrame(frame.function, frame.file, frame.line, offset, inlined)
        exact = function.name in _FAULTS
        try:
            sp += function.pcsp(pc)
            pc = memory.read_u64(sp)
        except GuestMemoryError:
            return
        sp += 8


def is_shown(function: str, first: bool) -> bool:
    """Whether Go shows a frame by default (``runtime/traceback.go: showfuncinfo``)."""
    if not function.startswith("runtime."):
        return "." in function
    name = function.removeprefix("runtime.")
    if name == "gopanic":
        return not first
    # Exported functions and methods of exported types.
    head = name.lstrip("(*")
    return bool(head) and head[0].isupper()


def render(goroutine: int, frames: list[TraceFrame]) -> str:
    """The traceback of one goroutine as text."""
    lines = [f"goroutine {goroutine} [running]:"]
    shown = 0
    for frame in frames:
        if not is_shown(frame.function, first=not shown):
            continue
        shown += 1
        name = "panic" if frame.function == "runtime.gopanic" else frame.function
        lines.append(f"{name}(...)")
        lines.append(
            f"\t{frame.file}:{frame.line}" + ("" if frame.inlined else f" +{frame.offset:#x}")
        )
        if shown == _MAX_FRAMES:
            lines.append("...additional frames elided...")
            break
    return "\n".join(lines)
