"""The kernel of one emulated process: dispatch of system calls, faults, and the run loop.

It knows Linux and the processor and nothing of Go. What Go needs beyond comes in through
*traps* (places where the guest stops for the host) and ``on_tick``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from time import monotonic
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
from emuplugin.errors import (
    MemoryLimitExceeded,
    OutputLimitExceeded,
    TimeLimitExceeded,
)

from . import epoll, linux, memory, pipes, process, transfer  # noqa: F401  (the modules fill the table)
from .clock import VirtualClock, emulate_time_stamp
from .files import Files
from .open_file import Stream
from .signals import Fatal, Signals
from .table import TABLE, Errno
from .threads import AllAsleepError, Threads, WaitingError
from .watchdog import Watchdog

if TYPE_CHECKING:
    from emuplugin.sandbox import Sandbox

_PATH_MAX = 4096
# How much of standard error is remembered, for those who begin to capture it too late.
_TAIL = 2048
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
        self.brk = 0
        self.mmap_next = memory.MMAP_BASE
        self.clock = VirtualClock(sandbox.epoch)
        self.threads = Threads(self, _PID)
        self.signals = Signals(self)
        self.files = Files(self, _pseudo_files(sandbox))
        self.traps: dict[int, Callable[[], bool]] = {}
        self.on_tick: Callable[[], None] = _nothing
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.output_bytes = 0
        self.stderr_capture: bytearray | None = None
        self._stderr_tail = b""
        self._protected: list[tuple[int, int]] = []
        self._random = (
            random.Random(sandbox.seed) if sandbox.seed is not None else random.SystemRandom()
        )
        self._arguments = engine.batch(reg.RAX, reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9)
        self._result = engine.batch(reg.RAX)
        self.watchdog = Watchdog(self._wake)
        self._ticked = False
        self.limited = sandbox.limits.seconds is not None
        self._deadline: float | None = None
        self.start_clock()
        engine.on_syscall = self._syscall
        stdin, stdout, stderr = sandbox.streams()
        self.files.place(0, Stream(stdin, None))
        self.files.place(1, Stream(None, stdout))
        self._stderr = stderr
        self.files.place(2, Stream(None, self._write_stderr))

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
                if traps[engine.rip]():
                    return
                if threads.switch_to is not None:
                    threads.switch()
            elif end is Stopped.REQUEST:
                if self.signals.return_pending:
                    self.signals.finish_return()
                if threads.switch_to is not None:
                    threads.switch()
                if self._ticked:
                    self._tick()
            else:
                assert isinstance(end, Fault)
                self._fault(end)
            if threads.current.pending:
                self.signals.deliver_pending()
            error = engine.enter(engine.rip)

    def _wake(self) -> None:
        """Called by the watchdog, from its thread."""
        self._ticked = True
        self.engine.stop()

    def start_clock(self) -> None:
        """Start counting towards ``Limits.seconds``: a call, or opening a plugin, begins. A call
        from inside another one counts towards that."""
        if self.watchdog.running:
            return
        seconds = self.sandbox.limits.seconds
        self._deadline = None if seconds is None else monotonic() + seconds

    def _tick(self) -> None:
        self._ticked = False
        if self._deadline is not None and monotonic() > self._deadline:
            seconds = self.sandbox.limits.seconds or 0.0
            raise TimeLimitExceeded(
                f"the plugin ran longer than its limit of {seconds:g} s; "
                "grant more with Limits(seconds=...)",
                limit="seconds",
                allowed=seconds,
                used=seconds + monotonic() - self._deadline,
            )
        self.on_tick()
        self.threads.yield_()
        self.threads.switch()

    def close(self) -> None:
        self.watchdog.close()

    # --- faults -----------------------------------------------------------------------------

    def _fault(self, fault: Fault) -> None:
        if fault.kind is FaultKind.PAGE:
            try:
                if self.space.touch(fault.address):
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
            self.refused[f"syscall {values[0]}"] += 1
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

    def exit(self, code: int) -> None:
        """End the process."""
        raise ExitError(code)

    def report_refusal(self, name: str) -> None:
        """Record that something was asked for and not granted."""
        self.refused[name] += 1

    # --- what handlers use ------------------------------------------------------------------

    def read(self, at: int, size: int) -> bytes:
        """Guest memory; EFAULT where there is none."""
        return self.memory.read(at, size)

    def write(self, at: int, data: bytes) -> None:
        """Write guest memory that the guest itself could write; EFAULT otherwise."""
        self.check_writable(at, len(data))
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

    def protect(self, start: int, size: int) -> None:
        """Keep ``[start, start + size)`` from being unmapped or changed by the guest."""
        self._protected.append((start, start + size))

    def is_protected(self, start: int, end: int) -> bool:
        """Whether any protected range reaches into ``[start, end)``."""
        return any(low < end and start < high for low, high in self._protected)

    def count_output(self, size: int) -> None:
        """Count bytes written to the standard streams against the limit."""
        self.output_bytes += size
        limit = self.sandbox.limits.output
        if limit is not None and self.output_bytes > limit:
            raise OutputLimitExceeded(
                f"the plugin printed more than {limit} bytes; grant more with Limits(output=...)",
                limit="output",
                allowed=limit,
                used=self.output_bytes,
            )

    def capture_stderr(self, announcements: tuple[bytes, ...]) -> None:
        """From now on keep what goes to standard error in ``stderr_capture`` instead.

        The last lines that went there are taken in too, as far as they start with one of
        ``announcements``.
        """
        if self.stderr_capture is None:
            lines = self._stderr_tail.splitlines(keepends=True)
            first = len(lines)
            while first and lines[first - 1].startswith(announcements):
                first -= 1
            self.stderr_capture = bytearray(b"".join(lines[first:]))

    def _write_stderr(self, data: bytes) -> None:
        if self.stderr_capture is not None:
            self.stderr_capture += data
        else:
            self._stderr_tail = (self._stderr_tail + data)[-_TAIL:]
            self._stderr(data)


def memory_limit_exceeded(allowed: int) -> MemoryLimitExceeded:
    """The exception for a machine that wants more than ``allowed`` bytes of memory."""
    return MemoryLimitExceeded(
        f"the plugin needs more than its memory limit of {allowed >> 10} KiB; "
        "grant more with Limits(memory=...)",
        limit="memory",
        allowed=allowed,
        used=allowed,
    )


def _pseudo_files(sandbox: Sandbox) -> dict[str, bytes]:
    """The files that Go's runtime and standard library read by themselves."""
    return {
        "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size": b"0\n",
        "/proc/sys/net/core/somaxconn": b"4096\n",
        "/etc/hosts": b"127.0.0.1 localhost\n::1 localhost\n",
        "/etc/resolv.conf": b"",
        "/proc/self/cmdline": b"".join(
            a.encode(errors="surrogateescape") + b"\0" for a in sandbox.args
        ),
    }


def _nothing() -> None:
    """No shim asked to be called on ticks."""


__all__ = ["AllAsleepError", "ExitError", "Fatal", "Kernel"]
