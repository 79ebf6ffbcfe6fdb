"""How calls end other than by returning: panics, Goexit, and the runtime giving up.

Traps sit at the entries of the runtime functions that these go through.
"""

from __future__ import annotations

from collections.abc import Callable

from emuplugin.cpu import registers as reg
from emuplugin.elf.pclntab import PclnTable

from .caller import Caller, Goexit, Panic, PanicValue
from .patches import EntryTraps, KnownTraps
from .traceback import TraceFrame, unwind


class Endings:
    """The traps. ``on_fatal`` is called when the runtime starts to report something fatal: with
    True for a panic in a goroutine that is not the host's, False for a fatal error."""

    def __init__(
        self,
        caller: Caller,
        table_for: Callable[[int], PclnTable | None],
        on_fatal: Callable[[bool], None],
        traps: KnownTraps | None = None,
    ) -> None:
        """``traps`` are those that are in memory already, of an earlier program's."""
        self._caller = caller
        self._runtime = runtime = caller.runtime
        self._memory = runtime.memory
        self._table_for = table_for
        self._on_fatal = on_fatal
        self._panicked: dict[int, PanicValue] = {}
        self._exiting: dict[int, list[TraceFrame]] = {}
        self._arg = runtime.layout.offset("runtime._panic", "arg")
        self._top = runtime.process.engine.batch(reg.RSP)
        self._counter = runtime.symbol("runtime.runningPanicDefers")
        self._goexit1: list[int] = []
        self.traps = EntryTraps(runtime.process, known=traps)
        self.watch(runtime.symbol, there=traps is not None)

    @property
    def is_quiet(self) -> bool:
        """Whether no call is about to end in an unusual way."""
        return not self._panicked and not self._exiting

    def watch(self, symbol: Callable[[str], int | None], *, there: bool = False) -> None:
        """Set the traps in one module: its code calls the runtime functions of its own. ``there``:
        memory has them already."""
        actions = {}
        for name, action in (
            ("runtime.preprintpanics", self._preprintpanics),
            ("runtime.fatalpanic", self._fatalpanic),
            ("runtime.Goexit", self._goexit_called),
            ("runtime.throw", self._throw),
            ("runtime.fatal", self._throw),
            ("runtime.fatalsignal", self._throw),
        ):
            entry = symbol(name)
            if entry is not None:
                actions[entry] = action
        self.traps.add(actions, there=there)
        goexit1 = symbol("runtime.goexit1")
        if goexit1 is not None:
            self._goexit1.append(goexit1)

    def _preprintpanics(self) -> bool:
        """Before errors and Stringers are turned to text: the last moment that knows the type."""
        g = self._runtime.g
        if g in self._caller.hosts:
            self._panicked[g] = self._argument(self._runtime.result())
        return False

    def _fatalpanic(self) -> bool:
        g = self._runtime.g
        host = self._caller.hosts.get(g)
        if host is None:
            self._on_fatal(True)
            return False
        printed = self._argument(self._runtime.result())
        frames = self._frames(self._top.load()[0])
        if self._counter is not None:
            running = self._memory.read_u32(self._counter)
            self._memory.write_u32(self._counter, max(running - 1, 0))
        return self._caller.end(host, Panic(self._panicked.pop(g, printed), printed, frames))

    def _goexit_called(self) -> bool:
        # Every goroutine ends in goexit1, so a trap there is dear: it is set only when needed.
        g = self._runtime.g
        if g in self._caller.hosts:
            if not self._exiting:
                self.traps.add(dict.fromkeys(self._goexit1, self._goexit))
            self._exiting[g] = self._frames(self._top.load()[0])
        return False

    def _goexit(self) -> bool:
        g = self._runtime.g
        frames = self._exiting.pop(g, None)
        if frames is None:
            return False
        if not self._exiting:
            self.traps.remove(self._goexit1)
        return self._caller.end(self._caller.hosts[g], Goexit(frames))

    def _throw(self) -> bool:
        self._on_fatal(False)
        return False

    def _argument(self, panic: int) -> PanicValue:
        at = panic + self._arg
        return PanicValue(self._memory.read_u64(at), self._memory.read_u64(at + 8))

    def _frames(self, rsp: int) -> list[TraceFrame]:
        return_address = self._memory.read_u64(rsp)
        return list(unwind(self._memory, self._table_for, return_address, rsp + 8))
