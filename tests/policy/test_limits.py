"""Each limit raises an exception of its own, with its name, what was allowed and what was used."""

from __future__ import annotations

import io

import pytest

from emuplugin import (
    DeadMachineError,
    GoError,
    GoFatal,
    GoroutineLimitExceeded,
    InstructionLimitExceeded,
    LimitExceeded,
    Limits,
    MemoryLimitExceeded,
    OutputLimitExceeded,
    Sandbox,
    TimeLimitExceeded,
)
from tests.policy.conftest import Open


@pytest.mark.parametrize(
    ("limits", "call", "kind"),
    [
        (Limits(goroutines=100), ("Leak", 100_000), GoroutineLimitExceeded),
        (Limits(memory=64 << 20), ("Leak", 1_000_000), MemoryLimitExceeded),
        (Limits(seconds=1.5), ("Hang",), TimeLimitExceeded),
        (Limits(output=10), ("Print", "more than ten bytes"), OutputLimitExceeded),
        (Limits(instructions=50_000_000, seconds=20), ("Hang",), InstructionLimitExceeded),
    ],
)
def test_a_broken_limit(
    open_in: Open, limits: Limits, call: tuple[str, object], kind: type[LimitExceeded]
) -> None:
    plugin = open_in(Sandbox(limits=limits, stdout=io.BytesIO()))
    name, *arguments = call
    with pytest.raises(kind) as caught:
        plugin[name](*arguments)
    error = caught.value
    assert isinstance(error, LimitExceeded)
    assert error.allowed == getattr(limits, error.limit)
    assert (
        error.used > 0.99 * error.allowed
    )  # instructions: the next block would have been too many
    assert f"Limits({error.limit}=...)" in str(error)
    with pytest.raises(DeadMachineError):
        plugin["NumGoroutine"]()
    plugin.machine.reset()
    assert plugin["NumGoroutine"]() == 1


def test_goroutines_below_the_limit(open_in: Open) -> None:
    plugin = open_in(Sandbox(limits=Limits(goroutines=60)))
    for _ in range(20):  # not all in all: at once
        assert plugin["Goroutines"](50) == 50 * 49 // 2
    plugin["Leak"](40)
    assert plugin["NumGoroutine"]() > 40


def test_a_goroutine_bomb_ends_early(open_in: Open) -> None:
    plugin = open_in(Sandbox.strict())
    with pytest.raises(GoroutineLimitExceeded) as caught:
        plugin["Leak"](10_000_000)
    assert 1000 < caught.value.used < 20_000


def test_no_limit_of_goroutines(open_in: Open) -> None:
    plugin = open_in(Sandbox(limits=Limits(goroutines=None)))
    plugin["Leak"](20_000)
    assert plugin["NumGoroutine"]() > 20_000


def test_open_files_are_linux_affair(open_in: Open) -> None:
    plugin = open_in(Sandbox(limits=Limits(open_files=3)))  # 0, 1 and 2 are open
    with pytest.raises(GoError, match="open /dev/null: too many open files"):
        plugin["ReadFile"]("/dev/null")
    assert open_in(Sandbox(limits=Limits(open_files=10)))["ReadFile"]("/dev/null") == b""


def test_threads_are_linux_affair(open_in: Open) -> None:
    plugin = open_in(Sandbox(limits=Limits(threads=4)))
    with pytest.raises(GoFatal, match="newosproc") as caught:
        plugin["Locked"](10)
    assert "failed to create new OS thread (have" in caught.value.text
    assert "errno=11" in caught.value.text  # EAGAIN
    assert open_in(Sandbox(limits=Limits(threads=20)))["Locked"](10) > 0
