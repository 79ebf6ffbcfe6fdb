"""Signals: actions, masks, delivery with a full frame, and rt_sigreturn (man 7 signal).

The frame is Linux's ``struct rt_sigframe`` (arch/x86/include/asm/sigframe.h) with an FXSAVE area,
so handlers find and may change every register of what they interrupted.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from emuplugin.cpu import registers as reg
from emuplugin.cpu.memory import GuestMemoryError
from emuplugin.cpu.registers import Batch

from . import linux
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel
    from .threads import Thread

# struct rt_sigframe: pretcode; ucontext: flags, link, stack; sigcontext; mask; then siginfo.
_UC, _UC_STACK, _SIGCONTEXT, _UC_MASK, _SIGINFO = 8, 24, 48, 304, 312
_FRAME_SIZE = _SIGINFO + 128
_FXSAVE_SIZE, _FXSAVE_XMM, _FXSAVE_MXCSR = 512, 160, 24
_SEGMENTS, _ERR, _TRAPNO, _OLDMASK, _CR2, _FPSTATE = 144, 152, 160, 168, 176, 184
_RED_ZONE = 128
_MASK64 = (1 << 64) - 1
_RFLAGS_KEPT = 0xCD5  # CF PF AF ZF SF DF OF: what a handler may change, less TF
_ALWAYS_DELIVERED = (1 << linux.SIGKILL - 1) | (1 << linux.SIGSTOP - 1)
_IGNORED_BY_DEFAULT = frozenset((linux.SIGCHLD, linux.SIGCONT, linux.SIGURG, linux.SIGWINCH))


class Action(NamedTuple):
    """``struct kernel_sigaction``."""

    handler: int = linux.SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0


class Fatal(Exception):
    """A signal whose default action ends the process."""

    def __init__(self, number: int, address: int, rip: int) -> None:
        super().__init__(number)
        self.number, self.address, self.rip = number, address, rip


class Signals:
    """Signal actions of the process, and delivery to the current thread."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.actions: dict[int, Action] = {}
        engine = kernel.engine
        self._general: Batch = engine.batch(*reg.GENERAL)
        self._vector: Batch = engine.batch(wide=reg.XMM)
        self._mxcsr: Batch = engine.batch(reg.MXCSR)
        self.return_pending = False

    def send(self, thread: Thread, number: int, code: int = linux.SI_TKILL) -> None:
        """Queue a signal for a thread; it is delivered when the thread next enters user code."""
        action = self.actions.get(number, Action())
        if action.handler == linux.SIG_IGN:
            return
        if action.handler == linux.SIG_DFL and number in _IGNORED_BY_DEFAULT:
            return
        if number < linux.SIGRTMIN and any(entry[0] == number for entry in thread.pending):
            return
        thread.pending.append((number, code, self._kernel.pid))
        if not thread.signal_mask >> (number - 1) & 1:
            self._kernel.threads.interrupt(thread)
            if thread is self._kernel.threads.current:
                self._kernel.engine.stop()

    def deliver_pending(self) -> bool:
        """Deliver one unblocked pending signal of the current thread. Between runs only."""
        thread = self._kernel.threads.current
        for index, (number, code, pid) in enumerate(thread.pending):
            if not thread.signal_mask >> (number - 1) & 1:
                del thread.pending[index]
                self.deliver(number, struct.pack("<iiiiii", number, 0, code, 0, pid, 0))
                return True
        return False

    def fault(self, number: int, code: int, address: int, trap: int) -> None:
        """Deliver a fault's signal, or raise :class:`Fatal` where no handler can take it."""
        thread = self._kernel.threads.current
        blocked = thread.signal_mask >> (number - 1) & 1
        if blocked or self.actions.get(number, Action()).handler in (linux.SIG_DFL, linux.SIG_IGN):
            raise Fatal(number, address, self._kernel.engine.rip)
        info = struct.pack("<iiiiQ", number, 0, code, 0, address)
        self.deliver(number, info, address, trap)

    def deliver(self, number: int, info: bytes, address: int = 0, trap: int = 0) -> None:
        """Build the frame and enter the handler on the current thread."""
        kernel = self._kernel
        thread = kernel.threads.current
        action = self.actions.get(number, Action())
        if action.handler == linux.SIG_DFL:
            raise Fatal(number, address, kernel.engine.rip)
        general, vector = self._general.load(), self._vector.load()
        rsp = general[15]
        stack, stack_flags, stack_size = thread.alternate_stack
        on_stack = bool(stack_size) and stack <= rsp - 1 < stack + stack_size
        if action.flags & linux.SA_ONSTACK and not stack_flags & linux.SS_DISABLE and not on_stack:
            top = stack + stack_size
        else:
            top = rsp - _RED_ZONE
        fpstate = (top - _FXSAVE_SIZE) & -64 & _MASK64
        frame = (((fpstate - _FRAME_SIZE) & -16) - 8) & _MASK64
        context = bytearray(_FRAME_SIZE)
        struct.pack_into("<Q", context, 0, action.restorer)
        flags = linux.SS_ONSTACK if on_stack else stack_flags
        struct.pack_into("<QiiQ", context, _UC_STACK, stack, flags, 0, stack_size)
        context[_SIGCONTEXT : _SIGCONTEXT + 144] = bytes(general)
        struct.pack_into("<HHHH", context, _SIGCONTEXT + _SEGMENTS, 0x33, 0, 0, 0x2B)
        struct.pack_into("<QQ", context, _SIGCONTEXT + _TRAPNO, trap, thread.signal_mask)
        struct.pack_into("<QQ", context, _SIGCONTEXT + _CR2, address, fpstate)
        struct.pack_into("<Q", context, _UC_MASK, thread.signal_mask)
        context[_SIGINFO : _SIGINFO + len(info)] = info
        area = bytearray(_FXSAVE_SIZE)
        struct.pack_into("<HHHHQQII", area, 0, 0x37F, 0, 0, 0, 0, 0, self._mxcsr.load()[0], 0xFFFF)
        area[_FXSAVE_XMM : _FXSAVE_XMM + 256] = bytes(vector)
        try:
            kernel.write(fpstate, bytes(area))
            kernel.write(frame, bytes(context))
        except Errno:
            # No stack that the guest itself could write: man 2 sigaltstack, Linux sends SIGSEGV.
            raise Fatal(number, address, kernel.engine.rip) from None
        if not action.flags & linux.SA_NODEFER:
            thread.signal_mask |= 1 << (number - 1)
        thread.signal_mask = (thread.signal_mask | action.mask) & ~_ALWAYS_DELIVERED
        if action.flags & linux.SA_RESETHAND:
            self.actions[number] = Action()
        values = self._general.values
        values[8], values[9], values[12], values[13] = number, frame + _SIGINFO, frame + _UC, 0
        values[15], values[16], values[17] = frame, action.handler, 0x202
        self._general.store()

    def finish_return(self) -> None:
        """Restore what a handler interrupted; RSP is behind the frame's return address."""
        self.return_pending = False
        kernel, thread = self._kernel, self._kernel.threads.current
        frame = kernel.engine.read_register(reg.RSP) - 8
        try:
            context = kernel.memory.read(frame, _FRAME_SIZE)
            fpstate = struct.unpack_from("<Q", context, _SIGCONTEXT + _FPSTATE)[0]
            area = kernel.memory.read(fpstate, _FXSAVE_SIZE) if fpstate else b""
        except GuestMemoryError:
            raise Fatal(linux.SIGSEGV, frame, kernel.engine.rip) from None
        values = self._general.values
        for index, value in enumerate(struct.unpack_from("<18Q", context, _SIGCONTEXT)):
            values[index] = value
        values[17] = values[17] & _RFLAGS_KEPT | 0x202
        self._general.store()
        if area:
            for index, value in enumerate(struct.unpack_from("<32Q", area, _FXSAVE_XMM)):
                self._vector.values[index] = value
            self._vector.store()
            self._mxcsr.values[0] = struct.unpack_from("<I", area, _FXSAVE_MXCSR)[0] & 0xFFFF
            self._mxcsr.store()
        thread.signal_mask = struct.unpack_from("<Q", context, _UC_MASK)[0] & ~_ALWAYS_DELIVERED
        stack, flags, _, size = struct.unpack_from("<QiiQ", context, _UC_STACK)
        thread.alternate_stack = (stack, flags & linux.SS_DISABLE, size)


def _number(value: int) -> int:
    number = signed32(value)
    if not 1 <= number <= linux.NSIG:
        raise Errno(linux.EINVAL)
    return number


@syscall(13, "rt_sigaction")
def rt_sigaction(kernel: Kernel, signal: int, new: int, old: int, size: int) -> int:
    number = _number(signal)
    if size != 8:
        raise Errno(linux.EINVAL)
    replacement = Action(*struct.unpack("<4Q", kernel.read(new, 32))) if new else None
    if old:
        kernel.write(old, struct.pack("<4Q", *kernel.signals.actions.get(number, Action())))
    if replacement is not None:
        if number in (linux.SIGKILL, linux.SIGSTOP):
            raise Errno(linux.EINVAL)
        kernel.signals.actions[number] = replacement
    return 0


@syscall(14, "rt_sigprocmask")
def rt_sigprocmask(kernel: Kernel, how: int, new: int, old: int, size: int) -> int:
    thread = kernel.threads.current
    if size != 8:
        raise Errno(linux.EINVAL)
    before = thread.signal_mask
    if new:
        mask = kernel.read_u64(new)
        if signed32(how) not in (linux.SIG_BLOCK, linux.SIG_UNBLOCK, linux.SIG_SETMASK):
            raise Errno(linux.EINVAL)
        combined = (before | mask, before & ~mask, mask)[signed32(how)]
        thread.signal_mask = combined & ~_ALWAYS_DELIVERED
        if thread.pending:
            kernel.engine.stop()
    if old:
        kernel.write_u64(old, before)
    return 0


@syscall(15, "rt_sigreturn")
def rt_sigreturn(kernel: Kernel) -> int:
    kernel.signals.return_pending = True
    kernel.engine.stop()
    return 0


@syscall(131, "sigaltstack")
def sigaltstack(kernel: Kernel, new: int, old: int) -> int:
    thread = kernel.threads.current
    stack, flags, size = thread.alternate_stack
    replacement = None
    if new:
        start, mode, _, length = struct.unpack("<QiiQ", kernel.read(new, 24))
        if mode & ~(linux.SS_DISABLE | linux.SS_ONSTACK):
            raise Errno(linux.EINVAL)
        if not mode & linux.SS_DISABLE and length < 2048:
            raise Errno(linux.ENOMEM)
        replacement = (start, mode & linux.SS_DISABLE, length)
        rsp = kernel.engine.read_register(reg.RSP)
        if size and stack <= rsp - 1 < stack + size:
            raise Errno(linux.EPERM)
    if old:
        kernel.write(old, struct.pack("<QiiQ", stack, flags, 0, size))
    if replacement is not None:
        thread.alternate_stack = replacement
    return 0


def _signal_thread(kernel: Kernel, tid: int, signal: int, code: int) -> int:
    number = signed32(signal)
    if not 0 <= number <= linux.NSIG:
        raise Errno(linux.EINVAL)
    thread = kernel.threads.all.get(signed32(tid))
    if thread is None:
        raise Errno(linux.ESRCH)
    if number:
        kernel.signals.send(thread, number, code)
    return 0


@syscall(234, "tgkill")
def tgkill(kernel: Kernel, pid: int, tid: int, signal: int) -> int:
    if signed32(pid) != kernel.pid:
        raise Errno(linux.ESRCH)
    return _signal_thread(kernel, tid, signal, linux.SI_TKILL)


@syscall(200, "tkill")
def tkill(kernel: Kernel, tid: int, signal: int) -> int:
    return _signal_thread(kernel, tid, signal, linux.SI_TKILL)


@syscall(62, "kill", "partial", "only the process itself exists")
def kill(kernel: Kernel, pid: int, signal: int) -> int:
    if signed32(pid) not in (kernel.pid, 0, -1, -kernel.pid):
        raise Errno(linux.ESRCH)
    return _signal_thread(kernel, kernel.pid, signal, linux.SI_USER)
