"""The process as such: identity, limits, randomness, and what it may not do."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emuplugin.cpu import registers as reg

from . import linux
from .table import Errno, refuse, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_RANDOM_MAX = 33554431  # what one getrandom call gives at most (man 2 getrandom)
_UNAME = ("Linux", "emuplugin", "6.1.0", "#1 emuplugin", "x86_64", "(none)")


@syscall(39, "getpid")
def getpid(kernel: Kernel) -> int:
    return kernel.pid


@syscall(110, "getppid")
def getppid(kernel: Kernel) -> int:
    return 0


for _number, _name in ((102, "getuid"), (104, "getgid"), (107, "geteuid"), (108, "getegid")):

    @syscall(_number, _name, "full", "an ordinary user, 1000")
    def _identity(kernel: Kernel) -> int:
        return 1000


@syscall(63, "uname")
def uname(kernel: Kernel, at: int) -> int:
    kernel.write(at, b"".join(field.encode().ljust(65, b"\0") for field in _UNAME))
    return 0


@syscall(318, "getrandom")
def getrandom(kernel: Kernel, at: int, size: int, flags: int) -> int:
    size = min(size, _RANDOM_MAX)
    kernel.check_writable(at, size)
    kernel.write(at, kernel.random(size))
    return size


@syscall(158, "arch_prctl")
def arch_prctl(kernel: Kernel, code: int, at: int) -> int:
    registers = {linux.ARCH_SET_FS: reg.FS_BASE, linux.ARCH_SET_GS: reg.GS_BASE}
    readers = {linux.ARCH_GET_FS: reg.FS_BASE, linux.ARCH_GET_GS: reg.GS_BASE}
    if code in registers:
        if at >> 47:
            raise Errno(linux.EPERM)
        kernel.engine.write_register(registers[code], at)
        return 0
    if code in readers:
        kernel.write_u64(at, kernel.engine.read_register(readers[code]))
        return 0
    raise Errno(linux.EINVAL)


@syscall(302, "prlimit64", "partial", "reads; changes are accepted and ignored")
def prlimit64(kernel: Kernel, pid: int, resource: int, new: int, old: int) -> int:
    resource = signed32(resource)
    if not 0 <= resource < 16:
        raise Errno(linux.EINVAL)
    limit = linux.RLIM_INFINITY
    if resource == linux.RLIMIT_NOFILE:
        limit = kernel.sandbox.limits.open_files
    elif resource == linux.RLIMIT_STACK:
        limit = 8 << 20
    if new:
        kernel.read(new, 16)
    if old:
        kernel.write(old, struct.pack("<QQ", limit, limit))
    return 0


@syscall(97, "getrlimit")
def getrlimit(kernel: Kernel, resource: int, at: int) -> int:
    return prlimit64(kernel, 0, resource, 0, at)


@syscall(160, "setrlimit", "partial", "accepted and ignored")
def setrlimit(kernel: Kernel, resource: int, at: int) -> int:
    return prlimit64(kernel, 0, resource, at, 0)


@syscall(99, "sysinfo", "partial", "memory and uptime")
def sysinfo(kernel: Kernel, at: int) -> int:
    total = kernel.space.max_pages << 12
    free = (kernel.space.max_pages - kernel.space.present_pages) << 12
    uptime = kernel.clock.monotonic() // 1_000_000_000
    words = (uptime, 0, 0, 0, total, free, 0, 0, 0, 0)
    kernel.write(at, struct.pack("<10QHHIQQI4x", *words, 1, 0, 0, 0, 0, 1))
    return 0


@syscall(98, "getrusage", "partial", "the virtual clock as user time, and the peak of memory")
def getrusage(kernel: Kernel, who: int, at: int) -> int:
    now = kernel.clock.monotonic()
    peak = kernel.space.peak_pages * 4
    fields = (now // 1_000_000_000, now % 1_000_000_000 // 1000, 0, 0, peak, *[0] * 13)
    kernel.write(at, struct.pack("<18q", *fields))
    return 0


@syscall(79, "getcwd")
def getcwd(kernel: Kernel, at: int, size: int) -> int:
    if size < 2:
        raise Errno(linux.ERANGE)
    kernel.write(at, b"/\0")
    return 2


@syscall(89, "readlink", "partial", "/proc/self/exe only")
def readlink(kernel: Kernel, path: int, at: int, size: int) -> int:
    if kernel.read_path(path) != "/proc/self/exe":
        raise Errno(linux.EINVAL)
    target = kernel.sandbox.args[0].encode(errors="surrogateescape") if kernel.sandbox.args else b""
    kernel.write(at, target[:size])
    return min(len(target), size)


@syscall(267, "readlinkat", "partial", "/proc/self/exe only")
def readlinkat(kernel: Kernel, directory: int, path: int, at: int, size: int) -> int:
    return readlink(kernel, path, at, size)


@syscall(157, "prctl", "partial", "names of threads and of memory are accepted and ignored")
def prctl(kernel: Kernel, option: int) -> int:
    if option & 0xFFFFFFFF not in (15, 0x53564D41):  # PR_SET_NAME, PR_SET_VMA
        raise Errno(linux.EINVAL)
    return 0


@syscall(334, "rseq", "refused", "ENOSYS: nothing may depend on it")
def rseq(kernel: Kernel) -> int:
    raise Errno(linux.ENOSYS)


for _number, _name in (
    (57, "fork"), (58, "vfork"), (59, "execve"), (322, "execveat"), (101, "ptrace"),
    (165, "mount"), (166, "umount2"), (155, "pivot_root"), (161, "chroot"), (175, "init_module"),
    (313, "finit_module"), (176, "delete_module"), (246, "kexec_load"), (169, "reboot"),
    (272, "unshare"), (308, "setns"), (321, "bpf"), (298, "perf_event_open"), (167, "swapon"),
    (310, "process_vm_readv"), (311, "process_vm_writev"), (323, "userfaultfd"),
    (425, "io_uring_setup"),
):  # fmt: skip
    refuse(_number, _name, linux.EPERM, "not from inside a machine")
for _number, _name in ((41, "socket"), (53, "socketpair")):
    refuse(_number, _name, linux.EACCES, "no network is granted")
