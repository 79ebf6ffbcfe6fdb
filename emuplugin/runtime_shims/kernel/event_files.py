"""Timers, signals and processes as descriptors (man 2 timerfd_create, signalfd, pidfd_open)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from . import clock, linux
from .open_file import OpenFile
from .signal_calls import check_target, given_info, signal_process
from .signals import ALWAYS_DELIVERED
from .state import KNOWN, WHOLE, state
from .table import Errno, signed32, syscall
from .timers import Timer, pack_timer, read_timer, set_timer

if TYPE_CHECKING:
    from .kernel import Kernel

_TIMER_CLOCKS = frozenset((linux.CLOCK_REALTIME, linux.CLOCK_MONOTONIC, linux.CLOCK_BOOTTIME))
_FLAGS = linux.O_NONBLOCK | linux.O_CLOEXEC
_TFD_SETTIME_FLAGS = 3  # TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET
_SIGNALFD_SIGINFO = 128


class TimerFile(OpenFile):
    """A timerfd: reading gives how often it went off since the last time."""

    mode = 0o600

    def __init__(self, kernel: Kernel, reads: int, flags: int) -> None:
        super().__init__(linux.O_RDWR | flags)
        self._timers = kernel.timers
        self.timer = Timer(lambda: clock.read(kernel, reads), self._fire)
        self.count = 0

    def _fire(self, count: int) -> None:
        self.count += count
        self.input_edges += 1

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        if size < 8:
            raise Errno(linux.EINVAL)
        self._timers.check()
        if not self.count:
            return None
        count, self.count = self.count, 0
        return struct.pack("<Q", count)

    def events(self) -> int:
        self._timers.check()
        return linux.EPOLLIN if self.count else 0

    def closed(self) -> None:
        self._timers.arm(self.timer, 0, 0)


@syscall(283, "timerfd_create")
def timerfd_create(kernel: Kernel, reads: int, flags: int) -> int:
    flags &= 0xFFFFFFFF
    number = signed32(reads)
    if flags & ~_FLAGS or number not in (*_TIMER_CLOCKS, 8, 9):
        raise Errno(linux.EINVAL)
    if number not in _TIMER_CLOCKS:
        raise Errno(linux.EPERM)  # alarms wake the machine up
    return kernel.files.install(TimerFile(kernel, number, flags & linux.O_NONBLOCK), flags)


def _timer_file(kernel: Kernel, fd: int) -> TimerFile:
    file = kernel.files.get(fd)
    if not isinstance(file, TimerFile):
        raise Errno(linux.EINVAL)
    return file


@syscall(286, "timerfd_settime")
def timerfd_settime(kernel: Kernel, fd: int, flags: int, new: int, old: int) -> int:
    setting = read_timer(kernel, new)
    if flags & 0xFFFFFFFF & ~_TFD_SETTIME_FLAGS:
        raise Errno(linux.EINVAL)
    file = _timer_file(kernel, fd)
    set_timer(kernel, file.timer, flags, setting, old)
    file.count = 0
    return 0


@syscall(287, "timerfd_gettime")
def timerfd_gettime(kernel: Kernel, fd: int, at: int) -> int:
    kernel.write(at, pack_timer(_timer_file(kernel, fd).timer))
    return 0


@state(_kernel=KNOWN, mask=WHOLE)
class SignalFile(OpenFile):
    """A signalfd: reading takes pending signals, as ``struct signalfd_siginfo``."""

    mode = 0o600

    def __init__(self, kernel: Kernel, mask: int, flags: int) -> None:
        super().__init__(linux.O_RDWR | flags)
        self._kernel = kernel
        self.mask = mask

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        if size < _SIGNALFD_SIGINFO:
            raise Errno(linux.EINVAL)
        found: list[bytes] = []
        while len(found) < size // _SIGNALFD_SIGINFO:
            entry = kernel.signals.take(kernel.threads.current, self.mask)
            if entry is None:
                break
            found.append(_as_record(entry.number, entry.info))
        return b"".join(found) or None

    def events(self) -> int:
        pending = self._kernel.signals.pending(self._kernel.threads.current)
        return linux.EPOLLIN if pending & self.mask else 0


def _as_record(number: int, info: bytes) -> bytes:
    """``struct signalfd_siginfo`` from a ``siginfo_t`` (``fs/signalfd.c: signalfd_copyinfo``)."""
    info = info.ljust(128, b"\0")
    _, errno, code = struct.unpack_from("<iii", info)
    first, second, pointer = struct.unpack_from("<iIQ", info, 16)
    record = bytearray(_SIGNALFD_SIGINFO)
    struct.pack_into("<Iii", record, 0, number, errno, code)
    if code == linux.SI_TIMER:
        struct.pack_into("<II", record, 24, first & 0xFFFFFFFF, second)  # ssi_tid, ssi_overrun...
        struct.pack_into("<I", record, 32, second)
        struct.pack_into("<iQ", record, 44, pointer & 0x7FFFFFFF, pointer)
    else:
        struct.pack_into("<II", record, 12, first & 0xFFFFFFFF, second)  # ssi_pid, ssi_uid
        if code == linux.SI_QUEUE:
            struct.pack_into("<iQ", record, 44, pointer & 0x7FFFFFFF, pointer)
    return bytes(record)


@syscall(289, "signalfd4")
def signalfd4(kernel: Kernel, fd: int, at: int, size: int, flags: int) -> int:
    flags &= 0xFFFFFFFF
    if size != 8 or flags & ~_FLAGS:
        raise Errno(linux.EINVAL)
    mask = kernel.read_u64(at) & ~ALWAYS_DELIVERED
    if signed32(fd) != -1:
        file = kernel.files.get(fd)
        if not isinstance(file, SignalFile):
            raise Errno(linux.EINVAL)
        file.mask = mask
        return signed32(fd)
    return kernel.files.install(SignalFile(kernel, mask, flags & linux.O_NONBLOCK), flags)


@syscall(282, "signalfd")
def signalfd(kernel: Kernel, fd: int, at: int, size: int) -> int:
    return signalfd4(kernel, fd, at, size, 0)


@state(pid=WHOLE)
class ProcessFile(OpenFile):
    """A pidfd of the process itself: it never becomes readable, because the process lives."""

    mode = 0o600

    def __init__(self, pid: int, flags: int) -> None:
        super().__init__(linux.O_RDWR | flags)
        self.pid = pid

    def events(self) -> int:
        return 0


@syscall(434, "pidfd_open", "partial", "the process itself")
def pidfd_open(kernel: Kernel, pid: int, flags: int) -> int:
    target = signed32(pid)
    if flags & 0xFFFFFFFF & ~linux.O_NONBLOCK or target <= 0:
        raise Errno(linux.EINVAL)
    if target != kernel.pid:
        # A thread that does not lead its process has no pidfd; others are not to be seen.
        raise Errno(linux.EINVAL if target in kernel.threads.all else linux.ESRCH)
    status = flags & linux.O_NONBLOCK
    return kernel.files.install(ProcessFile(target, status), linux.O_CLOEXEC)


@syscall(424, "pidfd_send_signal", "partial", "the process itself")
def pidfd_send_signal(kernel: Kernel, fd: int, signal: int, at: int, flags: int) -> int:
    if flags & 0xFFFFFFFF:
        raise Errno(linux.EINVAL)
    file = kernel.files.get(fd)
    if not isinstance(file, ProcessFile):
        raise Errno(linux.EBADF)
    number = signed32(signal)
    if not 0 <= number <= linux.NSIG:
        raise Errno(linux.EINVAL)
    info = None
    if at:
        number, info = given_info(kernel, signal, at)
    check_target(kernel, file.pid)
    return signal_process(kernel, number, info)


_P_ALL, _P_PID, _P_PGID, _P_PIDFD = range(4)
_WAIT_FOR = 0x2 | 0x4 | 0x8  # WSTOPPED, WEXITED, WCONTINUED


@syscall(247, "waitid", "partial", "there are no child processes: ECHILD")
def waitid(kernel: Kernel, kind: int, which: int, info: int, options: int, usage: int) -> int:
    if not options & _WAIT_FOR or options & 0xFFFFFFFF & ~0xE100000F:
        raise Errno(linux.EINVAL)
    kind &= 0xFFFFFFFF
    if kind > _P_PIDFD or (kind == _P_PID and signed32(which) <= 0):
        raise Errno(linux.EINVAL)
    if kind == _P_PIDFD and not isinstance(kernel.files.get(which), ProcessFile):
        raise Errno(linux.EBADF)
    raise Errno(linux.ECHILD)


@syscall(61, "wait4", "partial", "there are no child processes: ECHILD")
def wait4(kernel: Kernel, pid: int, status: int, options: int, usage: int) -> int:
    if options & 0xFFFFFFFF & ~0xE100000B:
        raise Errno(linux.EINVAL)
    raise Errno(linux.ECHILD)
