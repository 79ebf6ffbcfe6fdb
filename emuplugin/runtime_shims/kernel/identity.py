"""Who the process is: its number, user, groups, session and capabilities (man 7 credentials).

An ordinary user without any privilege, as in a container that was started with ``--user 1000
--cap-drop ALL --security-opt no-new-privileges``: changing to what one is already works, changing
to anything else does not.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import linux
from .signals import UID
from .table import Errno, refuse, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

GID = UID
#: The container's first process, which started this one. Nothing more is known of it.
INIT = 1
_KEEP = 0xFFFFFFFF  # -1: leave this one as it is
_CAPABILITY_VERSIONS = {0x19980330: 1, 0x20071026: 2, 0x20080522: 2}
_NEWEST_CAPABILITIES = 0x20080522


@dataclass(slots=True)
class Identity:
    """``group`` and ``session`` are the process group and session: the process leads both."""

    group: int
    session: int
    umask: int = 0o022


@syscall(39, "getpid")
def getpid(kernel: Kernel) -> int:
    return kernel.pid


@syscall(110, "getppid")
def getppid(kernel: Kernel) -> int:
    return INIT


for _number, _name in ((102, "getuid"), (104, "getgid"), (107, "geteuid"), (108, "getegid")):

    @syscall(_number, _name, "full", "an ordinary user, 1000")
    def _identity(kernel: Kernel) -> int:
        return UID


def _write_three(kernel: Kernel, *places: int) -> int:
    for at in places:
        kernel.write_u32(at, UID)
    return 0


@syscall(118, "getresuid")
def getresuid(kernel: Kernel, real: int, effective: int, saved: int) -> int:
    return _write_three(kernel, real, effective, saved)


@syscall(120, "getresgid")
def getresgid(kernel: Kernel, real: int, effective: int, saved: int) -> int:
    return _write_three(kernel, real, effective, saved)


def _change(*wanted: int, keep: bool = True) -> int:
    """Become one of ``wanted``: only what one is already."""
    for value in wanted:
        value &= _KEEP
        if value == _KEEP and not keep:
            raise Errno(linux.EINVAL)
        if value not in (UID, _KEEP):
            raise Errno(linux.EPERM)
    return 0


for _number, _name in ((105, "setuid"), (106, "setgid")):

    @syscall(_number, _name, "partial", "only to the user and group that one is")
    def _set_one(kernel: Kernel, wanted: int) -> int:
        return _change(wanted, keep=False)


for _number, _name in ((113, "setreuid"), (114, "setregid")):

    @syscall(_number, _name, "partial", "only to the user and group that one is")
    def _set_two(kernel: Kernel, real: int, effective: int) -> int:
        return _change(real, effective)


for _number, _name in ((117, "setresuid"), (119, "setresgid")):

    @syscall(_number, _name, "partial", "only to the user and group that one is")
    def _set_three(kernel: Kernel, real: int, effective: int, saved: int) -> int:
        return _change(real, effective, saved)


for _number, _name in ((122, "setfsuid"), (123, "setfsgid")):

    @syscall(_number, _name, "partial", "never changes anything, and has no way to say so")
    def _set_for_files(kernel: Kernel, wanted: int) -> int:
        return UID


@syscall(115, "getgroups")
def getgroups(kernel: Kernel, size: int, at: int) -> int:
    size = signed32(size)
    if size < 0:
        raise Errno(linux.EINVAL)
    if size:
        kernel.write_u32(at, GID)
    return 1


refuse(116, "setgroups", linux.EPERM, "needs a privilege")


# --- process group and session ------------------------------------------------------------------


def _own(kernel: Kernel, pid: int) -> None:
    """ESRCH unless ``pid`` is this process, by its number or as 0."""
    if signed32(pid) not in (0, kernel.pid):
        raise Errno(linux.ESRCH)


@syscall(111, "getpgrp")
def getpgrp(kernel: Kernel) -> int:
    return kernel.identity.group


@syscall(121, "getpgid")
def getpgid(kernel: Kernel, pid: int) -> int:
    if signed32(pid) == INIT:
        return INIT
    _own(kernel, pid)
    return kernel.identity.group


@syscall(124, "getsid")
def getsid(kernel: Kernel, pid: int) -> int:
    if signed32(pid) == INIT:
        return INIT
    _own(kernel, pid)
    return kernel.identity.session


@syscall(109, "setpgid", "partial", "the process leads its session, and so its group for ever")
def setpgid(kernel: Kernel, pid: int, group: int) -> int:
    if signed32(group) < 0:
        raise Errno(linux.EINVAL)
    _own(kernel, pid)
    raise Errno(linux.EPERM)


@syscall(112, "setsid", "partial", "the process leads its session already: EPERM")
def setsid(kernel: Kernel) -> int:
    raise Errno(linux.EPERM)


# --- capabilities -------------------------------------------------------------------------------


def _capability_words(kernel: Kernel, header: int) -> tuple[int, int]:
    """How many ``struct __user_cap_data_struct`` the version in the header has, and the pid."""
    version, pid = struct.unpack("<Ii", kernel.read(header, 8))
    if version not in _CAPABILITY_VERSIONS:
        kernel.write_u32(header, _NEWEST_CAPABILITIES)
        raise Errno(linux.EINVAL)
    if pid < 0:
        raise Errno(linux.EINVAL)
    return _CAPABILITY_VERSIONS[version], pid


@syscall(125, "capget", "full", "there are none")
def capget(kernel: Kernel, header: int, data: int) -> int:
    try:
        words, pid = _capability_words(kernel, header)
    except Errno:
        if not data:  # only asks for the version
            return 0
        raise
    if pid not in (0, INIT) and pid not in kernel.threads.all:
        raise Errno(linux.ESRCH)
    if data:
        kernel.write(data, bytes(12 * words))
    return 0


@syscall(126, "capset", "full", "there are none to be had")
def capset(kernel: Kernel, header: int, data: int) -> int:
    words, pid = _capability_words(kernel, header)
    if pid not in (0, kernel.threads.current.tid):
        raise Errno(linux.EPERM)
    if any(kernel.read(data, 12 * words)):
        raise Errno(linux.EPERM)
    return 0
