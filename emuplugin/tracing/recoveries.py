"""Where a recovered panic lets its goroutine go on."""

from __future__ import annotations

from typing import NamedTuple

from .guest import TracedGuest


class Recovery(NamedTuple):
    """``function`` is the one that returns to its caller now, ``sp`` lies in its frame; ``panic``
    is the ``runtime._panic``, 0 where it is gone already."""

    function: str
    sp: int
    panic: int


def recovery_at(guest: TracedGuest, g: int) -> Recovery:
    """At the entry of ``recovery(gp)``. Until Go 1.21 the place is in the goroutine's signal
    fields, since then in its panic (runtime/panic.go)."""
    layout = guest.layout
    panic = guest.field(g, "runtime.g", "_panic")
    if layout.has("runtime._panic", "retpc"):
        sp = guest.field(panic, "runtime._panic", "sp")
        pc = guest.field(panic, "runtime._panic", "retpc")
    else:
        sp = guest.field(g, "runtime.g", "sigcode0")
        pc = guest.field(g, "runtime.g", "sigcode1")
    frames = guest.functions.frames(pc - 1)
    return Recovery(frames[-1].function if frames else "", sp, panic)
