"""Landlock: which paths a process may reach, kept by the Linux kernel (5.13 and later).

``include/uapi/linux/landlock.h``. What is not granted is refused with EACCES, for good.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Mapping
from typing import Final

# The same on all architectures.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_VERSION_FLAG = 1

# LANDLOCK_ACCESS_FS_*
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST = (1 << 13) - 1
_DEVICES = 1 << 6 | 1 << 11  # MAKE_CHAR, MAKE_BLOCK
_EXECUTE = 1 << 0

READ: Final = _READ_FILE | _READ_DIR


def version() -> int:
    """The kernel's version of Landlock, 0 without."""
    found = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    return max(int(found), 0)


def restrict(folders: Mapping[str, bool]) -> None:
    """Let this thread, and those that it starts, reach files below ``folders`` only; True is for
    those that may be written to. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    known = _known()
    # struct landlock_ruleset_attr {handled_access_fs u64}
    attributes = struct.pack("<Q", known)
    ruleset = _check(libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        for path, writable in folders.items():
            access = known & ~(_EXECUTE | _DEVICES | _IOCTL_DEV) if writable else READ
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                # struct landlock_path_beneath_attr, packed: {allowed_access u64, parent_fd s32}
                rule = struct.pack("<Qi", access, folder)
                _check(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
            finally:
                os.close(folder)
        _check(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _known() -> int:
    """All accesses that this kernel can refuse."""
    number = version()
    access = _FIRST
    for since, bit in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        if number >= since:
            access |= bit
    return access


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
