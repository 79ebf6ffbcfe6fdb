"""Memory bombs: the limit holds in the machine, and for what Python needs on its behalf."""

from __future__ import annotations

import pytest

from emuplugin import (
    CorruptDataError,
    FileSizeLimitExceeded,
    GoOutOfMemory,
    GoPanic,
    GoroutineLimitExceeded,
    GoStackOverflow,
    LimitExceeded,
    MemoryLimitExceeded,
)
from tests.hostile.conftest import MEMORY, Attack, Hostile, limits

READ, PREAD, GETRANDOM = 0, 17, 318
#: More than the limit, less than the machine has addresses for.
_UNTOUCHED = 5 * MEMORY


@pytest.mark.parametrize(
    "name",
    [
        "Append", "Text", "SmallMaps", "GrowingMap", "SmallObjects", "Channels", "Stacks",
        "Recursion", "OneRecursion", "Finalizers", "Closures", "Defers", "Timers",
    ],
)  # fmt: skip
def test_what_grows_without_end(hostile: Hostile, name: str) -> None:
    attack = hostile(limits=limits(memory=24 << 20, seconds=30.0))
    error = attack.fails(name)
    kinds = (MemoryLimitExceeded, GoOutOfMemory, GoStackOverflow)
    assert isinstance(error, kinds)
    if isinstance(error, LimitExceeded):
        assert error.allowed == 24 << 20
    attack.again()


def test_goroutines(hostile: Hostile) -> None:
    attack = hostile()
    assert isinstance(attack.fails("Goroutines"), GoroutineLimitExceeded)
    attack.again()


@pytest.mark.parametrize("size", [1 << 40, 1 << 46])
def test_what_no_machine_has(hostile: Hostile, size: int) -> None:
    attack = hostile()
    assert isinstance(attack.fails("MakeHuge", size), GoOutOfMemory | GoPanic)
    attack.again()
    assert isinstance(attack.fails("MakeHuge", 1 << 62), GoPanic)
    assert isinstance(attack.fails("Repeat"), GoOutOfMemory | GoPanic)
    attack.again()


def test_small_areas(hostile: Hostile) -> None:
    attack = hostile(limits=limits(memory=32 << 20))
    assert isinstance(attack.fails("SmallAreas", 100_000), MemoryLimitExceeded)
    attack.again()


def test_areas_that_nobody_touches(hostile: Hostile) -> None:
    """Addresses are cheap, and there are not as many as one likes."""
    attack = hostile()
    assert attack.call("Areas", 1 << 28, 1000) < 100
    assert attack.call("Reservations", 1 << 40, 1000) < 200
    assert attack.call("Sane", 1, 2) == 3


def test_an_area_that_grows(hostile: Hostile) -> None:
    attack = hostile()
    assert attack.call("Remap") <= MEMORY
    attack.again()


@pytest.mark.parametrize("call", [READ, PREAD, GETRANDOM])
def test_memory_that_only_the_kernel_writes(hostile: Hostile, call: int) -> None:
    attack = hostile(limits=limits(memory=64 << 20))
    assert isinstance(attack.fails("FromKernel", call, _UNTOUCHED), MemoryLimitExceeded)
    attack.again()


def test_the_same_page_by_page(hostile: Hostile) -> None:
    attack = hostile(limits=limits(memory=64 << 20))
    assert isinstance(attack.fails("FromKernelSparsely", _UNTOUCHED), MemoryLimitExceeded)
    attack.again()


@pytest.mark.parametrize("name", ["Untouched", "UntouchedBytes", "UntouchedInts"])
def test_values_in_memory_that_is_not_there(hostile: Hostile, name: str) -> None:
    """Python would have to make all of it; the machine never had to."""
    attack = hostile()
    error = attack.fails(name, _UNTOUCHED)
    assert isinstance(error, CorruptDataError)
    assert "more than the machine's memory" in str(error)
    attack.again()


def test_such_memory_in_a_file(hostile: Hostile) -> None:
    attack = hostile()
    error = attack.fails("WriteUntouched", "/tmp/file", _UNTOUCHED)
    assert isinstance(error, FileSizeLimitExceeded)
    attack.again()


def test_it_can_go_on_for_ever(hostile: Hostile) -> None:
    """Memory that was used up is there again after a reset, as often as one likes."""
    attack: Attack = hostile(limits=limits(memory=48 << 20))
    for _ in range(5):
        assert isinstance(attack.fails("Append"), MemoryLimitExceeded)
        attack.again()


def test_memory_that_was_filled_and_locked_away(hostile: Hostile) -> None:
    """mprotect takes the access, not the content: it still counts."""
    attack = hostile(limits=limits(memory=64 << 20, seconds=20.0))
    size = 20 << 20

    def fill_and_lock() -> None:
        for _ in range(10):
            area = attack.call("Map", 0, size, 3, 0x22)
            attack.run("f3aa", rdi=area, rax=0x41, rcx=size)  # rep stosb
            assert attack.kernel(10, area, size, 0) == 0

    with pytest.raises(MemoryLimitExceeded):
        fill_and_lock()
    attack.again()


def test_more_areas_than_linux_allows(hostile: Hostile) -> None:
    attack = hostile(limits=limits(seconds=30.0))
    assert attack.call("Reservations", 4096, 100_000) < 65_530
