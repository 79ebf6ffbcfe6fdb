"""mmap and its kin (man 2 mmap), over the emulated page tables."""

from __future__ import annotations

import pytest

from emuplugin import Limits, MemoryLimitExceeded
from emuplugin.cpu.address_space import PAGE_SIZE, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE
from emuplugin.runtime_shims.kernel import linux
from emuplugin.runtime_shims.kernel.signals import Fatal
from tests.kernel.raw import CODE, DATA, Raw

MMAP, MPROTECT, MUNMAP, BRK, MREMAP, MINCORE, MADVISE = 9, 10, 11, 12, 25, 27, 28
RW = PROT_READ | PROT_WRITE
ANONYMOUS = linux.MAP_PRIVATE | linux.MAP_ANONYMOUS
NO_FD = (1 << 64) - 1
LOAD, STORE = bytes.fromhex("488b03"), bytes.fromhex("488903")  # mov rax, [rbx]; mov [rbx], rax


def map_(raw: Raw, size: int, prot: int = RW, at: int = 0, flags: int = ANONYMOUS) -> int:
    return raw.syscall(MMAP, at, size, prot, flags, NO_FD, 0)


def test_memory_is_zero_and_apart(raw: Raw) -> None:
    first, second = map_(raw, 5000), map_(raw, 1)
    assert first % PAGE_SIZE == second % PAGE_SIZE == 0
    assert abs(first - second) >= 2 * PAGE_SIZE
    assert raw.memory.read(first, 2 * PAGE_SIZE) == bytes(2 * PAGE_SIZE)
    raw.run(STORE, rbx=first, rax=77)
    assert raw.run(LOAD, rbx=first) == 77
    assert raw.syscall(MUNMAP, first, 5000) == 0
    with pytest.raises(Fatal) as caught:
        raw.run(LOAD, rbx=first)
    assert (caught.value.number, caught.value.address) == (linux.SIGSEGV, first)


def test_fixed_places(raw: Raw) -> None:
    at = 0x1000_0000
    assert map_(raw, PAGE_SIZE, at=at) == at  # a hint that is free
    raw.put(b"old", at)
    assert map_(raw, PAGE_SIZE, at=at) != at  # a hint that is not
    noreplace = ANONYMOUS | linux.MAP_FIXED_NOREPLACE
    assert map_(raw, PAGE_SIZE, at=at, flags=noreplace) == -linux.EEXIST
    assert map_(raw, PAGE_SIZE, at=at, flags=ANONYMOUS | linux.MAP_FIXED) == at
    assert raw.memory.read(at, 3) == bytes(3)
    assert map_(raw, PAGE_SIZE, at=at + 1, flags=ANONYMOUS | linux.MAP_FIXED) == -linux.EINVAL
    assert map_(raw, 0) == -linux.EINVAL


def test_the_hosts_own_pages_are_out_of_reach(raw: Raw) -> None:
    """The guest cannot map over, unmap or change what the loader keeps in its address space."""
    for name in ("[system]",):
        area = next(area for area in raw.process.space if area.name == name)
        fixed = ANONYMOUS | linux.MAP_FIXED
        assert map_(raw, PAGE_SIZE, at=area.start, flags=fixed) < 0
        assert raw.syscall(MUNMAP, area.start, PAGE_SIZE) < 0
        assert raw.syscall(MPROTECT, area.start, PAGE_SIZE, RW) < 0
        assert raw.syscall(MADVISE, area.start, PAGE_SIZE, linux.MADV_DONTNEED) < 0
        assert raw.process.space.find(area.start) == area


def test_ranges_that_cannot_be(raw: Raw) -> None:
    top = (1 << 64) - PAGE_SIZE
    for size in (1 << 63, (1 << 64) - 1, 1 << 47):
        assert map_(raw, size) == -linux.ENOMEM
    for at, size in ((top, 2 * PAGE_SIZE), (1 << 47, PAGE_SIZE), (DATA, 1 << 60)):
        assert raw.syscall(MUNMAP, at, size) == -linux.EINVAL
        refusals = (-linux.EINVAL, -linux.ENOMEM, -linux.EACCES)
        assert raw.syscall(MPROTECT, at, size, RW) in refusals
        fixed = ANONYMOUS | linux.MAP_FIXED
        assert map_(raw, size, at=at, flags=fixed) in (-linux.EINVAL, -linux.ENOMEM)
    assert raw.syscall(MUNMAP, DATA + 1, PAGE_SIZE) == -linux.EINVAL
    assert raw.memory.read(DATA, 8) == bytes(8)


def test_reservations_cost_nothing(raw: Raw) -> None:
    raw.run(STORE, rbx=DATA)  # code, stack and data are present from here on
    before = raw.process.space.present_pages
    at = map_(raw, 1 << 38, PROT_NONE)
    assert at > 0
    assert raw.process.space.present_pages == before
    assert raw.syscall(MPROTECT, at + (1 << 30), 1 << 20, RW) == 0
    raw.run(STORE, rbx=at + (1 << 30) + 8, rax=5)
    assert raw.run(LOAD, rbx=at + (1 << 30) + 8) == 5
    assert raw.process.space.present_pages - before <= (1 << 20) // PAGE_SIZE
    with pytest.raises(Fatal):
        raw.run(LOAD, rbx=at)


def test_protection(raw: Raw) -> None:
    at = map_(raw, 3 * PAGE_SIZE)
    raw.run(STORE, rbx=at + PAGE_SIZE, rax=9)
    assert raw.syscall(MPROTECT, at + PAGE_SIZE, PAGE_SIZE, PROT_READ) == 0
    assert raw.run(LOAD, rbx=at + PAGE_SIZE) == 9
    with pytest.raises(Fatal):
        raw.run(STORE, rbx=at + PAGE_SIZE, rax=1)
    raw.run(STORE, rbx=at, rax=1)
    raw.run(STORE, rbx=at + 2 * PAGE_SIZE, rax=1)
    assert raw.syscall(MPROTECT, at, 3 * PAGE_SIZE, RW) == 0
    raw.run(STORE, rbx=at + PAGE_SIZE, rax=2)
    assert raw.run(LOAD, rbx=at + PAGE_SIZE) == 2
    assert raw.syscall(MPROTECT, 0x7000_0000, PAGE_SIZE, RW) == -linux.ENOMEM


def test_code_that_the_guest_writes(raw: Raw) -> None:
    at = map_(raw, PAGE_SIZE)
    for value in (1, 2):
        assert raw.syscall(MPROTECT, at, PAGE_SIZE, RW) == 0
        raw.put(b"\xb8" + value.to_bytes(4, "little") + b"\xff\xe1", at)  # mov eax, value; jmp rcx
        with pytest.raises(Fatal):
            raw.run(b"\xff\xe3", rbx=at, rcx=CODE + 2)  # jmp rbx: not executable
        assert raw.syscall(MPROTECT, at, PAGE_SIZE, PROT_READ | PROT_EXEC) == 0
        assert raw.run(b"\xff\xe3", rbx=at, rcx=CODE + 2) == value


def test_dontneed_zeroes(raw: Raw) -> None:
    at = map_(raw, 4 * PAGE_SIZE)
    raw.put(b"x" * 4 * PAGE_SIZE, at)
    raw.run(LOAD, rbx=at)
    before = raw.process.space.present_pages
    assert raw.syscall(MADVISE, at + PAGE_SIZE, 2 * PAGE_SIZE, linux.MADV_DONTNEED) == 0
    assert raw.process.space.present_pages == before - 2
    content = raw.memory.read(at, 4 * PAGE_SIZE)
    assert content == b"x" * PAGE_SIZE + bytes(2 * PAGE_SIZE) + b"x" * PAGE_SIZE
    assert raw.run(LOAD, rbx=at + PAGE_SIZE) == 0


def test_mremap(raw: Raw) -> None:
    at = map_(raw, 2 * PAGE_SIZE)
    raw.put(b"content", at)
    assert raw.syscall(MREMAP, at, 2 * PAGE_SIZE, PAGE_SIZE, 0) == at
    moved = raw.syscall(MREMAP, at, PAGE_SIZE, 64 * PAGE_SIZE, linux.MREMAP_MAYMOVE)
    assert moved > 0
    assert raw.memory.read(moved, 8) == b"content\0"
    raw.run(STORE, rbx=moved + 63 * PAGE_SIZE, rax=1)


def test_the_limit() -> None:
    raw = Raw(limits=Limits(memory=8 << 20))
    at = map_(raw, 32 << 20)
    assert at > 0
    # loop: mov [rbx], rbx; add rbx, 4096; dec rcx; jnz loop
    with pytest.raises(MemoryLimitExceeded) as caught:
        raw.run(bytes.fromhex("48891b 4881c300100000 48ffc9 75f1"), rbx=at, rcx=(32 << 20) // 4096)
    assert caught.value.used <= caught.value.allowed == 8 << 20
    raw.close()


def test_memory_that_is_given_back_can_be_had_again() -> None:
    raw = Raw(limits=Limits(memory=8 << 20))
    fill = bytes.fromhex("48891b 4881c300100000 48ffc9 75f1")
    for _ in range(20):
        at = map_(raw, 4 << 20)
        raw.run(fill, rbx=at, rcx=(4 << 20) // 4096)
        assert raw.syscall(MUNMAP, at, 4 << 20) == 0
    raw.close()


def test_the_break_does_not_move(raw: Raw) -> None:
    now = raw.syscall(BRK, 0)
    assert raw.syscall(BRK, now + 4096) == now
