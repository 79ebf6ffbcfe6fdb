"""The process as such: its system, randomness, and settings (man 2 uname, prctl)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.cpu import registers as reg

from . import linux
from .table import Errno, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_RANDOM_MAX = 33554431  # what one getrandom call gives at most (man 2 getrandom)
_UNAME = ("Linux", "emuplugin", "6.1.0", "#1 emuplugin", "x86_64", "(none)")


@syscall(63, "uname")
def uname(kernel: Kernel, at: int) -> int:
    kernel.write(at, b"".join(field.encode().ljust(65, b"\0") for field in _UNAME))
    return 0


@syscall(318, "getrandom")
def getrandom(kernel: Kernel, at: int, size: int, flags: int) -> int:
    # GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE; the last two exclude each other.
    if flags & 0xFFFFFFFF & ~7 or flags & 6 == 6:
        raise Errno(linux.EINVAL)
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


# --- prctl ----------------------------------------------------------------------------------

_NAME_SIZE = 16
_SET_PDEATHSIG, _GET_PDEATHSIG, _GET_DUMPABLE, _SET_DUMPABLE = 1, 2, 3, 4
_GET_KEEPCAPS, _SET_KEEPCAPS, _SET_NAME, _GET_NAME, _GET_SECCOMP = 7, 8, 15, 16, 21
_CAPBSET_READ, _CAPBSET_DROP, _GET_TSC, _SET_TIMERSLACK, _GET_TIMERSLACK = 23, 24, 25, 29, 30
_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS, _GET_NO_NEW_PRIVS = 36, 37, 38, 39
_SET_THP_DISABLE, _GET_THP_DISABLE, _CAP_AMBIENT, _SET_VMA = 41, 42, 47, 0x53564D41
_LAST_CAPABILITY = 40  # CAP_CHECKPOINT_RESTORE
#: Settings that are kept: how they are set, how they are read, which values there are, where to.
_KEPT = (
    (_SET_PDEATHSIG, _GET_PDEATHSIG, range(linux.NSIG + 1), True, 0),
    (_SET_DUMPABLE, _GET_DUMPABLE, range(2), False, 1),
    (_SET_KEEPCAPS, _GET_KEEPCAPS, range(2), False, 0),
    (_SET_TIMERSLACK, _GET_TIMERSLACK, range(1 << 63), False, 50_000),
    (_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER, range(1 << 63), True, 0),
    (_SET_NO_NEW_PRIVS, _GET_NO_NEW_PRIVS, range(1, 2), False, 1),
    (_SET_THP_DISABLE, _GET_THP_DISABLE, range(1 << 63), False, 0),
)


def _kept_setting(kernel: Kernel, option: int, value: int) -> int | None:
    for setter, getter, allowed, by_pointer, initial in _KEPT:
        if option == setter:
            if value not in allowed:
                raise Errno(linux.EINVAL)
            kernel.settings[getter] = value
            return 0
        if option == getter:
            current = kernel.settings.get(getter, initial)
            if not by_pointer:
                return current
            kernel.write_u32(value, current)
            return 0
    return None


@syscall(157, "prctl", "partial", "names, and what a process without privilege sets and reads")
def prctl(kernel: Kernel, option: int, value: int, third: int, fourth: int, fifth: int) -> int:
    option &= 0xFFFFFFFF
    kept = _kept_setting(kernel, option, value)
    if kept is not None:
        return kept
    if option == _SET_NAME:
        name = kernel.memory.read_string(value, _NAME_SIZE)
        kernel.threads.current.name = name[: _NAME_SIZE - 1]
        return 0
    if option == _GET_NAME:
        kernel.write(value, kernel.threads.current.name.ljust(_NAME_SIZE, b"\0"))
        return 0
    if option == _GET_SECCOMP:
        return 0
    if option == _GET_TSC:
        kernel.write_u32(value, 1)  # PR_TSC_ENABLE
        return 0
    if option in (_CAPBSET_READ, _CAPBSET_DROP):
        if value > _LAST_CAPABILITY:
            raise Errno(linux.EINVAL)
        if option == _CAPBSET_DROP:
            raise Errno(linux.EPERM)
        return 0
    if option == _CAP_AMBIENT:
        return _ambient(value, third)
    if option == _SET_VMA:
        return 0  # a name for anonymous memory
    raise Errno(linux.EINVAL)


def _ambient(action: int, capability: int) -> int:
    """PR_CAP_AMBIENT: IS_SET, RAISE, LOWER, CLEAR_ALL."""
    if action == 4:
        return 0
    if capability > _LAST_CAPABILITY or action not in (1, 2, 3):
        raise Errno(linux.EINVAL)
    if action == 2:
        raise Errno(linux.EPERM)
    return 0


_PERSONALITY_QUERY = 0xFFFFFFFF


@syscall(135, "personality", "partial", "only Linux's own, without options")
def personality(kernel: Kernel, wanted: int) -> int:
    if wanted & 0xFFFFFFFF not in (0, _PERSONALITY_QUERY):
        raise Errno(linux.EINVAL)
    return 0
