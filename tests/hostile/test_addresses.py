"""Memory that is not there or not for that, code that changes itself, and pointers to nowhere in
system calls."""

from __future__ import annotations

import errno
import struct

import pytest

from emuplugin import EmupluginError, GoFatal, GoPanic, LimitExceeded
from emuplugin.runtime_shims.kernel.table import TABLE
from tests.hostile.conftest import Attack, Hostile, limits, registers

MMAP, MPROTECT, MUNMAP, MREMAP, MADVISE, BRK, FUTEX = 9, 10, 11, 25, 28, 12, 202
FIXED = 0x32
NOWHERE = (0, 8, 0x1234_5000, (1 << 47) - 8, 1 << 47, 0xFFFF_8000_0000_0000, (1 << 64) - 8)
HUGE = (1 << 31, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
#: Calls that end the process or wait, and so would end the test.
LEFT_OUT = {15, 34, 60, 231, 14, 13, 131, 158, 56, 435, 11, 9, 10, 25, 24, 62, 200, 234, 3, 436}


@pytest.mark.parametrize("address", NOWHERE)
def test_no_memory_there(hostile: Hostile, address: int) -> None:
    attack = hostile()
    for name, *arguments in (("PeekWord", address), ("PokeWord", address, 1), ("Peek", address, 9)):
        assert isinstance(attack.fails(name, *arguments), GoFatal | GoPanic)
        attack.again()
    assert isinstance(attack.enter(address), GoFatal | GoPanic)
    attack.again()


def test_code_is_not_written_and_data_are_not_executed(hostile: Hostile) -> None:
    attack = hostile()
    assert attack.call("Sane", 1, 2) == 3
    code = attack.program.symbol("example.com/hostile.Sane")
    assert code is not None
    assert isinstance(attack.fails("PokeWord", code, 0), GoFatal)
    attack.again()
    data = attack.copy(b"\xc3" * 64)
    assert isinstance(attack.enter(data), GoFatal)
    attack.again()


def test_code_that_writes_code(hostile: Hostile) -> None:
    """In memory that may be both it works as on a processor, each time."""
    attack = hostile()
    page = attack.call("Map", 0, 8192, 7, 0x22)
    for number in range(20):
        attack.call("Poke", page, b"\xb8" + struct.pack("<I", number) + b"\xc3")  # mov eax, n; ret
        assert attack.call("Enter", page, registers())[0] == number
    # A loop that changes the constant of an instruction of its own: 0 + 1 + ... + 9.
    loop = bytes.fromhex(
        "31c0"  # xor eax, eax
        "31c9"  # xor ecx, ecx
        "81c000000000"  # add eax, 0: what is patched, at 4
        "ffc1"  # inc ecx
        "890b"  # mov [rbx], ecx
        "83f90a"  # cmp ecx, 10
        "75f1"  # jne to the add
        "c3"
    )
    attack.call("Poke", page, loop)
    assert attack.call("Enter", page, registers(rbx=page + 6))[0] == sum(range(10))
    # Written through another mapping of the same file.
    assert attack.call("Sane", 1, 2) == 3


def test_code_that_changes_places(hostile: Hostile) -> None:
    """Mapped, run, unmapped, mapped anew: old translations are not run."""
    attack = hostile()
    where = 0x5000_0000_0000
    for number in range(10):
        assert attack.call("Map", where, 4096, 3, FIXED) == where
        attack.call("Poke", where, b"\xb8" + struct.pack("<I", number) + b"\xc3")
        assert attack.kernel(MPROTECT, where, 4096, 5) == 0
        assert attack.call("Enter", where, registers())[0] == number
        if number % 2:
            assert attack.kernel(MUNMAP, where, 4096) == 0
    assert isinstance(attack.enter(where), GoFatal)
    attack.again()


def test_maps_that_cannot_be(hostile: Hostile) -> None:
    attack = hostile()
    for at in (0, 4096 - 1, 1 << 47, 1 << 63, -4096 & (1 << 64) - 1):
        for size in (0, 4096, *HUGE):
            for protection in (0, 3, 7, 1 << 20):
                attack.kernel(MMAP, at, size, protection, 0x4022, -1, 0)
                assert attack.kernel(MMAP, at, size, protection, FIXED, -1, 0) <= 0
            for number in (MPROTECT, MUNMAP, MADVISE):
                result = attack.kernel(number, at, size, 4)
                assert result < 0 or not size or not at, (number, at, size)
            assert attack.kernel(MREMAP, at, 4096, size, 1) < 0
            attack.kernel(BRK, at + size & (1 << 64) - 1)
    assert attack.call("Sane", 1, 2) == 3


def test_the_stack_of_the_thread_and_the_heap_go_away(hostile: Hostile) -> None:
    """A plugin may ruin itself."""
    attack = hostile(limits=limits(seconds=5.0))
    maps = attack.call("Read", "/proc/self/maps")
    for line in maps.splitlines()[::3]:
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        for number, *rest in ((MUNMAP,), (MADVISE, 4)):
            size = min(end - start, 1 << 24)
            error = attack.ends("RawKernel", number, _six(start, size, *rest))
            assert not isinstance(error, LimitExceeded)
            if attack.machine.state == "running":
                attack.ends("Cyclic")
            attack.machine.reset()


def test_unaligned_futexes(hostile: Hostile) -> None:
    attack = hostile()
    at = attack.copy(bytes(4096))
    for offset in (1, 2, 3):
        for operation in (0, 1, 128, 129):
            assert attack.kernel(FUTEX, at + offset, operation, 1, 0, 0, 0) == -errno.EINVAL
    for address in NOWHERE:
        assert attack.kernel(FUTEX, address, 128, 0, 0, 0, 0) < 0


@pytest.mark.parametrize("pointer", [*NOWHERE, *HUGE])
def test_any_call_with_such_a_pointer(hostile: Hostile, pointer: int) -> None:
    """In every argument at once, and in each."""
    attack = hostile(limits=limits(seconds=20.0))
    attack.call("Sane", 1, 2)
    for number in sorted(set(TABLE) - LEFT_OUT):
        for arguments in ([pointer] * 6, [1, *[pointer] * 5], [pointer, 1, 1, 1, 1, 1]):
            _try(attack, number, arguments)


def _try(attack: Attack, number: int, arguments: list[int]) -> None:
    error = attack.ends("RawKernel", number, arguments)
    assert error is None or isinstance(error, EmupluginError)
    assert not isinstance(error, LimitExceeded), (number, error)
    if attack.machine.state == "dead":
        attack.machine.reset()


def _six(*arguments: int) -> list[int]:
    return [value & (1 << 64) - 1 for value in arguments] + [0] * (6 - len(arguments))
