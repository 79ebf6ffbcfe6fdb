"""Fork bombs, threads, and signals to other processes."""

from __future__ import annotations

import errno

import pytest

from emuplugin import GoError, GoFatal, LimitExceeded
from tests.hostile.conftest import Hostile, limits

_CLONE_VM, _CLONE_FILES, _CLONE_THREAD, _SIGCHLD = 0x100, 0x400, 0x10000, 17
_VFORK = 0x4000 | _CLONE_VM | _SIGCHLD
_THREAD = _CLONE_VM | 0x200 | _CLONE_FILES | 0x800 | _CLONE_THREAD | 0x40000
FORK, VFORK, CLONE, EXECVE, EXECVEAT, PTRACE, UNSHARE, CLONE3 = 57, 58, 56, 59, 322, 101, 272, 435


@pytest.mark.parametrize("name", ["Exec", "StartProcess", "ForkExec", "Become"])
def test_no_process_starts(hostile: Hostile, name: str) -> None:
    attack = hostile()
    error = attack.fails(name)
    assert isinstance(error, GoError)
    assert "operation not permitted" in error.message
    report = attack.machine.report
    assert report.refused
    assert report.processes
    attack.again()


@pytest.mark.parametrize(
    ("number", "flags", "answers"),
    [
        (FORK, 0, {errno.EPERM}),
        (VFORK, 0, {errno.EPERM}),
        (CLONE, _SIGCHLD, {errno.EPERM}),
        (CLONE, _VFORK, {errno.EPERM}),
        (CLONE, _CLONE_THREAD, {errno.EINVAL}),  # threads share memory
        (CLONE3, 0, {errno.EPERM, errno.EINVAL, errno.EFAULT, errno.ENOSYS}),
        (EXECVE, 0, {errno.EFAULT, errno.EPERM}),
        (EXECVEAT, 0, {errno.EFAULT, errno.EPERM}),
        (PTRACE, 0, {errno.EPERM}),
        (UNSHARE, 0x1000_0000, {errno.EPERM}),
    ],
)
def test_bombs_of_raw_calls(hostile: Hostile, number: int, flags: int, answers: set[int]) -> None:
    attack = hostile()
    succeeded, answer = attack.call("Bomb", number, flags, 200)
    assert succeeded == 0
    assert answer in answers
    attack.again()


def test_a_bomb_of_threads(hostile: Hostile) -> None:
    """Threads without a stack of their own: as many as are granted, then EAGAIN."""
    attack = hostile()
    succeeded, answer = attack.call("Bomb", CLONE, _THREAD, 200)
    assert 0 < succeeded < 32
    assert answer == errno.EAGAIN


def test_goroutines_that_keep_threads(hostile: Hostile) -> None:
    attack = hostile(limits=limits(threads=16))
    assert attack.call("Threads", 10) == 10
    error = attack.fails("Threads", 20)
    assert isinstance(error, GoFatal)
    assert "failed to create new OS thread" in str(error)


def test_goroutines_that_block_in_calls(hostile: Hostile) -> None:
    attack = hostile()
    error = attack.ends("BlockedThreads", 500)
    assert error is None or isinstance(error, GoFatal)


def test_other_processes_get_no_signals(hostile: Hostile) -> None:
    """Were it the host's kill, -1 and 9 would be the end of this test."""
    attack = hostile()
    for pid in (1, -1, 12345, 1 << 22, -(1 << 31)):
        for signal in (9, 15, 19, 11):
            error = attack.fails("Kill", pid, signal)
            assert isinstance(error, GoError)
            assert "no such process" in error.message or "not permitted" in error.message
    attack.again()


@pytest.mark.parametrize(
    ("pid", "signal", "name"), [(0, 9, "SIGKILL"), (2, 19, "SIGSTOP"), (-2, 9, "SIGKILL")]
)
def test_it_can_end_itself(hostile: Hostile, pid: int, signal: int, name: str) -> None:
    attack = hostile()
    error = attack.fails("Kill", pid, signal)
    assert isinstance(error, GoFatal)
    assert error.message == f"killed by {name}"
    attack.again()


def test_any_signal_to_itself(hostile: Hostile) -> None:
    attack = hostile(limits=limits(seconds=3.0))
    for signal in (4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 17, 18, 20, 31, 33, 64):
        for name, *arguments in (("Kill", 2, signal), ("Ignore", signal)):
            error = attack.ends(name, *arguments)
            assert not isinstance(error, LimitExceeded)
            attack.again()
