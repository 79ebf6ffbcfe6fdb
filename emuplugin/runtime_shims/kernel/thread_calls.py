"""System calls that start and end threads, and that a C library makes for them (man 2 clone)."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from emuplugin.cpu import registers as reg

from . import linux
from .table import Errno, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_SET_ARGUMENTS = 88  # struct clone_args as of 5.7
_FIRST_SIZE = 64  # CLONE_ARGS_SIZE_VER0


def _start_thread(
    kernel: Kernel, flags: int, stack: int, parent_tid: int, child_tid: int, tls: int
) -> int:
    """``kernel_clone``: the checks of ``copy_process``, then a thread."""
    if flags & linux.CLONE_FS and flags & (linux.CLONE_NEWNS | linux.CLONE_NEWUSER):
        raise Errno(linux.EINVAL)
    if flags & linux.CLONE_THREAD and not flags & linux.CLONE_SIGHAND:
        raise Errno(linux.EINVAL)
    if flags & linux.CLONE_SIGHAND and not flags & linux.CLONE_VM:
        raise Errno(linux.EINVAL)
    if flags & linux.CLONE_THREAD and flags & (linux.CLONE_NEWUSER | linux.CLONE_NEWPID):
        raise Errno(linux.EINVAL)
    if flags & linux.CLONE_PIDFD and flags & (linux.CLONE_DETACHED | linux.CLONE_THREAD):
        raise Errno(linux.EINVAL)
    if not flags & linux.CLONE_THREAD or flags & linux.CLONE_NAMESPACES:
        kernel.report_refusal("clone")
        kernel.report.process("clone", "a new process" if not flags & linux.CLONE_THREAD else "")
        raise Errno(linux.EPERM)
    if flags & linux.CLONE_SETTLS and tls >> 47:
        raise Errno(linux.EPERM)
    start = {reg.RAX: 0, reg.RIP: kernel.engine.rip + 2}  # behind the syscall instruction
    if stack:
        start[reg.RSP] = stack
    if flags & linux.CLONE_SETTLS:
        start[reg.FS_BASE] = tls
    if flags & linux.CLONE_PARENT_SETTID:
        kernel.check_writable(parent_tid, 4)
    thread = kernel.threads.add(start)
    if flags & linux.CLONE_PARENT_SETTID:
        kernel.write_u32(parent_tid, thread.tid)
    if flags & linux.CLONE_CHILD_SETTID:
        # As in Linux: the child writes it, and nobody hears of a failure.
        with suppress(Errno):
            kernel.write_u32(child_tid, thread.tid)
    if flags & linux.CLONE_CHILD_CLEARTID:
        thread.clear_child_tid = child_tid
    return thread.tid


@syscall(56, "clone", "partial", "threads of this process; a new process is refused with EPERM")
def clone(kernel: Kernel, flags: int, stack: int, parent_tid: int, child_tid: int, tls: int) -> int:
    flags &= 0xFFFFFFFF
    if flags & linux.CLONE_PIDFD and flags & linux.CLONE_PARENT_SETTID:
        raise Errno(linux.EINVAL)  # both would write to the same place
    # The low byte is the exit signal here; it means nothing for threads.
    return _start_thread(kernel, flags & ~linux.CSIGNAL, stack, parent_tid, child_tid, tls)


@syscall(435, "clone3", "partial", "threads of this process; a new process is refused with EPERM")
def clone3(kernel: Kernel, at: int, size: int) -> int:
    if size < _FIRST_SIZE:
        raise Errno(linux.EINVAL)
    if size > 4096:
        raise Errno(linux.E2BIG)
    data = kernel.read(at, size)
    if any(data[_SET_ARGUMENTS:]):
        raise Errno(linux.E2BIG)
    fields = struct.unpack("<11Q", data[:_SET_ARGUMENTS].ljust(_SET_ARGUMENTS, b"\0"))
    flags, _, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, count, _ = fields
    if flags & (linux.CSIGNAL & ~0x80 | linux.CLONE_DETACHED) or flags >> 34:
        raise Errno(linux.EINVAL)
    if exit_signal & ~linux.CSIGNAL or (flags & linux.CLONE_THREAD and exit_signal):
        raise Errno(linux.EINVAL)
    if bool(stack) != bool(stack_size) or bool(set_tid) != bool(count):
        raise Errno(linux.EINVAL)
    if count:
        raise Errno(linux.EPERM if count <= 32 else linux.EINVAL)
    if flags & linux.CLONE_FS and flags & linux.CLONE_NEWNS:
        raise Errno(linux.EINVAL)
    return _start_thread(kernel, flags, stack + stack_size, parent_tid, child_tid, tls)


@syscall(60, "exit")
def exit_(kernel: Kernel, status: int) -> int:
    if len(kernel.threads.all) == 1:
        kernel.exit(status & 0xFF)
    kernel.threads.exit_current()
    raise AssertionError("unreachable")


@syscall(231, "exit_group")
def exit_group(kernel: Kernel, status: int) -> int:
    kernel.exit(status & 0xFF)
    raise AssertionError("unreachable")


@syscall(186, "gettid")
def gettid(kernel: Kernel) -> int:
    return kernel.threads.current.tid


@syscall(218, "set_tid_address")
def set_tid_address(kernel: Kernel, at: int) -> int:
    kernel.threads.current.clear_child_tid = at
    return kernel.threads.current.tid


@syscall(273, "set_robust_list")
def set_robust_list(kernel: Kernel, head: int, size: int) -> int:
    if size != 24:
        raise Errno(linux.EINVAL)
    kernel.threads.current.robust_list = head
    return 0


@syscall(274, "get_robust_list")
def get_robust_list(kernel: Kernel, tid: int, head: int, size: int) -> int:
    thread = kernel.threads.all.get(signed32(tid)) if tid else kernel.threads.current
    if thread is None:
        raise Errno(linux.ESRCH)
    kernel.write_u64(size, 24)
    kernel.write_u64(head, thread.robust_list)
    return 0
