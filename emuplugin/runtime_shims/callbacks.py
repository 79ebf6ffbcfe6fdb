"""Go calls Python: func values and methods whose code is a stub, and calls from inside such a call.

When Go calls the stub the guest stops and the host has the goroutine's registers. Python may then
call Go again. That inner call cannot use the same goroutine, because a panic in it would run the
deferred calls of the outer functions; so the calling goroutine parks, another goroutine of the
host's takes the inner calls, and they change places again when the callback returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emuplugin.cpu import registers as reg

from .caller import Caller, HostGoroutine, PanicValue
from .goruntime import FLOAT_REGISTERS, INTEGER_REGISTERS


class CallbackFrame:
    """The registers and stack of a call from Go, by ABIInternal.

    ``value`` is the func value that was called, or the receiver of a method, and ``method`` that
    method's number (None for func values). ``ints`` (nine words) and ``floats`` (fifteen 64-bit
    patterns) hold arguments on entry and are to hold results at the end. What is in ``kept`` lives
    until Go has them: roots of the results.
    """

    def __init__(
        self, callbacks: Callbacks, value: int, entry_rsp: int, method: int | None
    ) -> None:
        self.value = value
        self.method = method
        self.kept: list[object] = []
        self.ints: list[int] = callbacks.read_ints()
        self.floats: list[int] = callbacks.read_floats()
        self._callbacks = callbacks
        self.entry_rsp = entry_rsp

    def read_stack(self, size: int) -> bytes:
        """The first ``size`` bytes of the caller's outgoing-argument area."""
        return self._callbacks.memory.read(self.entry_rsp + 8, size)

    def stage_stack(self, offset: int, data: bytes) -> None:
        """Results on the stack: written when the callback returns to Go."""
        self._callbacks.staged.append((offset, data))


class Callbacks:
    """The callback stubs. ``handler`` gets each call's frame; it fills in results, or returns what
    to panic with."""

    def __init__(
        self, caller: Caller, handler: Callable[[CallbackFrame], PanicValue | None]
    ) -> None:
        self._caller, self._runtime = caller, caller.runtime
        self.memory = caller.runtime.memory
        self._handler = handler
        self._stub = caller.runtime.stubs.callback
        self._idle: list[HostGoroutine] = []
        self.staged: list[tuple[int, bytes]] = []
        # The goroutine that is in the callback, and RSP at its entry; 0 once it has parked.
        self._here, self._rsp = 0, 0
        engine = caller.runtime.process.engine
        self._arguments = engine.batch(*INTEGER_REGISTERS, reg.RDX, reg.RSP, reg.R14, reg.RIP)
        self._ints = engine.batch(*INTEGER_REGISTERS)
        self._floats = engine.batch(wide=FLOAT_REGISTERS)
        self._control = engine.batch(reg.RSP, reg.RIP, reg.R14)
        self._top = engine.batch(reg.RSP)
        runtime = caller.runtime
        self._gopark = runtime.function("runtime.gopark")
        self._gopanic = runtime.function("runtime.gopanic")
        # The number of the method that begins at an address.
        self._methods = {entry: number for number, entry in enumerate(runtime.stubs.methods)}
        called = self._called  # one for all: there are many
        for entry in (self._stub.entry, *self._methods):
            runtime.process.trap(entry, called)
        runtime.process.trap(self._stub.back, self._returned)

    def read_ints(self) -> list[int]:
        """The integer argument registers."""
        return list(self._ints.load())

    def read_floats(self) -> list[int]:
        """The low halves of X0-X14."""
        return list(self._floats.load()[::2])

    def call_here(self, entry: int, *ints: int) -> bool:
        """Call a function of the runtime that neither blocks nor panics on the goroutine that is in
        the callback, without scheduling. False where there is none: use an ordinary call."""
        if not self._here:
            return False
        self._run_here(entry, ints)
        return True

    # --- the stubs --------------------------------------------------------------------------

    def _called(self) -> bool:
        """Go calls Python."""
        values = self._arguments.load()
        method = self._methods.get(values[12])
        caller = self._caller
        entering, staged = caller.enter_host, self.staged
        outer = (self._here, self._rsp, caller.waited, caller.active, entering, staged)
        self._here, self._rsp = values[11], values[10]
        me = self._here
        frame = CallbackFrame(self, values[9 if method is None else 0], self._rsp, method)
        self.staged = []
        caller.enter_host = self._enter_host
        panic = self._handler(frame)
        if not self._here:
            self._come_back(me)
        staged = self.staged
        rsp = self._rsp
        self._here, self._rsp, caller.waited, active, caller.enter_host, self.staged = outer
        caller.switch(active)
        # If the call that is waited for ended meanwhile, and parked: let it arrive. Should it run
        # before this goroutine is back here, it parks again.
        while active.parked and active.g == caller.waited:
            entry, stack = caller.prepare_ready(active)
            self._run(me, rsp, entry, (), stack)
            rsp = self._top.load()[0] + self._stub.frame
            caller.waited = active.g
        if panic is None:
            self._return(me, rsp, frame, staged)
        else:
            self._panic(me, rsp, panic)
        return False

    def _returned(self) -> bool:
        """A function that was called from the callback's frame is done."""
        return self._runtime.g == self._caller.waited

    def _return(
        self, g: int, rsp: int, frame: CallbackFrame, staged: Sequence[tuple[int, bytes]]
    ) -> None:
        for offset, data in staged:
            self.memory.write(rsp + 8 + offset, data)
        for index, value in enumerate(frame.ints):
            self._ints.values[index] = value
        for index, value in enumerate(frame.floats):
            self._floats.values[2 * index] = value
        self._ints.store()
        self._floats.store()
        self._continue(g, rsp + 8, self.memory.read_u64(rsp))

    def _panic(self, g: int, rsp: int, value: PanicValue) -> None:
        """Go on in ``gopanic``, called from the callback's frame."""
        area = rsp - self._stub.frame
        self.memory.write_u64(area - 8, self._stub.back)
        self._ints.values[0], self._ints.values[1] = value
        self._ints.store()
        self._continue(g, area - 8, self._gopanic)

    def _continue(self, g: int, rsp: int, rip: int) -> None:
        values = self._control.values
        values[0], values[1], values[2] = rsp, rip, g
        self._control.store()

    # --- changing places --------------------------------------------------------------------

    def _run_here(self, entry: int, ints: Sequence[int], stack: bytes = b"") -> None:
        """Call a function from the callback's frame and wait for it to return there."""
        self._run(self._here, self._rsp, entry, ints, stack)
        self._rsp = self._top.load()[0] + self._stub.frame

    def _run(
        self,
        g: int,
        rsp: int,
        entry: int,
        ints: Sequence[int],
        stack: bytes,
        until: int | None = None,
    ) -> None:
        """Call a function from a callback's frame and run until ``until`` arrives (``g`` itself
        unless told otherwise)."""
        area = rsp - self._stub.frame
        if stack:
            self.memory.write(area, stack)
        self.memory.write_u64(rsp - 8, 0)  # no saved frame pointer
        self.memory.write_u64(area - 8, self._stub.back)
        self._caller.waited = g if until is None else until
        self._runtime.start(entry, g, area - 8, ints)

    def _enter_host(self) -> None:
        """Before an inner call: park the goroutine that is in the callback, go to another one."""
        if not self._here:
            return
        me, rsp, caller, stubs = self._here, self._rsp, self._caller, self._runtime.stubs
        self._here = 0
        # gopark(unlockf, lock, ...): the other one must not run before this one has parked.
        if self._idle:
            host = self._idle.pop()
            host.parked = False
            self._run(me, rsp, self._gopark, (stubs.handoff_value, host.g), b"", host.g)
        else:
            self._run(me, rsp, self._gopark, (stubs.spawn_value, stubs.idle_value), b"", 0)
        caller.switch(caller.hosts[caller.waited])

    def _come_back(self, me: int) -> None:
        """The callback is over: park the goroutine of the inner calls, go back to the one that
        called."""
        caller = self._caller
        host = caller.active
        caller.park_for(me)
        self._idle.append(host)
        self._here, self._rsp = me, self._top.load()[0] + self._stub.frame
