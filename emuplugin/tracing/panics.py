"""Panics: where they begin, what with, and who recovers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.cpu.hooks import Hooks
from emuplugin.errors import CorruptDataError

from .events import Panicked, Recovered
from .guest import TracedGuest
from .observer import FS_BASE, RAX, RBX, RIP, RSP, Observer, named
from .recoveries import recovery_at
from .show import show_boxed

if TYPE_CHECKING:
    from .recorder import Recorder

_BOUNDS_FORMATS = "runtime.boundsErrorFmts"
_MAX_FORMATS = 16


class Panics(Observer):
    """See the module."""

    def __init__(self, recorder: Recorder, guest: TracedGuest) -> None:
        super().__init__(recorder, guest)
        self._running: dict[int, list[str]] = {}

    def install(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self.at_functions(hooks, named("runtime.gopanic"), self._panics)
        self.at_functions(hooks, named("runtime.Goexit"), self._exits)
        self.at_functions(hooks, named("runtime.recovery"), self._recovers)

    def _panics(self) -> None:
        values = self.registers.load()
        g = self.g(values[FS_BASE])
        text = panic_text(self.guest, values[RAX], values[RBX])
        self._running.setdefault(g, []).append(text)
        self._tell(values[RIP], values[RSP], g, text, goexit=False)

    def _exits(self) -> None:
        values = self.registers.load()
        self._tell(values[RIP], values[RSP], self.g(values[FS_BASE]), "", goexit=True)

    def _tell(self, rip: int, sp: int, g: int, text: str, *, goexit: bool) -> None:
        moment = self.moment(self.at_entry(self._hooks, rip), self.guest.goroutine(g))
        stack = self.stacks.take(self.guest.word(sp), sp + 8, exact=False)
        self.emit(Panicked(*moment, text, stack, goexit))

    def _recovers(self) -> None:
        values = self.registers.load()
        g = values[RAX]
        running = self._running.get(g)
        moment = self.moment(self.at_entry(self._hooks, values[RIP]), self.guest.goroutine(g))
        recovery = recovery_at(self.guest, g)
        self.emit(Recovered(*moment, running.pop() if running else "", recovery.function))


def panic_text(guest: TracedGuest, type_address: int, data: int) -> str:
    """What was panicked with, as far as that can be told without calling its methods."""
    if not type_address:
        return "nil"
    try:
        dynamic = guest.types.at(type_address)
        address = data
        if dynamic.kind == "ptr" and dynamic.elem.string in _MESSAGES:
            # An error that is nothing but its message, by pointer.
            return guest.string(data, 512)
        if dynamic.string in ("runtime.errorString", "runtime.plainError"):
            text = guest.string(address, 512)
            return f"runtime error: {text}" if dynamic.string.endswith("errorString") else text
        if dynamic.string == "runtime.boundsError":
            return _bounds_error(guest, address)
        return show_boxed(guest, type_address, data.to_bytes(8, "little"))
    except CorruptDataError:
        return "?"


#: Structs that begin with the message that their Error method returns.
_MESSAGES = frozenset(("errors.errorString", "fmt.wrapError", "fmt.wrapErrors"))


def _bounds_error(guest: TracedGuest, address: int) -> str:
    """``runtime.boundsError``: {x int64; y int; signed bool; code uint8}; the texts by code are in
    a table of the runtime, with %x and %y for the numbers."""
    raw = guest.memory.read(address, 24)
    signed = raw[16] != 0
    x = int.from_bytes(raw[:8], "little", signed=signed)
    y = int.from_bytes(raw[8:16], "little", signed=True)
    table = guest.symbol(_BOUNDS_FORMATS)
    if table is None or raw[17] >= _MAX_FORMATS:
        return f"runtime error: index {x} out of bounds {y}"
    text = guest.string(table + 16 * raw[17], 128)
    if x < 0:
        text = text.partition(" with ")[0]
    return f"runtime error: {text}".replace("%x", str(x)).replace("%y", str(y))
