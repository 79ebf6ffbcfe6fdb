"""What the worker gives up before it opens the first plugin.

On Linux: system calls (seccomp), files (Landlock, where the sandbox mounts folders), privileges,
core dumps, other processes' eyes. On other systems nothing: there the worker is a process of its
own, and that is all. What was done is told to the parent: see :class:`Isolation`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import pkgutil
import signal
import sys
from typing import Any, Final

from emuplugin.cpu.host_code import is_supported
from emuplugin.cpu.host_pages import leave_size_alone
from emuplugin.cpu.physical import PhysicalMemory
from emuplugin.isolation import landlock, seccomp
from emuplugin.runtime_shims.layouts import tables
from emuplugin.sandbox import Sandbox

#: What the emulator and Python's own runtime need: memory, threads, time, the two sockets.
_BASE: Final = (
    "read", "write", "close", "fstat", "poll", "lseek", "mmap", "mprotect", "munmap", "brk",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sched_yield", "mremap", "madvise",
    "nanosleep", "getpid", "sendto", "recvfrom", "exit", "gettimeofday", "getrusage", "times",
    "getuid", "getgid", "geteuid", "getegid", "sigaltstack", "gettid", "time", "futex",
    "sched_getaffinity", "clock_gettime", "clock_getres", "clock_nanosleep", "exit_group",
    "ppoll", "select", "pselect6", "set_robust_list", "getrandom", "membarrier", "rseq", "sysinfo",
    # emuplugin.runtime_shims.kernel.outside: the machine's own wake-up pair.
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "getsockopt", "setsockopt",
    "getsockname", "shutdown",
)  # fmt: skip
#: What libraries try and can do without.
_REFUSED: Final = {
    "clone3": errno.ENOSYS,  # glibc goes on with clone, whose flags a filter can see
    **dict.fromkeys(
        (
            "open", "openat", "openat2", "stat", "lstat", "newfstatat", "statx", "access",
            "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd", "statfs", "getdents64",
            "getrlimit", "prlimit64", "ioctl", "fcntl", "uname", "tgkill",
        ),
        errno.EPERM,
    ),
}  # fmt: skip
_SOCKET_PAIR: Final = ("socketpair", "fcntl", "ioctl")
_FILES: Final = (
    "open", "openat", "openat2", "stat", "lstat", "newfstatat", "statx", "access", "faccessat",
    "faccessat2", "readlink", "readlinkat", "getdents64", "statfs", "fstatfs", "pread64", "readv",
    "dup", "dup3", "fcntl", "flock", "lgetxattr", "fadvise64", "getcwd",
)  # fmt: skip
_WRITING: Final = (
    "pwrite64", "writev", "fsync", "fdatasync", "truncate", "ftruncate", "rename", "renameat",
    "renameat2", "mkdir", "mkdirat", "rmdir", "link", "linkat", "unlink", "unlinkat", "symlink",
    "symlinkat", "fchmod", "fchmodat", "umask", "utimensat", "fallocate", "copy_file_range",
    "sync_file_range",
)  # fmt: skip
_NETWORK: Final = (
    "socket", "connect", "accept", "accept4", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg",
    "bind", "listen", "getpeername", "socketpair", "fcntl", "ioctl", "uname",
)  # fmt: skip
#: What resolving names reads, besides C libraries.
_RESOLVER: Final = ("/etc", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/run/systemd/resolve")

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_OPEN_FILES = 64


class Hardening:
    """What is done to one worker, as its sandbox allows."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._applied = False
        self._arch = seccomp.architecture() if sys.platform == "linux" else None
        self._landlock = landlock.version() if sys.platform == "linux" else 0

    @property
    def _network(self) -> bool:
        return bool(self._sandbox.network.connect or self._sandbox.network.listen)

    @property
    def _folders(self) -> dict[str, bool]:
        """The host's folders that the sandbox grants, and whether they may be changed."""
        folders = {mount.path: mount.mode == "write" for mount in self._sandbox.mounts.values()}
        if self._network:
            folders |= {path: False for path in _RESOLVER if path not in folders}
        return folders

    def plan(self) -> dict[str, Any]:
        """What will be done, for :class:`emuplugin.isolation.info.Isolation`."""
        files = "none"
        if self._arch is None:
            files = "all"
        elif self._sandbox.mounts or self._network:
            files = "granted" if self._landlock else "all"
        return {
            "system_calls": "filtered" if self._arch is not None else "all",
            "files": files,
            "network": "all" if self._arch is None or self._network else "none",
        }

    def prepare(self) -> None:
        """Import and read what is needed later: then no file can be opened."""
        _load_everything()
        is_supported()  # remembers what the host's processor is
        # Files in memory and the host's page map are out of reach from then on.
        PhysicalMemory.copying = True
        leave_size_alone()

    def apply(self, *, dwarf: bool) -> None:
        """Give up what is not needed; only the first time counts. ``dwarf``: the first plugin's
        layouts will have to be read from its DWARF."""
        if self._applied:
            return
        self._applied = True
        if dwarf:
            importlib.import_module("emuplugin.runtime_shims.layouts.dwarf")
        if sys.platform != "linux":
            return
        self._limit()
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        if self._folders and self._landlock:
            libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS, which Landlock asks for
            folders = self._folders
            landlock.restrict({path: w for path, w in folders.items() if _exists(path)})
        if self._arch is not None:
            allowed, refused = self._calls()
            seccomp.install(self._arch, seccomp.program(self._arch, allowed, refused))

    def _calls(self) -> tuple[set[str], dict[str, int]]:
        allowed = {*_BASE, *_SOCKET_PAIR}
        if self._folders:
            allowed.update(_FILES)
        if any(self._folders.values()):
            allowed.update(_WRITING)
        if self._network:
            allowed.update(_NETWORK)
        return allowed, {name: no for name, no in _REFUSED.items() if name not in allowed}

    def _limit(self) -> None:
        import resource

        limits = self._sandbox.limits
        writes = any(mount.mode == "write" for mount in self._sandbox.mounts.values())
        largest = (limits.file_bytes or resource.RLIM_INFINITY) if writes else 0
        host_files = bool(self._sandbox.mounts) or self._network
        for kind, value in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, largest),
            (resource.RLIMIT_NOFILE, _OPEN_FILES + (limits.open_files if host_files else 0)),
        ):
            _soft, hard = resource.getrlimit(kind)
            if hard != resource.RLIM_INFINITY:
                value = min(value, hard) if value != resource.RLIM_INFINITY else hard
            resource.setrlimit(kind, (value, value))
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            # If memory runs out, it is this process that goes.
            file.write("1000")


def _load_everything() -> None:
    import emuplugin

    for package in ("values", "runtime_shims", "cpu", "elf", "snapshots"):
        path = f"{emuplugin.__path__[0]}/{package}"
        for module in pkgutil.walk_packages([path], f"emuplugin.{package}."):
            if module.name.rpartition(".")[2] not in _LEFT_OUT:
                importlib.import_module(module.name)
    for version in tables.known_versions():
        tables.load_table(version)
    for name in _LATER:
        importlib.import_module(name)
    # Codecs are looked up by name when they are first used.
    "x".encode("utf-8", "surrogatepass").decode("latin-1").encode("ascii")


_LEFT_OUT: Final = ("dwarf", "debug_info", "generate", "wanted")
_LATER: Final = (
    "capstone.x86_const", "concurrent.futures.thread", "difflib", "emuplugin.report", "html",
    "json", "linecache", "selectors", "traceback", "unicorn.unicorn_py3.arch.intel",
    # The resolver's; dnspython loads the kinds of records that answers have one by one.
    "dns.message", "dns.reversename", "dns.rrset", "dns.rdtypes.IN.A", "dns.rdtypes.IN.AAAA",
    "dns.rdtypes.ANY.PTR", "dns.rdtypes.ANY.OPT",
)  # fmt: skip


def _exists(path: str) -> bool:
    import os

    return os.path.isdir(path)
