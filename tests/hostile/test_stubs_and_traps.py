"""Jumps into the loader's own code: its stubs, and the places where the guest stops for Python."""

from __future__ import annotations

import pytest

from emuplugin import EmupluginError, LimitExceeded, OutputLimitExceeded
from tests.hostile.conftest import Attack, Hostile, limits, registers

#: Machine code that ends in a jump to RAX, in some state.
STATES = {
    "as it is": "ffe0",
    "no stack": "31e4ffe0",
    "a stack at the end of the world": "48c7c4ffffffffffe0",
    "a stack that cannot be written": "4889dcffe0",
    "no goroutine": "4d31f6ffe0",
    "a goroutine that is none": "4989deffe0",
}


def places(attack: Attack) -> list[int]:
    """Every trap, and the code around it. The guest finds the same in its memory."""
    stubs = attack.program.runtime.stubs
    left_out = set(stubs.methods[2:-1])
    library = [address for address in attack.program.process.kernel.traps if address >> 31 == 7]
    found = {*attack.program.process.kernel.traps} - left_out - {*library[3:]}
    for call in stubs.calls[2:]:
        found -= {call.ready, call.back}
    found |= {call.entry for call in stubs.calls[:2]}
    found |= {stubs.callback.entry, stubs.callback.back, *stubs.symbols.values()}
    return sorted(found)


@pytest.mark.parametrize(
    ("name", "state"), [*(("Run", state) for state in STATES), ("RunElsewhere", "as it is")]
)
def test_jumps(hostile: Hostile, name: str, state: str) -> None:
    """Each ends in some error, or does nothing; the machine is dead then, or as good as new."""
    attack = hostile(limits=limits(seconds=5.0))
    read_only = 0x4_0000_0000
    for place in places(attack) if attack.plugin else ():
        words = registers(rax=place, rbx=read_only, rcx=2, rdi=1, rdx=0xDEADBEEF)
        error = attack.ends(name, bytes.fromhex(STATES[state]), words)
        assert not isinstance(error, LimitExceeded) or isinstance(error, OutputLimitExceeded), (
            f"{place:#x}: {error}"
        )
        attack.again()


def test_the_guest_finds_them(hostile: Hostile) -> None:
    attack = hostile()
    maps = attack.call("Read", "/proc/self/maps")
    line = next(line for line in maps.splitlines() if "[emuplugin stubs]" in line)
    start = int(line.split("-")[0], 16)
    assert attack.call("Peek", start, 1) == b"\xf4"  # the HLT of the first


def test_they_cannot_be_changed(hostile: Hostile) -> None:
    """Neither written to, nor unmapped, covered, moved, made writable or forgotten."""
    attack = hostile()
    stubs = attack.program.runtime.stubs if attack.plugin else None
    assert stubs is not None
    page = stubs.idle & -4096
    before = attack.call("Peek", page, 4096)
    mmap, mprotect, munmap, mremap, madvise = 9, 10, 11, 25, 28
    for number, *arguments in (
        (mprotect, page, 4096, 7),
        (mprotect, page - 4096, 1 << 20, 7),
        (munmap, page, 4096),
        (munmap, page & -(1 << 32), 1 << 33),
        (mmap, page, 4096, 7, 0x32, -1, 0),
        (mmap, page & -(1 << 30), 1 << 31, 7, 0x32, -1, 0),
        (mremap, page, 4096, 8192, 1),
        (mremap, page, 4096, 4096, 3, page + 4096),
        (madvise, page, 4096, 4),
    ):
        assert attack.kernel(number, *arguments) < 0, (number, arguments)
    assert attack.call("Peek", page, 4096) == before
    for size in (1, 8):
        error = attack.fails("Poke", page, bytes(size))
        assert isinstance(error, EmupluginError)
        attack.again()
    assert attack.call("Peek", page, 4096) == before


@pytest.mark.parametrize("name", ["[system]", "[emuplugin tables]", "[emuplugin roots]", "[tls]"])
def test_what_is_the_loaders_own(hostile: Hostile, name: str) -> None:
    """Garbage there is the plugin's own misfortune."""
    attack = hostile(limits=limits(seconds=5.0))
    maps = attack.call("Read", "/proc/self/maps")
    line = next(line for line in maps.splitlines() if line.endswith(name))
    start, end = (int(part, 16) for part in line.split()[0].split("-"))
    for content in (b"\xff", b"\0", b"\x41"):
        attack.ends("Poke", start, content * min(end - start, 4096))
        for call in (("Sane", 1, 2), ("Environment",), ("PanicBad",), ("CallOnThreads", 1)):
            if attack.machine.state == "running":
                error = attack.ends(*call)
                assert not isinstance(error, LimitExceeded), error
        if attack.machine.state == "running":
            attack.machine.reset()
        attack.again()


def test_signal_handlers_in_the_stubs(hostile: Hostile) -> None:
    attack = hostile(limits=limits(seconds=5.0))
    stubs = attack.program.runtime.stubs if attack.plugin else None
    assert stubs is not None
    user1, restorer, on_stack = 10, 0x0400_0000, 0x0800_0000
    for at in (
        stubs.callback.entry, stubs.callback.back, stubs.idle, stubs.calls[0].back,
        stubs.methods[0], 0, 8, 1 << 47, 1 << 63, (1 << 64) - 8,
    ):  # fmt: skip
        for flags in (restorer, restorer | on_stack):
            action = b"".join(word.to_bytes(8, "little") for word in (at, flags, at, 0))
            assert attack.kernel(13, user1, attack.copy(action), 0, 8) == 0
            error = attack.ends("Kill", 2, user1)
            assert not isinstance(error, LimitExceeded) or isinstance(error, OutputLimitExceeded)
            if attack.machine.state == "running":
                attack.machine.reset()
            attack.again()
