"""Calls with arguments that Linux refuses, whoever asks: the same errors as natively.

Only calls whose outcome does not depend on privileges, limits or the state of the host.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emuplugin import Limits, Machine, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import Native, PluginPath
from tests.values.symbols import func_of

MAX = (1 << 64) - 1
BAD = 8  # a pointer that leads nowhere
BUFFER = "buffer"  # a pointer to zeros
CALLS: dict[str, tuple[int | str, ...]] = {
    "rt_sigaction of 0": (13, 0, BUFFER, 0, 8),
    "rt_sigaction of 65": (13, 65, BUFFER, 0, 8),
    "rt_sigaction of SIGKILL": (13, 9, BUFFER, 0, 8),
    "rt_sigaction of a wrong size": (13, 10, BUFFER, 0, 4),
    "rt_sigaction from nowhere": (13, 10, BAD, 0, 8),
    "rt_sigprocmask how": (14, 9, BUFFER, 0, 8),
    "rt_sigprocmask of a wrong size": (14, 0, BUFFER, 0, 16),
    "rt_sigprocmask from nowhere": (14, 0, BAD, 0, 8),
    "rt_sigpending to nowhere": (127, BAD, 8),
    "rt_sigpending of a wrong size": (127, BUFFER, 16),
    "rt_sigtimedwait of a wrong size": (128, BUFFER, 0, 0, 4),
    "rt_sigsuspend of a wrong size": (130, BUFFER, 4),
    "tgkill of nobody": (234, 0, 0, 10),
    "tgkill of a wrong group": (234, 0x3FFFFFF0, 0x3FFFFFF0, 10),
    "tkill of nobody": (200, 0, 10),
    "tkill of an unknown thread": (200, 0x3FFFFFF0, 10),
    "kill with a wrong number": (62, 0, 65),
    "kill of nobody": (62, 0x3FFFFFF0, 10),
    "nanosleep of a negative time": (35, "negative", 0),
    "nanosleep from nowhere": (35, BAD, 0),
    "clock_gettime of no clock": (228, 99, BUFFER),
    "clock_gettime to nowhere": (228, 1, BAD),
    "clock_getres of no clock": (229, 99, BUFFER),
    "clock_nanosleep of a thread's time": (230, 3, 0, BUFFER, 0),
    "clock_nanosleep of no clock": (230, 99, 0, BUFFER, 0),
    "clock_nanosleep of a coarse clock": (230, 6, 0, BUFFER, 0),
    "getitimer of none": (36, 3, BUFFER),
    "setitimer of none": (38, 3, BUFFER, 0),
    "setitimer of a negative time": (38, 0, "negative", 0),
    "timer_create of no clock": (222, 99, 0, BUFFER),
    "timer_create to nowhere": (222, 1, 0, BAD),
    "timer_create with a wrong event": (222, 1, "ones", BUFFER),
    "timer_settime of none": (223, 12345, 0, BUFFER, 0),
    "timer_settime without a time": (223, 0, 0, 0, 0),
    "timer_gettime of none": (224, 12345, BUFFER),
    "timer_getoverrun of none": (225, 12345),
    "timer_delete of none": (226, 12345),
    "timerfd_create of no clock": (283, 99, 0),
    "timerfd_create with wrong flags": (283, 1, 1),
    "timerfd_settime of standard input": (286, 0, 0, BUFFER, 0),
    "timerfd_settime of nothing": (286, 12345, 0, BUFFER, 0),
    "timerfd_gettime of nothing": (287, 12345, BUFFER),
    "signalfd of a wrong size": (289, MAX, BUFFER, 4, 0),
    "signalfd with wrong flags": (289, MAX, BUFFER, 8, 1),
    "signalfd of nothing": (289, 12345, BUFFER, 8, 0),
    "futex of an odd address": (202, 1, 0, 0, 0, 0, 0),
    "futex from nowhere": (202, BAD, 0, 0, 0, 0, 0),
    "futex of another value": (202, BUFFER, 128, 1, 0, 0, 0),
    "futex with no bits": (202, BUFFER, 9, 0, 0, 0, 0),
    "futex wake with no bits": (202, BUFFER, 10, 1, 0, 0, 0),
    "futex of no operation": (202, BUFFER, 99, 0, 0, 0, 0),
    "futex wake by the real-time clock": (202, BUFFER, 256 | 1, 1, 0, 0, 0),
    "futex wait for a negative time": (202, BUFFER, 0, 0, "negative", 0, 0),
    "futex requeue of a negative number": (202, BUFFER, 3, MAX, 0, BUFFER, 0),
    "futex unlock of a lock of nobody": (202, BUFFER, 7, 0, 0, 0, 0),
    "set_robust_list of a wrong size": (273, BUFFER, 23),
    "get_robust_list of nobody": (274, 0x3FFFFFF0, BUFFER, BUFFER),
    "clone of a thread with its own handlers": (56, 0x10100, BUFFER, 0, 0, 0),
    "clone of handlers without memory": (56, 0x800, BUFFER, 0, 0, 0),
    "clone with two uses of one pointer": (56, 0x101000, BUFFER, BUFFER, 0, 0),
    "clone of a namespace and folders": (56, 0x20200, BUFFER, 0, 0, 0),
    "clone of a namespace of users and a thread": (56, 0x10010900, BUFFER, 0, 0, 0),
    "clone3 of too little": (435, BUFFER, 63),
    "clone3 of too much": (435, BUFFER, 4097),
    "clone3 from nowhere": (435, BAD, 88),
    "clone3 with wrong flags": (435, "ones", 88),
    "sched_getscheduler of nobody": (145, 0x3FFFFFF0),
    "sched_getscheduler of a negative number": (145, MAX),
    "sched_setscheduler of no policy": (144, 0, 99, BUFFER),
    "sched_setscheduler without parameters": (144, 0, 0, 0),
    "sched_setscheduler of too low a priority": (144, 0, 1, BUFFER),
    "sched_getparam without a place": (143, 0, 0),
    "sched_get_priority_max of no policy": (146, 99),
    "sched_get_priority_max": (146, 1),
    "sched_get_priority_min": (147, 2),
    "sched_getaffinity of a wrong size": (204, 0, 7, BUFFER),
    "sched_getaffinity of nobody": (204, 0x3FFFFFF0, 8, BUFFER),
    "sched_setaffinity to none": (203, 0, 8, BUFFER),
    "sched_getattr of too little": (315, 0, BUFFER, 47, 0),
    "sched_setattr without attributes": (314, 0, 0, 0),
    "getpriority of no kind": (140, 3, 0),
    "getpriority of nobody": (140, 0, 0x3FFFFFF0),
    "setpriority of no kind": (141, 3, 0, 0),
    "getrusage of nobody": (98, 7, BUFFER),
    "getrusage to nowhere": (98, 0, BAD),
    "getrlimit of none": (97, 16, BUFFER),
    "getrlimit to nowhere": (97, 0, 0),
    "prlimit64 of nobody": (302, 0x3FFFFFF0, 0, 0, BUFFER),
    "sysinfo to nowhere": (99, BAD),
    "times to nowhere": (100, BAD),
    "uname to nowhere": (63, BAD),
    "getgroups of a negative number": (115, MAX, 0),
    "getpgid of nobody": (121, 0x3FFFFFF0),
    "getsid of nobody": (124, 0x3FFFFFF0),
    "setpgid of nobody": (109, 0x3FFFFFF0, 0),
    "setpgid to a negative group": (109, 0, MAX),
    "capget of no version": (125, BUFFER, BUFFER),
    "prctl of no option": (157, 9999, 0, 0, 0, 0),
    "prctl of a wrong name": (157, 15, BAD, 0, 0, 0),
    "prctl of a wrong signal": (157, 1, 65, 0, 0, 0),
    "prctl of a capability that is none": (157, 23, 64, 0, 0, 0),
    "arch_prctl of no code": (158, 0x9999, 0),
    "arch_prctl beyond the end": (158, 0x1001, MAX),
    "getrandom with wrong flags": (318, BUFFER, 8, 8),
    "getrandom with flags that exclude each other": (318, BUFFER, 8, 6),
    "getrandom to nowhere": (318, BAD, 8, 0),
    "membarrier with flags": (324, 0, 99),
    "membarrier of two commands": (324, 3, 0),
    "waitid of nothing": (247, 0, 0, 0, 0, 0),
    "waitid without children": (247, 0, 0, 0, 4, 0),
    "wait4 with wrong options": (61, MAX, 0, 0x100, 0),
    "wait4 without children": (61, MAX, 0, 1, 0),
    "pidfd_open of nobody": (434, 0x3FFFFFF0, 0),
    "pidfd_open of 0": (434, 0, 0),
    "pidfd_open with wrong flags": (434, 1, 1),
    "pidfd_send_signal to standard input": (424, 0, 0, 0, 0),
    "set_thread_area": (205, BUFFER),
    "getcpu to nowhere": (309, BAD, 0, 0),
    "timer_getoverrun of a negative number": (225, MAX),
    "sigaltstack of a wrong kind": (131, "ones", 0),
    "sigaltstack from nowhere": (131, BAD, 0),
}


@pytest.fixture(scope="module")
def plugin(plugin_path: PluginPath, go_version: str) -> Iterator[Plugin]:
    with Machine(Sandbox(limits=Limits(memory=256 << 20, seconds=60))) as machine:
        yield machine.open(plugin_path("signals", go_version))


@pytest.mark.parametrize("name", CALLS)
def test_the_same_error(name: str, plugin: Plugin, native: Native, go_version: str) -> None:
    oracle = native("signals", go_version)
    outcomes = []
    for buffer, call in (
        (func_of(plugin, "Buffer")(), lambda *numbers: func_of(plugin, "Call")(*numbers)),
        (oracle.call("Buffer").value, lambda *numbers: oracle.call("Call", *numbers).values),
    ):
        # Zeros; a struct timespec or itimerval with a negative time; and nothing but ones.
        places = {"buffer": buffer, "negative": buffer + 4096, "ones": buffer + 8192}
        numbers = [places[n] if isinstance(n, str) else n for n in CALLS[name]]
        outcomes.append(call(*numbers, *[0] * (7 - len(numbers))))
    assert tuple(outcomes[0]) == tuple(outcomes[1])
