"""System calls about signals: actions, masks, sending, waiting (man 7 signal)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emuplugin.cpu import registers as reg

from . import linux
from .clock import timespec
from .signals import ALWAYS_DELIVERED, Action
from .table import Errno, signed32, syscall
from .threads import WaitingError

if TYPE_CHECKING:
    from .kernel import Kernel
    from .threads import Pending

_SIGINFO_SIZE = 128
_MINSIGSTKSZ = 2048


@contextmanager
def own_mask(kernel: Kernel, at: int, size: int) -> Iterator[None]:
    """For the time of the block, and of the wait that it ends with, the current thread has the
    signal mask at ``at`` (none if 0): what ppoll, pselect6, epoll_pwait and rt_sigsuspend do."""
    if not at:
        yield
        return
    if size != 8:
        raise Errno(linux.EINVAL)
    thread = kernel.threads.current
    mask = kernel.read_u64(at) & ~ALWAYS_DELIVERED
    thread.saved_mask, thread.signal_mask = thread.signal_mask, mask
    try:
        yield
    except WaitingError:
        raise
    except BaseException:
        thread.signal_mask, thread.saved_mask = thread.saved_mask or 0, None
        raise
    if thread.saved_mask is not None:
        if kernel.signals.deliverable(thread):
            # The handler runs with this mask and returns to the saved one.
            kernel.engine.stop_at_once()
        else:
            thread.signal_mask, thread.saved_mask = thread.saved_mask, None


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
        kernel.signals.set_action(number, replacement)
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
        thread.signal_mask = combined & ~ALWAYS_DELIVERED
        if kernel.signals.deliverable(thread):
            kernel.engine.stop_at_once()
    if old:
        kernel.write_u64(old, before)
    return 0


@syscall(15, "rt_sigreturn")
def rt_sigreturn(kernel: Kernel) -> int:
    kernel.signals.return_pending = True
    kernel.engine.stop_at_once()
    return 0


@syscall(127, "rt_sigpending")
def rt_sigpending(kernel: Kernel, at: int, size: int) -> int:
    if size > 8:
        raise Errno(linux.EINVAL)
    thread = kernel.threads.current
    pending = kernel.signals.pending(thread) & thread.signal_mask
    kernel.write(at, struct.pack("<Q", pending)[:size])
    return 0


@syscall(130, "rt_sigsuspend")
def rt_sigsuspend(kernel: Kernel, mask: int, size: int) -> int:
    if size != 8:
        raise Errno(linux.EINVAL)
    kernel.read_u64(mask)
    with own_mask(kernel, mask, size):
        return kernel.threads.wait()


@syscall(34, "pause")
def pause(kernel: Kernel) -> int:
    return kernel.threads.wait()


@syscall(128, "rt_sigtimedwait")
def rt_sigtimedwait(kernel: Kernel, wanted: int, info: int, timeout: int, size: int) -> int:
    if size != 8:
        raise Errno(linux.EINVAL)
    mask = kernel.read_u64(wanted) & ~ALWAYS_DELIVERED
    span = timespec(kernel, timeout) if timeout else None
    if info:
        kernel.check_writable(info, _SIGINFO_SIZE)

    def attempt() -> int | None:
        entry: Pending | None = kernel.signals.take(kernel.threads.current, mask)
        if entry is None:
            return None
        if info:
            kernel.write(info, entry.info.ljust(_SIGINFO_SIZE, b"\0"))
        return entry.number

    done = attempt()
    if done is not None:
        return done
    if span == 0:
        raise Errno(linux.EAGAIN)
    deadline = None if span is None else kernel.clock.monotonic() + span
    return kernel.threads.wait(
        deadline=deadline, timeout=-linux.EAGAIN, ready=attempt, signals=mask
    )


@syscall(131, "sigaltstack")
def sigaltstack(kernel: Kernel, new: int, old: int) -> int:
    thread = kernel.threads.current
    stack, flags, size = thread.alternate_stack
    rsp = kernel.engine.read_register(reg.RSP)
    on_stack = not flags & linux.SS_AUTODISARM and size and stack <= rsp - 1 < stack + size
    replacement = None
    if new:
        start, mode, _, length = struct.unpack("<QIIQ", kernel.read(new, 24))
        if mode & ~linux.SS_AUTODISARM not in (0, linux.SS_DISABLE, linux.SS_ONSTACK):
            raise Errno(linux.EINVAL)
        if on_stack:
            raise Errno(linux.EPERM)
        if mode & linux.SS_DISABLE:
            start = length = 0
        elif length < _MINSIGSTKSZ:
            raise Errno(linux.ENOMEM)
        replacement = (start, mode & ~linux.SS_ONSTACK, length)
    if old:
        shown = flags | linux.SS_ONSTACK if on_stack else flags
        kernel.write(old, struct.pack("<QIIQ", stack, shown, 0, size))
    if replacement is not None:
        thread.alternate_stack = replacement
    return 0


def _check_number(signal: int) -> int:
    number = signed32(signal)
    if not 0 <= number <= linux.NSIG:
        raise Errno(linux.EINVAL)
    return number


def _signal_thread(kernel: Kernel, tid: int, signal: int, info: bytes | None = None) -> int:
    if signed32(tid) <= 0:
        raise Errno(linux.EINVAL)
    number = _check_number(signal)
    thread = kernel.threads.all.get(signed32(tid))
    if thread is None:
        raise Errno(linux.EPERM if signed32(tid) == 1 else linux.ESRCH)
    if number and info is None:
        kernel.signals.send(thread, number)
    elif number and info is not None:
        kernel.signals.queue(thread, number, info)
    return 0


@syscall(234, "tgkill")
def tgkill(kernel: Kernel, pid: int, tid: int, signal: int) -> int:
    if signed32(pid) <= 0:
        raise Errno(linux.EINVAL)
    if signed32(pid) != kernel.pid:
        raise Errno(linux.ESRCH)
    return _signal_thread(kernel, tid, signal)


@syscall(200, "tkill")
def tkill(kernel: Kernel, tid: int, signal: int) -> int:
    return _signal_thread(kernel, tid, signal)


def signal_process(kernel: Kernel, number: int, info: bytes | None = None) -> int:
    """Send a signal (0: none, only look) to the process itself."""
    if number:
        kernel.signals.send_process(number, info)
    return 0


def check_target(kernel: Kernel, pid: int) -> None:
    """Whether ``pid`` is this process: EPERM for init, which is another's; ESRCH for the rest."""
    if pid == 1:
        raise Errno(linux.EPERM)
    if pid not in kernel.threads.all and pid != kernel.pid:
        raise Errno(linux.ESRCH)


@syscall(62, "kill", "full", "no process but the own one, and init, which may not be signalled")
def kill(kernel: Kernel, pid: int, signal: int) -> int:
    target, number = signed32(pid), _check_number(signal)
    if target == -1:  # everybody else, and that is only init
        raise Errno(linux.EPERM)
    if target < 0:
        target = kernel.pid if -target == kernel.identity.group else -target
        if target != kernel.pid:
            raise Errno(linux.ESRCH)
    check_target(kernel, target or kernel.pid)
    return signal_process(kernel, number)


def given_info(kernel: Kernel, signal: int, at: int) -> tuple[int, bytes]:
    """A ``siginfo_t`` that the caller filled in: the number is set, the rest is as it is."""
    info = kernel.read(at, _SIGINFO_SIZE)
    number = _check_number(signal)
    return number, struct.pack("<i", number) + info[4:]


@syscall(129, "rt_sigqueueinfo")
def rt_sigqueueinfo(kernel: Kernel, pid: int, signal: int, at: int) -> int:
    number, info = given_info(kernel, signal, at)
    check_target(kernel, signed32(pid))
    return signal_process(kernel, number, info)


@syscall(297, "rt_tgsigqueueinfo")
def rt_tgsigqueueinfo(kernel: Kernel, pid: int, tid: int, signal: int, at: int) -> int:
    if signed32(pid) <= 0:
        raise Errno(linux.EINVAL)
    _, info = given_info(kernel, signal, at)
    if signed32(pid) != kernel.pid:
        raise Errno(linux.ESRCH)
    return _signal_thread(kernel, tid, signal, info)
