"""Why a machine is not kept on disk."""

from __future__ import annotations

from collections.abc import Iterable

from emuplugin.runtime_shims.kernel.kernel import Kernel
from emuplugin.runtime_shims.kernel.table import TABLE
from emuplugin.runtime_shims.layouts.tables import is_measured
from emuplugin.runtime_shims.program import Program

#: System calls that look into the file tree, by path or from a directory that is open.
_OF_FILES = frozenset(
    (
        "open", "openat", "openat2", "creat", "stat", "lstat", "newfstatat", "statx", "access",
        "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd", "chdir", "fchdir", "statfs",
        "fstatfs", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat",
        "renameat2", "link", "linkat", "symlink", "symlinkat", "chmod", "fchmodat", "fchmodat2",
        "chown", "lchown", "fchownat", "utimensat", "utimes", "utime", "futimesat", "truncate",
        "memfd_create",
    )
)  # fmt: skip
#: All others whose effect is in what is saved, or which have none.
_KNOWN = _OF_FILES | frozenset(
    (
        "mmap", "munmap", "madvise", "mprotect", "mremap", "mincore", "brk", "mlock", "mlock2",
        "munlock", "munlockall", "membarrier", "rseq",
        "rt_sigprocmask", "rt_sigaction", "rt_sigreturn", "rt_sigpending", "sigaltstack", "kill",
        "tkill", "tgkill",
        "clone", "clone3", "exit", "gettid", "set_tid_address", "set_robust_list",
        "get_robust_list", "futex", "arch_prctl", "prctl",
        "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getscheduler",
        "sched_getparam", "getcpu", "getpriority", "setpriority",
        "getpid", "getppid", "getuid", "getgid", "geteuid", "getegid", "getresuid", "getresgid",
        "getgroups", "getpgrp", "getpgid", "getsid", "capget", "umask",
        "getrlimit", "setrlimit", "prlimit64", "getrusage", "times", "sysinfo", "uname",
        "getrandom",
        "clock_gettime", "clock_getres", "gettimeofday", "time", "nanosleep", "clock_nanosleep",
        "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev",
        "pwritev2", "lseek", "close", "close_range", "fcntl", "ioctl", "dup", "dup2", "dup3",
        "fstat", "getdents", "getdents64", "ftruncate", "fsync", "fdatasync", "fchmod", "fchown",
        "fadvise64", "flock", "poll", "ppoll", "select", "pselect6",
        "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
        "eventfd", "eventfd2", "pipe", "pipe2", "signalfd", "signalfd4", "pidfd_open",
        "pidfd_send_signal", "waitid", "wait4",
    )
)  # fmt: skip
_REFUSED = frozenset(entry.name for entry in TABLE.values() if entry.level == "refused")


class NotSavedError(Exception):
    """The machine cannot be kept on disk. The message says why."""


def looks_at_files(kernel: Kernel) -> bool:
    """Whether something has asked for files, and so may have seen what is in them."""
    return not _OF_FILES.isdisjoint(kernel.calls)


def check(program: Program) -> None:
    """Raises NotSavedError. What this leaves to others: objects of the kernel that are not kept."""
    kernel = program.process.kernel
    other = kernel.calls.keys() - _KNOWN - _REFUSED
    files = looks_at_files(kernel)
    reasons: Iterable[tuple[object, str]] = (
        (not kernel.sandbox.repeats, "its clock or its chance is the host's"),
        (len(program.modules) != 1, "several plugins are open"),
        (not is_measured(program.build_info.go_version), "its Go version was not measured"),
        (kernel.report.connections.counts, "its inits have asked for connections"),
        (other, f"its inits made the system calls {', '.join(sorted(other))}"),
        (kernel.standard.all[0].was_read, "its inits have read standard input"),
        (not kernel.standard.printed.complete, "its inits have printed much"),
        (kernel.standard.captured is not None, "it was about to end"),
        (files and kernel.tree.has_shown_hosts, "its inits have looked at files of the host"),
        (kernel.mappings.count, "its inits have mapped files"),
        (not kernel.timers.idle, "its inits have set timers of the kernel"),
        (kernel.signals.posted, "signals are pending"),
        (kernel.outside.active or kernel.network.checked, "it waits for the host"),
        (len(program.roots), "Python holds values of it"),
        (not program.endings.is_quiet, "a call is ending"),
        (program.boot.monitor is None or program.boot.monitor.state is None, "it is not booted"),
        ("type_area" in vars(program), "types were made"),
        (any(host.parked or host.ended for host in program.caller.hosts.values()), "calls are on"),
    )
    for applies, reason in reasons:
        if applies:
            raise NotSavedError(reason)
