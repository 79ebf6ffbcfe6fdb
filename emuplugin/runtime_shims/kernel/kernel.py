"""The kernel of one emulated process: dispatch of system calls, faults, and the run loop.

It knows Linux and the processor and nothing of Go. What Go needs beyond comes in through
*traps* (places where the guest stops for the host) and ``on_tick``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from ctypes import Array, c_uint64
from time import monotonic_ns
from typing import TYPE_CHECKING

from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import (
    PROT_NONE,
    PROT_WRITE,
    AddressSpace,
    NoMemoryError,
)
from emuplugin.cpu.engine import Engine, Fault, FaultKind, Stopped
from emuplugin.cpu.memory import GuestMemoryError, Memory
from emuplugin.errors import MemoryLimitExceeded

# These modules fill the table.
from . import (  # noqa: F401
    epoll,
    event_files,
    futex,
    identity,
    linux,
    memory,
    memory_locks,
    pipes,
    poll,
    process,
    refusals,
    scheduling,
    signal_calls,
    thread_calls,
    transfer,
    usage,
)
from .allowance import Allowance
from .clock import TICK, Clock, HostClock, VirtualClock, emulate_time_stamp
from .files import Files
from .fs import calls as path_calls  # noqa: F401  (fills the table)
from .fs.coherence import FileMappings
from .fs.tree import Tree
from .identity import Identity
from .net import calls, options, receiving, sending  # noqa: F401
from .net.network import NetworkStack
from .outside import Outside
from .presence import make_present
from .record import KernelReport
from .signals import Fatal, Signals
from .standard_streams import StandardStreams
from .table import TABLE, Errno
from .threads import AllAsleepError, Threads, WaitingError
from .timers import Timers
from .usage import ResourceLimits
from .watchdog import Watchdog

if TYPE_CHECKING:
    from emuplugin.sandbox import Sandbox

_PATH_MAX = 4096
_PID = 2
_FAULT_SIGNALS = {
    FaultKind.DIVIDE: (linux.SIGFPE, linux.FPE_INTDIV, 0),
    FaultKind.INVALID: (linux.SIGILL, linux.ILL_ILLOPN, 6),
    FaultKind.BREAKPOINT: (linux.SIGTRAP, linux.TRAP_BRKPT, 3),
    FaultKind.PROTECTION: (linux.SIGSEGV, linux.SI_KERNEL, 13),
}


class ExitError(Exception):
    """The process ended with ``code`` (exit_group)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Kernel:
    """A small Linux for one process. ``traps`` maps trap addresses to what happens there: the
    function returns True to end the run, False to go on (it may have changed registers)."""

    def __init__(self, engine: Engine, space: AddressSpace, sandbox: Sandbox) -> None:
        self.engine, self.space, self.sandbox = engine, space, sandbox
        self.memory = Memory(space)
        self.pid = _PID
        self.identity = Identity(_PID, _PID)
        self.resources = ResourceLimits(self)
        self.niceness = 0
        #: What prctl keeps, by the option that reads it.
        self.settings: dict[int, int] = {}
        self.brk = 0
        self.mmap_next = memory.MMAP_BASE
        self.clock: Clock = (
            HostClock() if sandbox.clock == "host" else VirtualClock(sandbox.epoch, engine.stops)
        )
        self.outside = Outside()
        self.timers = Timers(self)
        self.threads = Threads(self, _PID)
        self.signals = Signals(self)
        self.report = KernelReport()
        # The files, made when they are first asked for: most plugins never do. What the sandbox
        # brings along is looked at at once, because of what may be wrong with it.
        self._tree = Tree(self) if sandbox.mounts or sandbox.files else None
        self.mappings = FileMappings(space, self.memory)
        self.files = Files(self)
        self.traps: dict[int, Callable[[], bool]] = {}
        #: Called at the end of each time slice of the running thread.
        self.on_tick: Callable[[], None] = _nothing
        #: Called when the guest has begun to use more memory; may raise.
        self.on_growth: Callable[[], None] = _nothing
        #: Called every few milliseconds of host time in which the guest runs.
        self.on_wake: Callable[[], None] = _nothing
        #: Called while everybody sleeps for real; raises to end that.
        self.on_sleep: Callable[[], None] = _nothing
        #: Whether the guest waits for signals that only Python can send.
        self.awaits_signals: Callable[[], bool] = _no
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.network = NetworkStack(self)
        self._protected: list[tuple[int, int]] = []
        self._random = (
            random.Random(sandbox.seed) if sandbox.seed is not None else random.SystemRandom()
        )
        self._arguments = engine.batch(reg.RAX, reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9)
        self._result = engine.batch(reg.RAX)
        self.watchdog = Watchdog(self._wake)
        self._woken = False
        self.allowance = Allowance(sandbox.limits, engine.stops)
        engine.on_syscall = self._syscall
        self.standard = StandardStreams(sandbox)
        for stream in self.standard.all:
            self.files.place(stream.number, stream)

    # --- running ----------------------------------------------------------------------------

    def run(self, rip: int) -> None:
        """Run the current thread from ``rip`` until a trap says that it is done."""
        with self.watchdog:
            self.go_on(self.engine.enter(rip))

    def go_on(self, error: int) -> None:
        """Go on after a run of the engine that returned ``error``, until a trap ends it."""
        engine, threads, traps = self.engine, self.threads, self.traps
        while True:
            end = engine.end_of(error)
            if end is Stopped.TRAP:
                at = engine.rip
                if traps[at]():
                    return
                if threads.switch_to is not None:
                    threads.switch()
                elif engine.rip == at:
                    # Nobody waits for it: the guest has jumped there, and it is a HLT.
                    self._fault(Fault(FaultKind.PROTECTION, at, 0))
            elif end is Stopped.REQUEST:
                if self.signals.return_pending:
                    self.signals.finish_return()
                if threads.switch_to is not None:
                    threads.switch()
                if self._woken:
                    self._woken = False
                    self.allowance.check_seconds()
                    self.on_wake()
                if engine.stops.take_expired():
                    self._end_slice()
            else:
                assert isinstance(end, Fault)
                self._fault(end)
            if self.signals.posted:
                self.signals.take_posted()
            thread = threads.current
            if thread.pending or thread.interrupted or self.signals.shared:
                self.signals.deliver_pending()
            error = engine.enter(engine.rip)

    def attach(self) -> None:
        """Be the one whom the engine, the watchdog and the outside call: for a kernel that is a
        copy of another one."""
        self.engine.on_syscall = self._syscall
        self.watchdog.call(self._wake)
        self.network.attach()
        if self.clock.in_guest:
            self.engine.stops.tell_time(TICK)

    def _wake(self) -> None:
        """Called by the watchdog, from its thread."""
        self._woken = True
        self.engine.stops.lapse()
        self.engine.stop()

    @property
    def tree(self) -> Tree:
        """The files."""
        if self._tree is None:
            self._tree = Tree(self)
        return self._tree

    def start_clock(self) -> None:
        """A call, or opening a plugin, begins to use up what it may. A call from inside another one
        has a share in that one's."""
        if not self.watchdog.running:
            self.allowance.begin()

    @property
    def instructions(self) -> int:
        """How many instructions the guest has executed since the machine was made."""
        return self.engine.stops.executed

    def _end_slice(self) -> None:
        """The running thread has used up its time slice, unless it was only time for a sample."""
        if self.allowance.take_sample():
            return
        self.allowance.check_instructions()
        self.allowance.begin_slice()
        self.engine.adapt()
        self.timers.check()
        self.on_tick()
        self.threads.yield_()
        self.threads.switch()

    def sleep(self, seconds: float | None) -> None:
        """Sleep for real, while every thread of the guest sleeps: until something happens outside,
        or for ``seconds``. Also returns earlier."""
        self.on_sleep()
        left = self.allowance.seconds_left()
        if left is not None:
            seconds = left if seconds is None else min(seconds, left)
        start = monotonic_ns()
        self.outside.wait(seconds)
        self.clock.slept(monotonic_ns() - start)
        self.allowance.check_seconds()
        self.on_sleep()
        if self.signals.posted:
            self.signals.take_posted()

    def close(self) -> None:
        self.watchdog.close()
        if self._tree is not None:
            self._tree.close()
        self.network.close()
        self.outside.close()

    # --- faults -----------------------------------------------------------------------------

    def _fault(self, fault: Fault) -> None:
        if fault.kind is FaultKind.PAGE:
            try:
                if self.space.touch(fault.address):
                    self.on_growth()
                    return
            except NoMemoryError:
                raise memory_limit_exceeded(self.sandbox.limits.memory) from None
            area = self.space.find(fault.address)
            code = linux.SEGV_MAPERR if area is None else linux.SEGV_ACCERR
            self.signals.fault(linux.SIGSEGV, code, fault.address, 14)
            return
        if fault.kind is FaultKind.PROTECTION and emulate_time_stamp(self, fault.rip):
            return
        number, code, trap = _FAULT_SIGNALS[fault.kind]
        address = fault.rip if fault.kind is not FaultKind.PROTECTION else 0
        self.signals.fault(number, code, address, trap)

    # --- system calls -----------------------------------------------------------------------

    def _syscall(self) -> None:
        values = self._arguments.load()
        entry = TABLE.get(values[0])
        if entry is None:
            self.report_refusal(f"syscall {values[0]}")
            result = -linux.ENOSYS
        else:
            self.calls[entry.name] += 1
            try:
                result = entry.handler(self, *values[1 : 1 + entry.arguments])
            except Errno as error:
                result = -error.number
            except GuestMemoryError:
                result = -linux.EFAULT
            except WaitingError:
                return
        self._result.values[0] = result & 0xFFFFFFFFFFFFFFFF
        self._result.store()

    @property
    def result(self) -> Array[c_uint64]:
        """The place where a system call leaves its result, as an array of one word."""
        return self._result.values

    def exit(self, code: int) -> None:
        """End the process."""
        raise ExitError(code)

    def report_refusal(self, name: str) -> None:
        """Record that something was asked for and not granted."""
        self.refused[name] += 1
        self.report.refused(name)

    # --- what handlers use ------------------------------------------------------------------

    def read(self, at: int, size: int) -> bytes:
        """Guest memory; EFAULT where there is none."""
        return self.memory.read(at, size)

    def write(self, at: int, data: bytes) -> None:
        """Write guest memory that the guest itself could write; EFAULT otherwise."""
        self.check_writable(at, len(data))
        try:
            make_present(self.space, at, len(data))
        except NoMemoryError:
            raise memory_limit_exceeded(self.sandbox.limits.memory) from None
        self.memory.write(at, data)

    def check_writable(self, at: int, size: int) -> None:
        """EFAULT unless the guest may write all of ``[at, at + size)``."""
        here, end = at, at + size
        while here < end:
            area = self.space.find(here)
            if area is None or area.prot == PROT_NONE or not area.prot & PROT_WRITE:
                raise Errno(linux.EFAULT)
            here = area.end

    def read_i64(self, at: int) -> int:
        return self.memory.read_i64(at)

    def read_u64(self, at: int) -> int:
        return self.memory.read_u64(at)

    def read_u32(self, at: int) -> int:
        return self.memory.read_u32(at)

    def write_u64(self, at: int, value: int) -> None:
        self.write(at, (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little"))

    def write_u32(self, at: int, value: int) -> None:
        self.write(at, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def read_path(self, at: int) -> str:
        """A NUL-terminated path. Bytes that are not UTF-8 survive as surrogates."""
        name = self.memory.read_string(at, _PATH_MAX)
        if len(name) >= _PATH_MAX:
            raise Errno(linux.ENAMETOOLONG)
        return name.decode(errors="surrogateescape")

    def random(self, size: int) -> bytes:
        """Random bytes: from the sandbox's seed, or the host's where there is none."""
        return self._random.randbytes(size)

    @property
    def random_state(self) -> list[int]:
        """Of the generator that a seed was given to: see :mod:`random`."""
        return (
            [] if isinstance(self._random, random.SystemRandom) else [*self._random.getstate()[1]]
        )

    @random_state.setter
    def random_state(self, state: list[int]) -> None:
        self._random.setstate((random.Random.VERSION, tuple(state), None))

    def protect(self, start: int, size: int) -> None:
        """Keep ``[start, start + size)`` from being unmapped or changed by the guest."""
        self._protected.append((start, start + size))

    def is_protected(self, start: int, end: int) -> bool:
        """Whether any protected range reaches into ``[start, end)``."""
        return any(low < end and start < high for low, high in self._protected)


def memory_limit_exceeded(allowed: int) -> MemoryLimitExceeded:
    """The exception for a machine that wants more than ``allowed`` bytes of memory."""
    return MemoryLimitExceeded(
        f"the plugin needs more than its memory limit of {allowed >> 10} KiB; "
        "grant more with Limits(memory=...)",
        limit="memory",
        allowed=allowed,
        used=allowed,
    )


def _nothing() -> None:
    """No shim asked to be called."""


def _no() -> bool:
    return False


__all__ = ["AllAsleepError", "ExitError", "Fatal", "Kernel"]
