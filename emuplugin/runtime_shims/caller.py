"""Calls into Go, on the goroutine that belongs to the host, and what can end them.

The goroutine sits in a stub's frame at the top of its stack. A call lays out arguments there,
enters the function, and ends when the function returns into the stub, when a panic has found
nobody to recover it, or when the goroutine ends itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from emuplugin.cpu import registers as reg
from emuplugin.elf.pclntab import PclnTable

from .goruntime import INTEGER_REGISTERS, CallResult, GoRuntime
from .patches import EntryTraps
from .stubs import CALL_SIZES, CallStub
from .traceback import TraceFrame, unwind


class PanicValue(NamedTuple):
    """An ``any`` that was panicked with: type descriptor and data word."""

    type: int
    data: int


class Panic(NamedTuple):
    """A panic of the caller goroutine that nobody recovered. ``value`` is what was panicked with;
    ``printed`` what the runtime made of it for printing (the text of an error or Stringer)."""

    value: PanicValue
    printed: PanicValue
    frames: list[TraceFrame]


class Goexit(NamedTuple):
    """The function ended its goroutine with ``runtime.Goexit``."""

    frames: list[TraceFrame]


class Caller:
    """The caller goroutine. Made before the boot, usable after it."""

    def __init__(
        self, runtime: GoRuntime, table_for: Callable[[int], PclnTable | None]
    ) -> None:
        self._runtime = runtime
        self._memory = runtime.memory
        self._engine = runtime.process.engine
        self._table_for = table_for
        self.g = 0
        self._ended: Panic | Goexit | None = None
        self._panicked: PanicValue | None = None
        self._goexit_frames: list[TraceFrame] = []
        #: Called when the runtime starts to report something fatal, once.
        self.on_fatal: Callable[[bool], None] = _ignore
        layout = runtime.layout
        self._stktopsp = layout.offset("runtime.g", "stktopsp")
        self._panic = layout.offset("runtime.g", "_panic")
        self._defer = layout.offset("runtime.g", "_defer")
        self._arg = layout.offset("runtime._panic", "arg")
        process = runtime.process
        self._space, self._words = process.space, process.physical.words
        self._kernel, self._watchdog = process.kernel, process.kernel.watchdog
        self._top = self._engine.batch(reg.RSP)
        self._in = self._engine.batch(*INTEGER_REGISTERS, reg.RDX, reg.R14, reg.RSP, reg.RBP)
        self._out = self._engine.batch(reg.RAX, reg.RIP)
        self._generation = -1
        self._base_top = self._entry_rsp = self._back = self._top_word = self._return_word = 0
        process.trap(runtime.stubs.idle, self._idle)
        for stub in runtime.stubs.calls:
            process.trap(stub.back, _end)
            process.trap(stub.ready, _end)
        traps = EntryTraps(process)
        traps.add(runtime.function("runtime.preprintpanics"), self._preprintpanics)
        traps.add(runtime.function("runtime.fatalpanic"), self._fatalpanic)
        self._traps = traps
        goexit = runtime.symbol("runtime.Goexit")
        if goexit is not None:
            traps.add(goexit, self._goexit_called)
        for name in ("runtime.throw", "runtime.fatal"):
            traps.add(runtime.function(name), self._throw)

    # --- calls ------------------------------------------------------------------------------

    def call(
        self,
        entry: int,
        context: int,
        ints: Sequence[int],
        floats: Sequence[int],
        stack: bytes | bytearray,
        stack_size: int,
    ) -> CallResult | Panic | Goexit:
        """Call Go code by ABIInternal. ``stack`` is the start of the outgoing-argument area,
        ``stack_size`` its whole size: arguments, results and spill space."""
        runtime, memory, g = self._runtime, self._memory, self.g
        stub = self._stub(stack_size)
        # The stack moves when it grows: ask where it is now.
        base = memory.read_u64(g + self._stktopsp) - 8
        if stub.room > CALL_SIZES[0]:
            runtime.start(stub.entry, g, base)
            base = self._top.load()[0]
        area = base - stub.frame
        if stack:
            memory.write(area, stack)
        memory.write_u64(base - 8, 0)  # no saved frame pointer
        memory.write_u64(area - 8, stub.back)
        if floats:
            runtime.set_floats(floats)
        runtime.start(entry, g, area - 8, ints, context)
        if self._ended is not None:
            return self._unwound()
        area = self._top.load()[0]
        results = memory.read(area, stack_size) if stack_size else b""
        return CallResult(runtime.results(), runtime.float_results(), results)

    def call_words(self, entry: int, closure: int, words: Sequence[int]) -> int | Panic | Goexit:
        """Call a function whose arguments are integers in registers, for its first integer result.

        The fast way in and out: one transfer of registers each way, one run, no allocation.
        """
        space = self._space
        if space.generation != self._generation or self._words[self._top_word] != self._base_top:
            self._find_stack()
        values = self._in.values
        values[: len(words)] = words
        values[9] = closure
        values[10] = self.g
        values[11] = self._entry_rsp
        values[12] = 0
        self._in.store()
        self._words[self._return_word] = self._back
        self._watchdog.begin()
        try:
            error = self._engine.enter(entry)
            out = self._out.load()
            if out[1] != self._back or self._engine.pending is not None:
                self._kernel.go_on(error)
                if self._ended is not None:
                    return self._unwound()
                out = self._out.load()
        finally:
            self._watchdog.end()
        result: int = out[0]
        return result

    def _find_stack(self) -> None:
        """Where the goroutine's top frame lies now, as indices of physical memory's words."""
        memory = self._memory
        top = memory.read_u64(self.g + self._stktopsp)
        stub = self._runtime.stubs.calls[0]
        self._generation = self._space.generation
        self._base_top = top
        self._entry_rsp = top - 8 - stub.frame - 8
        self._back = stub.back
        self._top_word = memory.physical(self.g + self._stktopsp, 8) >> 3
        self._return_word = memory.physical(self._entry_rsp, 8) >> 3
        memory.write_u64(top - 16, 0)  # no saved frame pointer

    def _stub(self, stack_size: int) -> CallStub:
        for stub in self._runtime.stubs.calls:
            if stack_size <= stub.room:
                return stub
        raise ValueError(f"{stack_size} bytes of stack arguments; the most is {CALL_SIZES[-1]}")

    def _unwound(self) -> Panic | Goexit:
        """The goroutine is abandoned where it ended; make it as if it had just been started."""
        ended, self._ended = self._ended, None
        assert ended is not None
        self._memory.write_u64(self.g + self._panic, 0)
        self._memory.write_u64(self.g + self._defer, 0)
        return ended

    # --- traps ------------------------------------------------------------------------------

    def _idle(self) -> bool:
        self.g = self._runtime.g
        return True

    def _preprintpanics(self) -> bool:
        """Before errors and Stringers are turned to text: the last moment that knows the type."""
        if self._runtime.g == self.g:
            self._panicked = self._argument(self._runtime.result())
        return False

    def _fatalpanic(self) -> bool:
        if self._runtime.g != self.g:
            self.on_fatal(True)
            return False
        printed = self._argument(self._runtime.result())
        rsp = self._top.load()[0]
        frames = self._frames(rsp)
        self._ended = Panic(self._panicked or printed, printed, frames)
        self._panicked = None
        counter = self._runtime.symbol("runtime.runningPanicDefers")
        if counter is not None:
            self._memory.write_u32(counter, max(self._memory.read_u32(counter) - 1, 0))
        return True

    def _goexit_called(self) -> bool:
        # Every goroutine ends in goexit1, so a trap there is dear: it is set only when needed.
        if self._runtime.g == self.g:
            self._goexit_frames = self._frames(self._top.load()[0])
            self._traps.add(self._runtime.function("runtime.goexit1"), self._goexit)
        return False

    def _goexit(self) -> bool:
        if self._runtime.g != self.g:
            return False
        self._traps.remove(self._runtime.function("runtime.goexit1"))
        self._ended = Goexit(self._goexit_frames)
        return True

    def _throw(self) -> bool:
        self.on_fatal(False)
        return False

    def _argument(self, panic: int) -> PanicValue:
        at = panic + self._arg
        return PanicValue(self._memory.read_u64(at), self._memory.read_u64(at + 8))

    def _frames(self, rsp: int) -> list[TraceFrame]:
        return_address = self._memory.read_u64(rsp)
        return list(unwind(self._memory, self._table_for, return_address, rsp + 8))


def _end() -> bool:
    return True


def _ignore(panic: bool) -> None:
    """Nobody wants to know."""
