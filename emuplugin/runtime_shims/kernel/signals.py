"""Signals: actions, masks, delivery with a full frame, and rt_sigreturn (man 7 signal).

The frame is Linux's ``struct rt_sigframe`` (arch/x86/include/asm/sigframe.h) with an FXSAVE area,
so handlers find and may change every register of what they interrupted.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from emuplugin.cpu import registers as reg
from emuplugin.cpu.memory import GuestMemoryError
from emuplugin.cpu.registers import Batch

from . import linux
from .table import Errno
from .threads import Pending

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
#: SIGKILL and SIGSTOP, as a mask.
ALWAYS_DELIVERED = (1 << linux.SIGKILL - 1) | (1 << linux.SIGSTOP - 1)
_SYSCALL_SIZE = 2
_FAULTS = frozenset(
    (linux.SIGSEGV, linux.SIGBUS, linux.SIGILL, linux.SIGTRAP, linux.SIGFPE, linux.SIGSYS)
)
_STOPS = frozenset((linux.SIGTSTP, linux.SIGTTIN, linux.SIGTTOU))
# RLIMIT_SIGPENDING
_MOST_QUEUED = 4096
#: The user whom the guest runs as.
UID = 1000
_IGNORED_BY_DEFAULT = frozenset((linux.SIGCHLD, linux.SIGCONT, linux.SIGURG, linux.SIGWINCH))


class Action(NamedTuple):
    """``struct kernel_sigaction``."""

    handler: int = linux.SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0


_DEFAULT = Action()
#: The standard signals by name.
NUMBERS: dict[str, int] = {
    name: number
    for name, number in vars(linux).items()
    if name.startswith("SIG") and "_" not in name and number < linux.SIGRTMIN
}
NAMES = {number: name for name, number in NUMBERS.items()}


class Fatal(Exception):
    """A signal whose default action ends the process: a fault, or one that was ``sent``."""

    def __init__(self, number: int, address: int, rip: int, *, sent: bool = False) -> None:
        super().__init__(number)
        self.number, self.address, self.rip, self.sent = number, address, rip, sent


class Signals:
    """Signal actions of the process, what is pending for it, and delivery to the current thread.

    ``shared`` is pending for the process as a whole, ``posted`` what Python has sent and nobody has
    looked at yet.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.actions: dict[int, Action] = {}
        self.shared: deque[Pending] = deque()
        self.posted: deque[int] = deque()
        self.stopped = False
        engine = kernel.engine
        self._general: Batch = engine.batch(*reg.GENERAL)
        self._vector: Batch = engine.batch(wide=reg.XMM)
        self._mxcsr: Batch = engine.batch(reg.MXCSR)
        self.return_pending = False

    # --- sending ----------------------------------------------------------------------------

    def send(self, thread: Thread, number: int, code: int = linux.SI_TKILL) -> None:
        """Send a signal from the process itself to one of its threads."""
        self.queue(thread, number, self._from_self(number, code))

    def queue(self, thread: Thread, number: int, info: bytes) -> None:
        """Queue a signal for a thread; it is delivered when the thread next enters user code."""
        if not self._goes_to(thread.pending, number, thread.signal_mask):
            return
        thread.pending.append(Pending(number, info))
        self._notify(thread, number)

    def send_process(self, number: int, info: bytes | None = None) -> None:
        """Queue a signal for the process: any thread that does not block it may take it."""
        threads = self._kernel.threads.all.values()
        blocked = self._kernel.threads.current.signal_mask
        for thread in threads:
            blocked &= thread.signal_mask
        if not self._goes_to(self.shared, number, blocked):
            return
        self.shared.append(Pending(number, info or self._from_self(number, linux.SI_USER)))
        # The first thread if it can, as complete_signal in kernel/signal.c has it.
        for thread in threads:
            if not thread.signal_mask >> (number - 1) & 1 or _waits_for(thread, number):
                self._notify(thread, number)
                return

    def post(self, number: int) -> None:
        """Queue a signal from outside. Any Python thread may call it."""
        self.posted.append(number)
        self._kernel.engine.stop()
        self._kernel.outside.wake()

    def take_posted(self) -> None:
        """Send what :meth:`post` has queued."""
        while self.posted:
            number = self.posted.popleft()
            # From a process of which the guest knows nothing: pid 0 is none of its namespace.
            self.send_process(number, siginfo(number, linux.SI_USER, struct.pack("<iI", 0, 0)))

    def set_action(self, number: int, action: Action) -> None:
        """Change what a signal does; one that is ignored from now on is no longer pending."""
        self.actions[number] = action
        if self._is_ignored(number):
            self._forget(frozenset((number,)))

    def _forget(self, numbers: frozenset[int]) -> None:
        """Drop what is pending of these signals, everywhere."""
        for queue in (self.shared, *(t.pending for t in self._kernel.threads.all.values())):
            for entry in [entry for entry in queue if entry.number in numbers]:
                queue.remove(entry)

    def _goes_to(self, pending: Iterable[Pending], number: int, mask: int) -> bool:
        """Whether a signal is to be queued: not if nobody would notice it. SIGCONT continues and
        drops the stops that are pending, even if it is not, and the other way round."""
        if number == linux.SIGCONT:
            self.stopped = False
            self._forget(_STOPS | {linux.SIGSTOP})
        elif number in _STOPS or number == linux.SIGSTOP:
            self._forget(frozenset((linux.SIGCONT,)))
        if not mask >> (number - 1) & 1 and self._is_ignored(number):
            return False
        if number >= linux.SIGRTMIN:
            queued = sum(len(t.pending) for t in self._kernel.threads.all.values())
            return queued + len(self.shared) < _MOST_QUEUED
        return all(entry.number != number for entry in pending)

    def _is_ignored(self, number: int) -> bool:
        handler = self.actions.get(number, _DEFAULT).handler
        if handler == linux.SIG_DFL:
            return number in _IGNORED_BY_DEFAULT
        return handler == linux.SIG_IGN

    def _notify(self, thread: Thread, number: int) -> None:
        if _waits_for(thread, number):
            return  # its call takes the signal itself
        if not thread.signal_mask >> (number - 1) & 1:
            self._kernel.threads.interrupt(thread)
            if thread is self._kernel.threads.current:
                self._kernel.engine.stop_at_once()

    def _from_self(self, number: int, code: int) -> bytes:
        return siginfo(number, code, struct.pack("<iI", self._kernel.pid, UID))

    # --- delivery ---------------------------------------------------------------------------

    def take(self, thread: Thread, mask: int) -> Pending | None:
        """Remove the first pending signal of those in ``mask``: faults first, then by number."""
        for queue in (thread.pending, self.shared):
            found = [entry for entry in queue if mask >> (entry.number - 1) & 1]
            if found:
                first = min(found, key=lambda entry: (entry.number not in _FAULTS, entry.number))
                queue.remove(first)
                return first
        return None

    def pending(self, thread: Thread) -> int:
        """The signals that are pending for a thread, as a mask."""
        mask = 0
        for queue in (thread.pending, self.shared):
            for entry in queue:
                mask |= 1 << (entry.number - 1)
        return mask

    def deliverable(self, thread: Thread) -> int:
        """The pending signals that a thread does not block, as a mask."""
        return self.pending(thread) & ~thread.signal_mask

    def deliver_pending(self) -> bool:
        """Deliver the unblocked pending signals of the current thread. Between runs only."""
        thread = self._kernel.threads.current
        thread.interrupted = delivered = False
        while (entry := self.take(thread, ~thread.signal_mask & _MASK64)) is not None:
            delivered |= self._act(entry)
        if not delivered:
            if thread.saved_mask is not None:
                thread.signal_mask, thread.saved_mask = thread.saved_mask, None
            if thread.restart is not None:
                self._restart(thread.restart)
                thread.restart = None
        return delivered

    def _act(self, entry: Pending) -> bool:
        """Do what a signal's action says; whether a handler was entered."""
        number = entry.number
        action = self.actions.get(number, _DEFAULT)
        if action.handler not in (linux.SIG_DFL, linux.SIG_IGN):
            self.deliver(number, entry.info)
            return True
        if number == linux.SIGSTOP:
            self._stop(entry)
        elif not self._is_ignored(number) and number not in _STOPS:
            # A terminal's stops mean nothing in a process group that nobody controls (setpgid(2)).
            raise Fatal(number, 0, self._kernel.engine.rip, sent=True)
        return False

    def _stop(self, entry: Pending) -> None:
        """Stop the process until SIGCONT comes from outside, if the stop came from there."""
        if struct.unpack_from("<i", entry.info, 16)[0] == self._kernel.pid:
            raise Fatal(linux.SIGSTOP, 0, self._kernel.engine.rip, sent=True)
        self.stopped = True
        while self.stopped:
            self._kernel.sleep(None)
            if any(queued.number == linux.SIGKILL for queued in self.shared):
                raise Fatal(linux.SIGKILL, 0, self._kernel.engine.rip, sent=True)

    def _restart(self, number: int) -> None:
        """Make the interrupted system call start again."""
        engine = self._kernel.engine
        engine.write_register(reg.RAX, number)
        engine.write_register(reg.RIP, engine.rip - _SYSCALL_SIZE)

    def fault(self, number: int, code: int, address: int, trap: int) -> None:
        """Deliver a fault's signal, or raise :class:`Fatal` where no handler can take it."""
        thread = self._kernel.threads.current
        blocked = thread.signal_mask >> (number - 1) & 1
        if blocked or self.actions.get(number, _DEFAULT).handler in (linux.SIG_DFL, linux.SIG_IGN):
            raise Fatal(number, address, self._kernel.engine.rip)
        info = struct.pack("<iiiiQ", number, 0, code, 0, address)
        self.deliver(number, info, address, trap)

    def deliver(self, number: int, info: bytes, address: int = 0, trap: int = 0) -> None:
        """Build the frame and enter the handler on the current thread."""
        kernel = self._kernel
        thread = kernel.threads.current
        action = self.actions.get(number, _DEFAULT)
        general, vector = self._general.load(), self._vector.load()
        if thread.restart is not None:
            if action.flags & linux.SA_RESTART:
                general[13], general[16] = thread.restart, general[16] - _SYSCALL_SIZE
            thread.restart = None
        mask = thread.signal_mask
        if thread.saved_mask is not None:  # a call with a mask of its own was interrupted
            mask, thread.saved_mask = thread.saved_mask, None
        rsp = general[15]
        stack, stack_flags, stack_size = thread.alternate_stack
        on_stack = bool(stack_size) and stack <= rsp - 1 < stack + stack_size
        usable = not stack_flags & linux.SS_DISABLE
        if action.flags & linux.SA_ONSTACK and usable and not on_stack:
            top = stack + stack_size
        else:
            top = rsp - _RED_ZONE
        fpstate = (top - _FXSAVE_SIZE) & -64 & _MASK64
        frame = (((fpstate - _FRAME_SIZE) & -16) - 8) & _MASK64
        context = bytearray(_FRAME_SIZE)
        struct.pack_into("<Q", context, 0, action.restorer)
        flags = linux.SS_ONSTACK if on_stack else stack_flags
        struct.pack_into("<QIIQ", context, _UC_STACK, stack, flags, 0, stack_size)
        context[_SIGCONTEXT : _SIGCONTEXT + 144] = bytes(general)
        struct.pack_into("<HHHH", context, _SIGCONTEXT + _SEGMENTS, 0x33, 0, 0, 0x2B)
        struct.pack_into("<QQ", context, _SIGCONTEXT + _TRAPNO, trap, mask)
        struct.pack_into("<QQ", context, _SIGCONTEXT + _CR2, address, fpstate)
        struct.pack_into("<Q", context, _UC_MASK, mask)
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
        if stack_flags & linux.SS_AUTODISARM:
            thread.alternate_stack = (0, linux.SS_DISABLE, 0)
        if not action.flags & linux.SA_NODEFER:
            thread.signal_mask |= 1 << (number - 1)
        thread.signal_mask = (thread.signal_mask | action.mask) & ~ALWAYS_DELIVERED
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
        thread.signal_mask = struct.unpack_from("<Q", context, _UC_MASK)[0] & ~ALWAYS_DELIVERED
        stack, flags, _, size = struct.unpack_from("<QIIQ", context, _UC_STACK)
        thread.alternate_stack = (stack, flags & (linux.SS_DISABLE | linux.SS_AUTODISARM), size)


def siginfo(number: int, code: int, rest: bytes = b"") -> bytes:
    """The start of a ``siginfo_t``: ``rest`` is the union."""
    return struct.pack("<iiii", number, 0, code, 0) + rest


def _waits_for(thread: Thread, number: int) -> bool:
    """Whether a thread's call waits for just this signal (rt_sigtimedwait)."""
    return thread.wait is not None and bool(thread.wait.signals >> (number - 1) & 1)
