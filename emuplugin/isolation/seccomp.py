"""Filters of system calls: programs of classic BPF that the Linux kernel runs at each call.

``include/uapi/linux/{seccomp,filter,audit}.h``. The filter holds for all threads of the process,
for good, and for what it might start.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

# sock_filter {code u16, jt u8, jf u8, k u32}
_INSTRUCTION: Final = struct.Struct("<HBBI")
_LOAD, _EQUAL, _BITS, _RETURN, _JUMP_GE = 0x20, 0x15, 0x45, 0x06, 0x35
# struct seccomp_data {nr i32, arch u32, instruction_pointer u64, args [6]u64}
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_X32_BIT = 0x40000000

_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1

CLONE_THREAD: Final = 0x10000


class Architecture(NamedTuple):
    """``audit`` is AUDIT_ARCH_*, ``seccomp`` the number of the system call of that name, ``calls``
    the numbers of those that filters here speak of."""

    audit: int
    seccomp: int
    calls: Mapping[str, int]


_X86_64 = Architecture(
    0xC000003E,
    317,
    {
        "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7,
        "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13,
        "rt_sigprocmask": 14, "rt_sigreturn": 15, "ioctl": 16, "pread64": 17, "pwrite64": 18,
        "readv": 19, "writev": 20, "access": 21, "sched_yield": 24, "mremap": 25, "madvise": 28,
        "dup": 32, "nanosleep": 35, "getpid": 39, "socket": 41, "connect": 42, "accept": 43,
        "sendto": 44, "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "shutdown": 48, "bind": 49,
        "listen": 50, "getsockname": 51, "getpeername": 52, "socketpair": 53, "setsockopt": 54,
        "getsockopt": 55, "clone": 56, "exit": 60, "uname": 63, "fcntl": 72, "flock": 73,
        "fsync": 74, "fdatasync": 75, "truncate": 76, "ftruncate": 77, "getcwd": 79, "rename": 82,
        "mkdir": 83, "rmdir": 84, "link": 86, "unlink": 87, "symlink": 88, "readlink": 89,
        "fchmod": 91, "umask": 95, "gettimeofday": 96, "getrlimit": 97, "getrusage": 98,
        "sysinfo": 99, "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108,
        "sigaltstack": 131, "statfs": 137, "fstatfs": 138, "gettid": 186, "time": 201,
        "futex": 202, "sched_getaffinity": 204, "getdents64": 217, "epoll_wait": 232,
        "epoll_ctl": 233, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
        "exit_group": 231, "tgkill": 234, "openat": 257, "mkdirat": 258, "newfstatat": 262,
        "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266, "readlinkat": 267,
        "fchmodat": 268, "faccessat": 269, "ppoll": 271, "set_robust_list": 273, "utimensat": 280,
        "epoll_pwait": 281, "fallocate": 285, "accept4": 288, "epoll_create1": 291, "dup3": 292,
        "pipe2": 293, "prlimit64": 302, "renameat2": 316, "getrandom": 318, "memfd_create": 319,
        "membarrier": 324, "copy_file_range": 326, "statx": 332, "rseq": 334, "clone3": 435,
        "openat2": 437, "faccessat2": 439, "sendmmsg": 307, "recvmmsg": 299, "lgetxattr": 192,
        "pselect6": 270, "select": 23, "fadvise64": 221, "sync_file_range": 277,
    },
)  # fmt: skip
_ARM64 = Architecture(
    0xC00000B7,
    277,
    {
        "getcwd": 17, "epoll_create1": 20, "epoll_ctl": 21, "epoll_pwait": 22, "dup": 23,
        "dup3": 24, "fcntl": 25, "ioctl": 29, "flock": 32, "mkdirat": 34, "unlinkat": 35,
        "symlinkat": 36, "linkat": 37, "renameat": 38, "statfs": 43, "fstatfs": 44, "truncate": 45,
        "ftruncate": 46, "fallocate": 47, "faccessat": 48, "fchmod": 52, "fchmodat": 53,
        "openat": 56, "close": 57, "pipe2": 59, "getdents64": 61, "lseek": 62, "read": 63,
        "write": 64, "readv": 65, "writev": 66, "pread64": 67, "pwrite64": 68, "pselect6": 72,
        "ppoll": 73, "readlinkat": 78, "newfstatat": 79, "fstat": 80, "fsync": 82, "fdatasync": 83,
        "sync_file_range": 84, "utimensat": 88, "exit": 93, "exit_group": 94, "futex": 98,
        "set_robust_list": 99, "nanosleep": 101, "clock_gettime": 113, "clock_getres": 114,
        "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124, "tgkill": 131,
        "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139,
        "times": 153, "uname": 160, "getrlimit": 163, "getrusage": 165, "umask": 166,
        "gettimeofday": 169, "getpid": 172, "getuid": 174, "geteuid": 175, "getgid": 176,
        "getegid": 177, "gettid": 178, "sysinfo": 179, "socket": 198, "socketpair": 199,
        "bind": 200, "listen": 201, "accept": 202, "connect": 203, "getsockname": 204,
        "getpeername": 205, "sendto": 206, "recvfrom": 207, "setsockopt": 208, "getsockopt": 209,
        "shutdown": 210, "sendmsg": 211, "recvmsg": 212, "brk": 214, "munmap": 215, "mremap": 216,
        "clone": 220, "mmap": 222, "fadvise64": 223, "mprotect": 226, "madvise": 233,
        "accept4": 242, "recvmmsg": 243, "prlimit64": 261, "sendmmsg": 269, "renameat2": 276,
        "getrandom": 278, "memfd_create": 279, "membarrier": 283, "copy_file_range": 285,
        "statx": 291, "rseq": 293, "clone3": 435, "openat2": 437, "faccessat2": 439,
        "lgetxattr": 9,
    },
)  # fmt: skip

_ARCHITECTURES: Final = {"x86_64": _X86_64, "aarch64": _ARM64}


def architecture() -> Architecture | None:
    """That of this process; None where no filter is known for it."""
    return _ARCHITECTURES.get(platform.machine()) if struct.calcsize("P") == 8 else None


def program(
    arch: Architecture, allowed: Iterable[str], refused: Mapping[str, int]
) -> list[tuple[int, int, int, int]]:
    """A filter that lets ``allowed`` calls pass, answers ``refused`` ones with an error number,
    and ends the process at any other. ``clone`` passes for threads only. Calls that the
    architecture does not have are left out."""
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, arch.audit),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_GE, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL_PROCESS),
    ]
    verdicts = dict.fromkeys(sorted(set(allowed)), _ALLOW)
    for name, error in refused.items():
        verdicts.setdefault(name, _ERRNO | error)
    for name, verdict in verdicts.items():
        number = arch.calls.get(name)
        if number is not None:
            code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, verdict)]
    code += [
        (_EQUAL, 0, 3, arch.calls["clone"]),
        (_LOAD, 0, 0, _ARGUMENTS),
        (_BITS, 0, 1, CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _KILL_PROCESS),
    ]
    return code


class _Program(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(arch: Architecture, code: list[tuple[int, int, int, int]]) -> None:
    """Put a filter on this process, all its threads. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        _fail()
    image = b"".join(_INSTRUCTION.pack(*instruction) for instruction in code)
    fprog = _Program(len(code), image)
    if libc.syscall(arch.seccomp, _SECCOMP_SET_MODE_FILTER, _FLAG_TSYNC, ctypes.byref(fprog)):
        _fail()


def _fail() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
