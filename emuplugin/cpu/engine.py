"""The Unicorn engine as an x86-64 processor in ring 3, with paging and exact stops.

How a run ends is not reported by events but by where the guest stands:

* at a *trap*, a ``hlt`` in a page of ours: the guest has come to a place that the host waits for;
* at a fault: the engine leaves RIP at the instruction, and CR2 tells a page fault from the rest;
* anywhere, between two blocks of instructions, when :attr:`Engine.stops` says so.

System calls do not end a run; they are answered in a callback.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, NamedTuple

import unicorn
import unicorn.unicorn_py3.arch.intel  # the first Uc() would do it, while somebody waits
from unicorn import x86_const
from unicorn.unicorn_py3.unicorn import uclib

from . import registers as reg
from .address_space import AddressSpace
from .cpuid import cpuid
from .engine_internals import stop_only_between_instructions, translations_far_away
from .engine_probe import internals_of
from .faults import Fault, FaultKind, classify
from .host_pages import small_pages
from .port_io import ForbiddenInstruction, forbid
from .registers import ENTER, Batch
from .stops import Stops, stops
from .user_mode import enter_user_mode

#: CR2 holds this between runs, so that any other value means a page fault there.
_NO_FAULT = 0x5EED_0000_0000_5EED
_INSN_SYSCALL = x86_const.UC_X86_INS_SYSCALL
_INSN_CPUID = x86_const.UC_X86_INS_CPUID
# uc_ctl's control word: the request, and UC_CTL_IO_WRITE in the two top bits; no arguments.
_CTL_TLB_FLUSH = ctypes.c_int(unicorn.UC_CTL_TLB_FLUSH | unicorn.UC_CTL_IO_WRITE << 30)

# By the type of the result. To make such a type takes longer than to make a hook.
_CALLBACKS = {
    result: ctypes.CFUNCTYPE(result, ctypes.c_void_p)
    for result in (None, ctypes.c_int, ctypes.c_uint32)
}

# Who looks for memory far from something takes for a moment what is near, and others look there.
_PLACING = threading.Lock()
# Bytes for translated code. Unicorn throws all of it away when it is full.
_TRANSLATIONS = 1 << 28
# More instructions than run in a lifetime.
_UNLIMITED = 1 << 62
#: What :meth:`Engine.enter` returns when Ctrl-C kept it from hearing what the engine said.
UNKNOWN_END = -1


class Stopped(Enum):
    """Ends of a run that are not faults."""

    TRAP = "trap"
    REQUEST = "request"


class KeptProcessor(NamedTuple):
    """A processor at some moment."""

    context: unicorn.unicorn_py3.unicorn.UcContext
    executed: tuple[int, int, int]
    traps: frozenset[int]


class Engine:
    """One processor over one address space.

    ``on_syscall`` is called for each ``syscall`` instruction, with the guest's registers as they
    are; exceptions that it raises end the run and are raised by :meth:`run`.
    ``on_interrupt`` is told of Ctrl-C that comes in the middle of a run, which then goes on; where
    there is none the run ends.
    ``system_page`` is a virtual address where the engine may put one page of its own. With
    ``accelerators`` the host runs loops that it knows (:mod:`accelerators`), while nobody observes.
    """

    def __init__(self, space: AddressSpace, system_page: int, *, accelerators: bool = True) -> None:
        self.space = space
        self._accelerators = accelerators
        self._observers: set[object] = set()
        self._uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self._uc.ctl_set_cpu_model(x86_const.UC_CPU_X86_WESTMERE)
        self._uc.ctl_set_tcg_buffer_size(_TRANSLATIONS)
        # The engine asks for large pages for its translations; many machines hardly fill the first.
        with _PLACING, translations_far_away(_TRANSLATIONS), small_pages():
            self._uc.mem_map_ptr(
                0, space.physical.span, unicorn.UC_PROT_ALL, space.physical.pointer
            )
        self.handle: ctypes.c_void_p = self._uc._uch
        self.closed = False
        internals = internals_of(self._uc)
        stop_only_between_instructions(self._uc, internals)
        self.on_syscall: Callable[[], None] = _no_kernel
        self.on_interrupt: Callable[[KeyboardInterrupt], None] | None = None
        self.traps: set[int] = set()
        self.pending: BaseException | None = None
        self._rip = Batch(self.handle, (reg.RIP,))
        self._cr2 = Batch(self.handle, (reg.CR2,))
        self._cr2.values[0] = _NO_FAULT
        self._begin = ctypes.c_uint64(0)
        self._zero = ctypes.c_uint64(0)
        self._no_count = ctypes.c_size_t(0)
        self._callbacks: list[Any] = []
        self._cpuid_registers = Batch(self.handle, (reg.RAX, reg.RBX, reg.RCX, reg.RDX))
        space.flush_tlb = self._flush_tlb
        space.flush_code = self._flush_code
        self._cr2.store()
        # An address where no instruction of the guest is ever executed.
        self._forbidden = enter_user_mode(self._uc, space, system_page)
        self._forget_page_fault()
        self.adapt()
        #: How runs are stopped, and how many instructions have run.
        with _PLACING:
            self.stops: Stops = stops(self._uc, _TRANSLATIONS, internals)
        self.stops.arm(_UNLIMITED)
        self._accelerate()
        system_calls = self._system_calls()
        next(system_calls)
        self._hook_instruction(_INSN_SYSCALL, system_calls.send, None)
        self._hook_instruction(_INSN_CPUID, self._cpuid, ctypes.c_int)
        forbid(self.batch(reg.RIP), self._hook_instruction, self.end_with)

    # --- running ----------------------------------------------------------------------------

    def run(self, rip: int) -> Stopped | Fault:
        """Run from ``rip`` until something ends it; :attr:`rip` then tells where."""
        return self.end_of(self.enter(rip))

    def enter(self, rip: int) -> int:
        """Run from ``rip`` and return what the engine says of the end; see :meth:`end_of`."""
        self._begin.value = rip
        try:
            error: int = ENTER(self.handle, self._begin, self._zero, self._zero, self._no_count)
        except KeyboardInterrupt as interrupt:
            # It has come while the engine ran, which has ended since: Python looks only now.
            self.interrupted(interrupt)
            self.stops.request_at_once()
            return UNKNOWN_END
        return error

    def end_of(self, error: int) -> Stopped | Fault:
        """Why the run ended that :meth:`enter` returned ``error`` for. Raises what a system call
        raised."""
        if self.pending is not None:
            pending, self.pending = self.pending, None
            self.stops.withdraw()
            if isinstance(pending, ForbiddenInstruction):
                self._forget_page_fault()
                self.write_register(reg.RIP, pending.rip)
                return Fault(FaultKind.PROTECTION, pending.rip, 0)
            raise pending
        at = self._rip.load()[0]
        page_fault = self._cr2.load()[0] != _NO_FAULT
        if at in self.traps:
            self.stops.trapped()
            if page_fault:  # the trap's own page was not present yet, but here we are
                self._forget_page_fault()
            return Stopped.TRAP
        if not page_fault and (self.stops.take() or error == UNKNOWN_END):
            # Perhaps another fault than a page fault was there as well: it will come again.
            return Stopped.REQUEST
        return self._fault(error, at)

    def stop(self) -> None:
        """Make the run that is on, or the next, end soon. Any thread may call it."""
        self.stops.request()

    def stop_at_once(self) -> None:
        """Make the run end before its next block of instructions, or the next run before its
        first. For callbacks from the run, and between runs."""
        self.stops.request_at_once()

    @property
    def rip(self) -> int:
        """The instruction pointer; between runs exact."""
        value: int = self._rip.load()[0]
        return value

    def read_register(self, register: int) -> int:
        value: int = self._uc.reg_read(register)
        return value

    def write_register(self, register: int, value: int) -> None:
        self._uc.reg_write(register, value)

    def batch(self, *registers: int, wide: tuple[int, ...] = ()) -> Batch:
        """Registers to be moved together."""
        return Batch(self.handle, registers, wide)

    def save(self) -> unicorn.unicorn_py3.unicorn.UcContext:
        """All registers, as an opaque object for :meth:`restore`."""
        return self._uc.context_save()

    def restore(self, context: unicorn.unicorn_py3.unicorn.UcContext) -> None:
        self._uc.context_restore(context)

    def keep(self) -> KeptProcessor:
        """The registers and what was executed, for :meth:`show`. Between runs only."""
        return KeptProcessor(self.save(), self.stops.keep(), frozenset(self.traps))

    def show(self, kept: KeptProcessor) -> None:
        """Be in the state that was kept, of this engine or of one like it. Between runs only."""
        self.restore(kept.context)
        self.stops.show(kept.executed)
        self.traps.clear()
        self.traps.update(kept.traps)
        self.pending = None
        self._forget_page_fault()

    def adapt(self) -> None:
        """Let the engine choose the size of its software TLB anew, which it does when it flushes
        it: it starts with a megabyte's pages, and grows while it is found full."""
        uclib.uc_ctl(self.handle, _CTL_TLB_FLUSH)

    def _flush_tlb(self) -> None:
        self.adapt()
        self.stops.forget()

    def _flush_code(self) -> None:
        self._uc.ctl_flush_tb()
        self.stops.flushed()

    def observe(self, observer: object, *, on: bool) -> None:
        """An observer begins or ends; translations must be thrown away then. While there is one,
        it is the engine that runs everything."""
        (self._observers.add if on else self._observers.discard)(observer)
        self._accelerate()

    def _accelerate(self) -> None:
        on = self._accelerators and not self._observers
        space = self.space
        self.stops.accelerate(space.physical.pointer if on else 0, space.tables.root)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within this, code of the host's own runs: afterwards the processor, what is counted and
        what is limited are as if nothing had run. Only between runs."""
        kept = self.keep()
        self.stops.arm(_UNLIMITED)
        try:
            yield
        finally:
            self.show(kept)
            self.stops.request()  # if one was requested, it is lost otherwise

    def settle(self) -> None:
        """Make the engine forget hooks that were removed. It does so at the end of a run; this one
        executes nothing, for it begins where the guest may not execute. Only between runs."""
        with self.aside():
            self._begin.value = self._forbidden
            ENTER(self.handle, self._begin, self._zero, self._zero, self._no_count)

    def close(self) -> None:
        """Free the engine and its translations. The engine cannot be used afterwards."""
        self.closed = True
        self.space.flush_tlb = self.space.flush_code = _closed
        self._callbacks.clear()
        # The bindings free the C object when the last reference to theirs goes.
        del self._uc
        self.stops.close()

    # --- callbacks from the engine ----------------------------------------------------------

    def _hook_instruction(
        self, instruction: int, callback: Callable[..., Any], result: Any
    ) -> None:
        # The second argument, user data, goes unused.
        function = _CALLBACKS[result](callback)
        self._callbacks.append(function)
        hook = ctypes.c_size_t()
        error = uclib.uc_hook_add(
            self.handle,
            ctypes.byref(hook),
            ctypes.c_int(unicorn.UC_HOOK_INSN),
            ctypes.cast(function, ctypes.c_void_p),
            ctypes.c_void_p(0),
            ctypes.c_uint64(1),  # begin > end: everywhere
            ctypes.c_uint64(0),
            ctypes.c_int(instruction),
        )
        if error:
            raise unicorn.UcError(error)

    def _system_calls(self) -> Generator[None, int, None]:
        """The hook of the syscall instruction.

        A generator, because Python raises KeyboardInterrupt first thing in a function, where
        nothing catches it: ctypes would drop it, and the guest go on without an answer. It is also
        raised at the end of a loop; two within that short time would still get through.
        """
        while True:
            try:
                while True:
                    try:
                        yield
                    except KeyboardInterrupt as interrupt:
                        self.interrupted(interrupt)
                    # An exception cannot travel through the engine's C frames: it is kept until
                    # the run has ended.
                    try:
                        self.on_syscall()
                    except BaseException as exception:
                        self.end_with(exception)
            except KeyboardInterrupt as interrupt:
                self.interrupted(interrupt)

    def interrupted(self, interrupt: KeyboardInterrupt) -> None:
        """Ctrl-C has come in a callback of the engine."""
        if self.on_interrupt is None:
            self.end_with(interrupt)
        else:
            self.on_interrupt(interrupt)

    def end_with(self, exception: BaseException) -> None:
        """End the run that is on; :meth:`run` then raises ``exception``. For callbacks."""
        self.pending = exception
        self.stops.request_at_once()

    def _cpuid(self, _uc: int) -> int:
        values = self._cpuid_registers.load()
        values[0], values[1], values[2], values[3] = cpuid(
            values[0] & 0xFFFFFFFF, values[2] & 0xFFFFFFFF
        )
        self._cpuid_registers.store()
        return 1  # the instruction is done

    # --- faults -----------------------------------------------------------------------------

    def _fault(self, error: int, rip: int) -> Fault:
        cr2 = self._cr2.load()[0]
        if cr2 != _NO_FAULT:
            self._forget_page_fault()
            return Fault(FaultKind.PAGE, rip, cr2)
        return Fault(classify(error, rip, self._code_at), rip, 0)

    def _forget_page_fault(self) -> None:
        self._cr2.values[0] = _NO_FAULT
        self._cr2.store()

    def _code_at(self, address: int, size: int) -> bytes:
        area = self.space.find(address)
        if area is None or area.physical is None:
            return b""
        at = area.physical + address - area.start
        end = min(at + size, area.physical + area.end - area.start)
        return bytes(self.space.physical.bytes[at:end])


def _no_kernel() -> None:
    raise RuntimeError("a system call before a kernel was attached")


def _closed() -> None:
    """The engine is gone: nothing is cached any more."""


__all__ = ["Engine", "Fault", "FaultKind", "Stopped"]
