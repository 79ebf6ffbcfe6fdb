"""What the guest may not do, and what the processor says of itself."""

from __future__ import annotations

import pytest

from emuplugin.cpu.address_space import PROT_NONE
from emuplugin.cpu.cpuid import GO_FEATURES
from emuplugin.cpu.engine import Stopped
from emuplugin.cpu.faults import Fault, FaultKind
from tests.cpu.raw import CODE, DATA, READ_ONLY, SYSTEM, Processor

LOAD, STORE = bytes.fromhex("488b03"), bytes.fromhex("488903")  # mov rax, [rbx]; mov [rbx], rax


def fault_of(cpu: Processor, code: bytes, **registers: int) -> Fault:
    end = cpu.run(code, **registers)
    assert isinstance(end, Fault)
    return end


@pytest.mark.parametrize("address", [0, 8, 0x1234567, 0x7FFF_FFFF_F000, DATA - 4])
@pytest.mark.parametrize("code", [LOAD, STORE])
def test_no_memory_there(code: bytes, address: int, cpu: Processor) -> None:
    for _ in range(3):
        fault = fault_of(cpu, b"\x90" + code, rbx=address)
        assert (fault.kind, fault.rip) == (FaultKind.PAGE, CODE + 1)
        # Of an access that straddles two pages the missing one may be told.
        assert address <= fault.address < address + 8
    assert cpu.run(LOAD, rbx=DATA) is Stopped.TRAP


def test_memory_that_may_only_be_read(cpu: Processor) -> None:
    assert cpu.run(LOAD, rbx=READ_ONLY) is Stopped.TRAP
    assert fault_of(cpu, STORE, rbx=READ_ONLY) == Fault(FaultKind.PAGE, CODE, READ_ONLY)
    assert fault_of(cpu, STORE, rbx=CODE) == Fault(FaultKind.PAGE, CODE, CODE)
    cpu.space.protect(DATA, 0x1000, PROT_NONE)
    assert fault_of(cpu, LOAD, rbx=DATA) == Fault(FaultKind.PAGE, CODE, DATA)


def test_data_is_not_executed(cpu: Processor) -> None:
    cpu.memory.write(DATA, b"\xc3")
    fault = fault_of(cpu, b"\xff\xe3", rbx=DATA)  # jmp rbx
    assert fault == Fault(FaultKind.PAGE, DATA, DATA)


def test_the_engines_own_page_is_out_of_reach(cpu: Processor) -> None:
    for code in (LOAD, STORE, b"\xff\xe3"):
        fault = fault_of(cpu, code, rbx=SYSTEM)
        assert fault.kind is FaultKind.PAGE
        assert fault.address == SYSTEM


def test_addresses_that_cannot_be(cpu: Processor) -> None:
    for address in (1 << 63, 1 << 47, 0xDEAD_0000_0000_0000):
        fault = fault_of(cpu, LOAD, rbx=address)
        assert fault.kind in (FaultKind.PROTECTION, FaultKind.PAGE)
        assert fault.rip == CODE


@pytest.mark.parametrize(
    ("code", "registers"),
    [
        ("48f7f1", {"rcx": 0, "rax": 1, "rdx": 0}),  # div rcx
        ("48f7f9", {"rcx": 0, "rax": 1, "rdx": 0}),  # idiv rcx
        ("f6f1", {"rcx": 0, "rax": 1}),  # div cl
        ("f7f1", {"rcx": 1, "rax": 0, "rdx": 5}),  # div ecx, the quotient is too large
        ("48f7f9", {"rcx": (1 << 64) - 1, "rax": 1 << 63, "rdx": (1 << 64) - 1}),
        ("48f733", {"rbx": DATA, "rax": 1, "rdx": 0}),  # div qword [rbx]
    ],
)
def test_divisions(code: str, registers: dict[str, int], cpu: Processor) -> None:
    fault = fault_of(cpu, b"\x90" + bytes.fromhex(code), **registers)
    assert fault == Fault(FaultKind.DIVIDE, CODE + 1, 0)


@pytest.mark.parametrize(
    "code",
    [
        "f4",  # hlt where no trap is
        "fa",  # cli
        "fb",  # sti
        "0f22d8",  # mov cr3, rax
        "0f20c0",  # mov rax, cr0
        "0f21c0",  # mov rax, dr0
        "0f30",  # wrmsr
        "0f32",  # rdmsr
        "0f0113",  # lgdt [rbx]
        "0f0133",  # lmsw [rbx]
        "0f013b",  # invlpg [rbx]
        "0f01f8",  # swapgs
        "0f06",  # clts
        "0f09",  # wbinvd
        "48cf",  # iretq to nowhere
        "0f07",  # sysret
        "cd80",  # int 0x80
        "cd0e",  # int 14
        "0f31",  # rdtsc: the kernel answers it
        "0f01f9",  # rdtscp
    ],
)
def test_ring_3_may_not(code: str, cpu: Processor) -> None:
    data = bytes.fromhex(code)
    for _ in range(2):
        # A software interrupt leaves RIP behind it: no trap may be there.
        fault = fault_of(cpu, data + b"\x90", rax=0, rbx=DATA, rcx=0x1B, rdx=0)
        assert fault.kind in (FaultKind.PROTECTION, FaultKind.INVALID, FaultKind.PAGE)
        assert CODE <= fault.rip <= CODE + len(data)
    # The processor is as it was: still in ring 3, paging on.
    assert cpu.run(LOAD, rbx=DATA) is Stopped.TRAP
    assert fault_of(cpu, LOAD, rbx=SYSTEM).kind is FaultKind.PAGE
    assert fault_of(cpu, b"\xfa").kind is FaultKind.PROTECTION


@pytest.mark.parametrize("code", ["ec", "ee", "e460", "e660", "6c", "6e"])
def test_there_are_no_devices(code: str, cpu: Processor) -> None:
    """The engine does not refuse IN and OUT in ring 3; we do."""
    cpu.memory.write(DATA, b"\x55" * 16)
    fault = fault_of(cpu, bytes.fromhex(code), rax=0, rdx=0x60, rdi=DATA, rsi=DATA)
    assert (fault.kind, fault.rip) == (FaultKind.PROTECTION, CODE)


def test_undefined_instructions(cpu: Processor) -> None:
    # ud2, ud0, push es, an AVX-512 one; rdrand and rdseed, which would be the host's randomness
    for code in ("0f0b", "0fff", "06", "62f17c4858c1", "480fc7f0", "480fc7f8"):
        fault = fault_of(cpu, bytes.fromhex(code))
        assert (fault.kind, fault.rip) == (FaultKind.INVALID, CODE)
    fault = fault_of(cpu, b"\x90\xcc\x90")
    assert (fault.kind, fault.rip) == (FaultKind.BREAKPOINT, CODE + 2)


def cpuid(cpu: Processor, leaf: int, subleaf: int = 0) -> tuple[int, int, int, int]:
    assert cpu.run(b"\x0f\xa2", rax=leaf, rcx=subleaf) is Stopped.TRAP
    return cpu["rax"], cpu["rbx"], cpu["rcx"], cpu["rdx"]


def test_the_processor_names_itself(cpu: Processor) -> None:
    highest, ebx, ecx, edx = cpuid(cpu, 0)
    assert highest >= 7
    vendor = b"".join(part.to_bytes(4, "little") for part in (ebx, edx, ecx))
    assert vendor == b"GenuineIntel"
    brand = b"".join(
        part.to_bytes(4, "little")
        for leaf in range(0x80000002, 0x80000005)
        for part in cpuid(cpu, leaf)
    )
    assert brand.rstrip(b"\0").startswith(b"emuplugin")
    assert cpuid(cpu, 0x12345678) == (0, 0, 0, 0)


def test_features_that_the_engine_computes_wrongly_are_absent(cpu: Processor) -> None:
    _, _, ecx, edx = cpuid(cpu, 1)
    absent = {"FMA": 12, "XSAVE": 26, "OSXSAVE": 27, "AVX": 28, "F16C": 29, "RDRAND": 30}
    assert not any(ecx >> bit & 1 for bit in absent.values())
    present = {"SSE3": 0, "PCLMULQDQ": 1, "SSSE3": 9, "SSE4.1": 19, "SSE4.2": 20, "AES": 25}
    assert all(ecx >> bit & 1 for bit in present.values())
    assert edx >> 26 & 1  # SSE2
    _, ebx, _, _ = cpuid(cpu, 7)
    absent = {"AVX2": 5, "AVX512F": 16, "RDSEED": 18, "SHA": 29, "AVX512VL": 31}
    assert not any(ebx >> bit & 1 for bit in absent.values())
    assert not {"AVX", "AVX2", "FMA", "OSXSAVE", "AVX512F", "SHA"} & GO_FEATURES
    # Whoever asks for the state of AVX without looking is refused.
    assert isinstance(cpu.run(bytes.fromhex("0f01d0"), rcx=0), Fault)  # xgetbv


@pytest.mark.parametrize(
    ("code", "a", "b", "expected"),
    [
        ("f3480fb8c3", 0, 0xFF00FF, 16),  # popcnt rax, rbx
        ("f2480f38f1c3", 0xFFFFFFFF, 0x3837363534333231, 0x9F787F65),  # crc32 rax, rbx
    ],
)
def test_features_that_are_offered_work(
    code: str, a: int, b: int, expected: int, cpu: Processor
) -> None:
    assert cpu.run(bytes.fromhex(code), rax=a, rbx=b) is Stopped.TRAP
    assert cpu["rax"] == expected
