"""The clock as code for the guest, as Linux has it in its vDSO: reading it is no system call.

Go looks for ``__vdso_clock_gettime`` in what the kernel maps into each process, and calls it by C's
conventions (``runtime/sys_linux_amd64.s``: ``nanotime1``).
"""

from __future__ import annotations

import struct

from emuplugin.cpu.listing import assemble

_SECOND = 1_000_000_000
_LISTING = """
    83ff01                   | 00  cmp edi, 1
    772e                     | 03  ja 0x33
    0f31                     | 05  rdtsc
    48c1e220                 | 07  shl rdx, 0x20
    4809d0                   | 0b  or rax, rdx
    85ff                     | 0e  test edi, edi
    750d                     | 10  jne 0x1f
    48b9{realtime}           | 12  movabs rcx, realtime
    4801c8                   | 1c  add rax, rcx
    31d2                     | 1f  xor edx, edx
    b9{second}               | 21  mov ecx, second
    48f7f1                   | 26  div rcx
    488906                   | 29  mov qword ptr [rsi], rax
    48895608                 | 2c  mov qword ptr [rsi + 8], rdx
    31c0                     | 30  xor eax, eax
    c3                       | 32  ret
    b8e4000000               | 33  mov eax, 0xe4
    0f05                     | 38  syscall
    c3                       | 3a  ret
"""


def clock_gettime(offset: int) -> bytes:
    """``int clock_gettime(clockid_t, struct timespec *)``, where the time-stamp counter is
    CLOCK_MONOTONIC in nanoseconds and CLOCK_REALTIME is ``offset`` ahead of it. Other clocks it
    leaves to the kernel."""
    values = {"realtime": struct.pack("<Q", offset), "second": struct.pack("<I", _SECOND)}
    return assemble(_LISTING, 0, values, {})
