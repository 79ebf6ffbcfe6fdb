"""Calls into Go, on goroutines that belong to the host.

Such a goroutine sits in a stub's frame at the top of its stack. A call lays out arguments there,
enters the function, and ends when the function returns into the stub, when a panic has found
nobody to recover it, or when the goroutine ends itself.

One goroutine is enough until Go calls Python and Python calls Go again: then the goroutine that
called stays where it is and another one takes the inner call (:mod:`callbacks`). Calls therefore
need not end in the order in which they began; one that ends early is parked until it is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct, pack
from typing import NamedTuple

from emuplugin.cpu import registers as reg
from emuplugin.cpu.crossing import ASTRAY, RESULTS, Crossing, Landing
from emuplugin.cpu.engine import UNKNOWN_END

from .goruntime import FLOAT_REGISTERS, INTEGER_REGISTERS, CallResult, GoRuntime
from .stubs import CALL_SIZES, CallStub
from .traceback import TraceFrame

#: How the closure and so many integers lie in the arguments of a crossing, and floats behind nine.
_WORDS = tuple(Struct(f"<{1 + count}Q") for count in range(len(INTEGER_REGISTERS) + 1))
_FLOATS_AT = 1 + len(INTEGER_REGISTERS)


class PanicValue(NamedTuple):
    """An ``any`` that was panicked with: type descriptor and data word."""

    type: int
    data: int


class Panic(NamedTuple):
    """A panic of a host goroutine that nobody recovered. ``value`` is what was panicked with;
    ``printed`` what the runtime made of it for printing (the text of an error or Stringer)."""

    value: PanicValue
    printed: PanicValue
    frames: list[TraceFrame]


class Goexit(NamedTuple):
    """The function ended its goroutine with ``runtime.Goexit``."""

    frames: list[TraceFrame]


class Returned(NamedTuple):
    """Registers of a function that returned before anybody waited for it."""

    ints: tuple[int, ...]
    floats: tuple[int, ...]


class HostGoroutine:
    """A goroutine for calls. ``ended`` is how its call ended, if that was not a plain return
    while it was waited for. ``parked``: it waits for somebody to ready it."""

    __slots__ = ("ended", "g", "parked")

    def __init__(self, g: int) -> None:
        self.g = g
        self.parked = False
        self.ended: Panic | Goexit | Returned | None = None


class Caller:
    """The goroutines of the host and the calls on them. ``active`` is the one that calls are made
    on now; ``waited`` is the g whose arrival at a stub ends the current run."""

    def __init__(self, runtime: GoRuntime) -> None:
        self.runtime = runtime
        self.hosts: dict[int, HostGoroutine] = {}
        self.active = HostGoroutine(0)
        self.waited = 0
        #: How often the guest was entered to make a call.
        self.entered = 0
        #: Called before a call, while the processor is in a callback and not on ``active``.
        self.enter_host: Callable[[], None] | None = None
        self._memory = runtime.memory
        process = runtime.process
        self._engine, self._kernel = process.engine, process.kernel
        self._space, self._words = process.space, process.physical.words
        self._watchdog = process.kernel.watchdog
        layout = runtime.layout
        self._stktopsp = layout.offset("runtime.g", "stktopsp")
        self._panic = layout.offset("runtime.g", "_panic")
        self._defer = layout.offset("runtime.g", "_defer")
        self._top = self._engine.batch(reg.RSP)
        self._in = self._engine.batch(*INTEGER_REGISTERS, reg.RDX, reg.R14, reg.RSP, reg.RBP)
        self._control = self._engine.batch(reg.RSP, reg.RIP)
        self._landing = Landing()
        self._words_call = self.crossing(0, INTEGER_REGISTERS, (reg.RAX,))
        # Calls with anything, perhaps on the stack: their frame may lie deeper.
        self._landing_below = Landing()
        ints, floats = INTEGER_REGISTERS, FLOAT_REGISTERS
        outputs = (reg.RSP, *ints, *floats)
        self._any_ints = self.crossing(0, ints, outputs, self._landing_below)
        self._any = self.crossing(0, (*ints, *reg.XMM), outputs, self._landing_below)
        self._generation = -1
        self._base_top = self._top_word = self._return_word = self._back = 0
        self._gopark = runtime.function("runtime.gopark")
        self._systemstack = runtime.function("runtime.systemstack.abi0")
        process.trap(runtime.stubs.idle, self._idle)
        for stub in runtime.stubs.calls:
            process.trap(stub.back, self._arrived)
            process.trap(stub.ready, self._arrived)

    @property
    def g(self) -> int:
        """The goroutine that calls are made on."""
        return self.active.g

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
        self.prepare()
        runtime, memory, host = self.runtime, self._memory, self.active
        landing, crossing = self._landing_below, self._any if floats else self._any_ints
        if stack_size <= CALL_SIZES[0]:
            back, rsp = self._back, self._landing.rsp
            self._words[self._return_word] = back
        else:
            stub = self._stub(stack_size)
            self.waited = host.g
            runtime.start(stub.entry, host.g, self._base_top - 8)
            base = self._top.load()[0]  # the stack moves when it grows
            back, rsp = stub.back, base - stub.frame - 8
            memory.write_u64(base - 8, 0)  # no saved frame pointer
            memory.write_u64(rsp, back)
        if stack:
            memory.write(rsp + 8, stack)
        landing.rsp, landing.g, landing.back = rsp, host.g, back
        words = crossing.arguments
        _WORDS[len(ints)].pack_into(words, 0, context, *ints)
        for index, value in enumerate(floats):
            words[_FLOATS_AT + 2 * index] = value
        crossing.start_at(entry)
        ended = self._run(crossing, host)
        if ended is not None and not isinstance(ended, Returned):
            return ended
        found = crossing.results[RESULTS:]
        registers = ended or Returned(tuple(found[1:10]), tuple(found[10::2]))
        results = memory.read(found[0], stack_size) if stack_size else b""
        return CallResult(registers.ints, registers.floats, results)

    def call_words(self, entry: int, closure: int, words: Sequence[int]) -> int | Panic | Goexit:
        """Call a function whose arguments are integers in registers; its first integer result."""
        self.prepare()
        crossing = self._words_call
        _WORDS[len(words)].pack_into(crossing.arguments, 0, closure, *words)
        crossing.start_at(entry)
        ended = self.cross(crossing)
        if ended is None:
            result: int = crossing.results[RESULTS]
            return result
        return ended.ints[0] if isinstance(ended, Returned) else ended

    def crossing(
        self,
        entry: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        landing: Landing | None = None,
    ) -> Crossing:
        """A way in and out for calls of the code at ``entry``; the closure is the first argument,
        before ``inputs``."""
        return Crossing(self._engine, landing or self._landing, entry, (reg.RDX, *inputs), outputs)

    def prepare(self) -> None:
        """To be called before the arguments of a call are put where they travel: it may run the
        guest, and with it other calls."""
        if self.enter_host is not None:
            self.enter_host()
        if (
            self._space.generation != self._generation
            or self._words[self._top_word] != self._base_top
        ):
            self._find_stack()

    def cross(self, crossing: Crossing) -> Panic | Goexit | Returned | None:
        """Make a call whose arguments are all in ``crossing``; see :meth:`prepare`. None if it has
        returned and left its results there, else how it ended before."""
        self._words[self._return_word] = self._back
        return self._run(crossing, self.active)

    def _run(self, crossing: Crossing, host: HostGoroutine) -> Panic | Goexit | Returned | None:
        self.waited = host.g
        self._watchdog.begin()
        try:
            self.entered += 1
            try:
                error = crossing.run()
            except KeyboardInterrupt as interrupt:
                self._engine.interrupted(interrupt)
                self._engine.stop_at_once()
                error = UNKNOWN_END
            if error or self._engine.pending is not None:
                self._kernel.go_on(error if error == UNKNOWN_END else error & ~ASTRAY)
                crossing.read()
                ended, host.ended = host.ended, None
                return ended
        finally:
            self._watchdog.end()
        return None

    def switch(self, host: HostGoroutine) -> None:
        """Make calls on another goroutine from now on."""
        self.active = host
        self._generation = -1

    def _find_stack(self) -> None:
        """Where the goroutine's top frame lies now, as indices of physical memory's words."""
        memory, g, landing = self._memory, self.active.g, self._landing
        top = memory.read_u64(g + self._stktopsp)
        stub = self.runtime.stubs.calls[0]
        self._generation = self._space.generation
        self._base_top = top
        landing.rsp = top - 8 - stub.frame - 8
        landing.g = g
        landing.back = self._back = stub.back
        self._top_word = memory.physical(g + self._stktopsp, 8) >> 3
        self._return_word = memory.physical(landing.rsp, 8) >> 3
        memory.write_u64(top - 16, 0)  # no saved frame pointer

    def _stub(self, stack_size: int) -> CallStub:
        for stub in self.runtime.stubs.calls:
            if stack_size <= stub.room:
                return stub
        raise ValueError(f"{stack_size} bytes of stack arguments; the most is {CALL_SIZES[-1]}")

    # --- the scheduler ----------------------------------------------------------------------

    def prepare_ready(self, host: HostGoroutine) -> tuple[int, bytes]:
        """What to call to make a parked host goroutine runnable: ``systemstack``, and its argument
        on the stack."""
        host.parked = False
        value = self.runtime.stubs.ready_value
        self._memory.write_u64(value + 8, host.g)
        return self._systemstack, pack("<Q", value)

    def park_for(self, g: int) -> None:
        """Park the active goroutine, then make goroutine ``g`` runnable, and run until ``g``
        arrives at its stub. The active one arrives at its own when it is readied."""
        active, stub = self.active, self.runtime.stubs.calls[0]
        area = self._memory.read_u64(active.g + self._stktopsp) - 8 - stub.frame
        self._memory.write_u64(area - 8, stub.back)
        active.parked = True
        self.waited = g
        handoff = self.runtime.stubs.handoff_value
        self.runtime.start(self._gopark, active.g, area - 8, (handoff, g))

    def end(self, host: HostGoroutine, ended: Panic | Goexit | Returned) -> bool:
        """A host goroutine's call has ended. True where that is what the current run waits for;
        otherwise the goroutine is parked, and the run goes on with others."""
        host.ended = ended
        abandoned = not isinstance(ended, Returned)
        if abandoned:
            # Its stack is given up where it stands: as if it had just been started.
            self._memory.write_u64(host.g + self._panic, 0)
            self._memory.write_u64(host.g + self._defer, 0)
        if host.g == self.waited:
            return True
        host.parked = True
        stub = self.runtime.stubs.calls[0]
        rsp = self._top.load()[0]
        back = self.runtime.process.engine.rip
        if abandoned:
            rsp = self._memory.read_u64(host.g + self._stktopsp) - 8 - stub.frame
            back = stub.back
        self._memory.write_u64(rsp - 8, back)
        values = self._in.values
        for index in range(9):
            values[index] = 0
        values[9], values[10], values[11], values[12] = 0, host.g, rsp - 8, 0
        self._in.store()
        self._control.values[0], self._control.values[1] = rsp - 8, self._gopark
        self._control.store()
        return False

    # --- traps ------------------------------------------------------------------------------

    def _idle(self) -> bool:
        """A new goroutine of the host's starts."""
        g = self.runtime.g
        self.hosts[g] = HostGoroutine(g)
        if not self.active.g:
            self.active = self.hosts[g]
        self.waited = g
        return True

    def _arrived(self) -> bool:
        """A host goroutine is at its stub: its call returned, or it was readied."""
        g = self.runtime.g
        if g == self.waited or g not in self.hosts:  # g0 during the boot is in no table
            return True
        host = self.hosts[g]
        registers = Returned(self.runtime.results(), self.runtime.float_results())
        # It may be here for the second time, readied before it was waited for.
        return self.end(host, host.ended or registers)
