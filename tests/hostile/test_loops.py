"""Loops without an end: time ends them, or the number of instructions, wherever they are."""

from __future__ import annotations

from time import monotonic

import pytest

from emuplugin import (
    GoDeadlock,
    GoError,
    InstructionLimitExceeded,
    Interrupted,
    TimeLimitExceeded,
)
from tests.hostile.conftest import Hostile, limits

ENDLESS = [
    "Spin", "SpinCounting", "SpinCalling", "SpinKernel", "SpinRaw", "SpinChannels",
    "SpinCollecting", "SpinYielding", "SpinTimers", "SpinTicker", "SpinSleeping", "SpinLocks",
    "SpinAtomics", "SpinPanicking", "SpinFaulting", "SpinDeferred", "SpinFinalizing",
    "SpinLocked", "SpinElsewhere", "WaitEndlessly",
]  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_time(hostile: Hostile, name: str) -> None:
    attack = hostile(limits=limits(seconds=0.6, memory=256 << 20))
    assert attack.call("Sane", 1, 2) == 3
    start = monotonic()
    error = attack.fails(name)
    assert isinstance(error, TimeLimitExceeded)
    assert error.used >= 0.6
    assert monotonic() - start < 5
    attack.again()


@pytest.mark.parametrize("name", ENDLESS[::2])
def test_instructions(hostile: Hostile, name: str) -> None:
    """The same number in each run, to the last."""
    attack = hostile(limits=limits(seconds=60.0, instructions=1_500_000, memory=256 << 20))
    done = []
    for _ in range(2):
        attack.call("Sane", 1, 2)
        error = attack.fails(name)
        assert isinstance(error, InstructionLimitExceeded)
        done.append(attack.machine.instructions)
        attack.machine.reset()
    assert done[0] == done[1]


@pytest.mark.parametrize("name", ["WaitInKernel", "Pause"])
def test_waiting_for_nothing(hostile: Hostile, name: str) -> None:
    attack = hostile()
    assert isinstance(attack.fails(name), GoDeadlock)
    attack.again()


def test_a_hundred_years_are_short(hostile: Hostile) -> None:
    """By the machine's own clock they take as long as there is something to do."""
    attack = hostile()
    assert attack.call("WaitForever") == 1


def test_with_the_clock_of_the_host(hostile: Hostile) -> None:
    attack = hostile(clock="host", limits=limits(seconds=0.8))
    for name in ("WaitForever", "SpinSleeping", "SpinTicker"):
        start = monotonic()
        assert isinstance(attack.fails(name), TimeLimitExceeded)
        assert monotonic() - start < 5
        attack.machine.reset()


def test_an_error_whose_text_never_comes(hostile: Hostile) -> None:
    attack = hostile(limits=limits(seconds=0.8))
    for name in ("EndlessError", "PanicEndless"):
        error = attack.fails(name)
        assert isinstance(error, TimeLimitExceeded | GoError)
        if isinstance(error, GoError):
            with pytest.raises(TimeLimitExceeded):
                str(error)
        attack.again()


def test_a_loop_can_be_interrupted(hostile: Hostile) -> None:
    """What catches all panics and goes on does not hold the machine for long either."""
    from threading import Timer

    attack = hostile(limits=limits(seconds=30.0))
    attack.call("Sane", 1, 2)
    for name in ("SpinPanicking", "SpinRaw", "SpinLocked", "SpinDeferred"):
        timer = Timer(0.1, attack.machine.interrupt)
        timer.start()
        with pytest.raises(Interrupted):
            attack.call(name)
        timer.join()
        attack.again()


def test_machine_code(hostile: Hostile) -> None:
    attack = hostile(limits=limits(seconds=0.8))
    for code in (
        "ebfe",  # jmp to itself
        "f3ebfd",  # rep jmp
        "31c9f3aaebfa",  # rep stosb of nothing, again and again
        "48c7c1ffffffffe2feebf5",  # loop
        "b8270000000f05ebf7",  # getpid
        "0f31ebfc",  # rdtsc
        "0fa2ebfc",  # cpuid
    ):
        assert isinstance(attack.stops(code), TimeLimitExceeded), code
        attack.again()
