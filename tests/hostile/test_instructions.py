"""Instructions that only a kernel may execute, and odd ones."""

from __future__ import annotations

import pytest

from emuplugin import EmupluginError, GoFatal, GoPanic, LimitExceeded
from tests.hostile.conftest import Hostile, limits

#: These cannot be executed by a process: Linux sends SIGSEGV, SIGILL or SIGTRAP.
FORBIDDEN = {
    "int 0x80": "cd80", "int3": "cc", "int 3": "cd03", "int 14": "cd0e", "icebp": "f1",
    "sysenter": "0f34", "sysexit": "0f35", "sysret": "480f07", "hlt": "f4", "cli": "fa",
    "sti": "fb", "in": "e460", "out": "e660", "in dx": "ec", "out dx": "ee", "insb": "6c",
    "outsb": "6e", "rdmsr": "0f32", "wrmsr": "0f30", "mov rax, cr0": "0f20c0",
    "mov cr0, rax": "0f22c0", "mov cr3, rax": "0f22d8", "mov cr4, rax": "0f22e0",
    "mov cr8, rax": "440f22c0", "mov dr7, rax": "0f23f8", "lgdt": "0f0113", "lidt": "0f011b",
    "lldt": "0f00d0", "ltr": "0f00d8", "lmsw": "0f01f0", "clts": "0f06", "iretq": "48cf",
    "jmp far": "ff2b", "call far": "ff1b", "swapgs": "0f01f8", "wrfsbase": "f3480faed3",
    "wrgsbase": "f3480faedb", "xgetbv": "0f01d0", "xsetbv": "0f01d1", "vmovaps": "c5fc28c1",
    "vpaddd": "c5f5fec2", "vpaddd zmm": "62f17c4828c1", "rdpmc": "0f33", "vmcall": "0f01c1",
    "monitor": "0f01c8", "mwait": "0f01c9", "invlpg": "0f013b", "wbinvd": "0f09", "invd": "0f08",
    "ud2": "0f0b", "ud0": "0fff00", "into": "ce", "bound": "6200", "mov ss": "8ed0",
    "pop fs": "0fa1", "rsm": "0faa", "rdrand": "480fc7f0", "rdseed": "480fc7f8",
    "16 bytes": "66" * 14 + "480fc7f0",
}  # fmt: skip
#: These a process may execute, whatever they do.
ALLOWED = {
    "rdtsc": "0f31", "rdtscp": "0f01f9", "cpuid": "0fa2", "sgdt": "0f0103", "sidt": "0f010b",
    "sldt": "0f00c0", "str": "0f00c8", "smsw": "0f01e0", "popf AC": "9c810c24000004009d",
    "popf IOPL": "9c810c24003000009d", "popf NT": "9c810c24004000009d", "std": "fd", "cld": "fc",
    "popf IF clear": "9c812424fffdffff9d", "clflush": "0fae3b", "mov ds": "8ed8", "mov gs": "8ee8",
    "fxrstor": "0fae0b", "ldmxcsr": "0fae13", "fnstenv": "d933", "fninit": "dbe3", "pause": "f390",
    "prefetch": "0f0d0b", "mfence": "0faef0", "xlat": "d7", "enter": "c8000000c9",
}  # fmt: skip


def test_forbidden(hostile: Hostile) -> None:
    attack = hostile()
    for name, code in FORBIDDEN.items():
        data = attack.copy(bytes(4096))
        error = attack.stops(code, rbx=data, rax=0x18, rsi=data, rdi=data, rdx=0x60)
        assert isinstance(error, GoFatal), (name, error)
        assert "SIG" in str(error), name
        attack.again()
        # The processor is what it was, and no wiser.
        assert attack.run("4889c8", rcx=42)["rax"] == 42, name


def test_allowed(hostile: Hostile) -> None:
    attack = hostile()
    data = attack.copy(bytes(4096))
    for name, code in ALLOWED.items():
        registers = attack.run(code, rbx=data, rax=0, rdi=data, rsi=data)
        assert registers, name
        assert attack.call("Sane", 1, 2) == 3


def test_flags_that_a_process_cannot_change(hostile: Hostile) -> None:
    """IOPL stays 0 and interrupts stay on, as on a processor."""
    attack = hostile()
    flags = attack.run("9c810c24003000009d9c58")["rax"]
    assert flags >> 12 & 3 == 0
    flags = attack.run("9c812424fffdffff9d9c58")["rax"]
    assert flags >> 9 & 1 == 1
    assert isinstance(attack.stops("e460"), GoFatal)


def test_single_steps(hostile: Hostile) -> None:
    """The trap flag: SIGTRAP, which ends a Go program."""
    attack = hostile()
    error = attack.ends("Run", bytes.fromhex("9c810c24000100009d9090c3"), [0] * 16)
    assert error is None or isinstance(error, GoFatal)
    attack.again()


@pytest.mark.parametrize(
    "code",
    [
        "31e40f05",  # rsp = 0; syscall
        "31e450",  # rsp = 0; push
        "48c7c4ffffffff50",  # rsp = -1
        "48bc0000000000800000c3",  # rsp not canonical; ret
        "48c7c407000000e800000000",  # rsp = 7; call
        "4889dc50",  # rsp in memory that cannot be written
        "31e40f0b",  # rsp = 0; ud2
        "31e4cd80",  # rsp = 0; int 0x80
        "31e4b8e70000000f05ebfe",  # exit_group without a stack
        "31ed4d31f631e431c08b00",  # no rbp, g, rsp; a fault
    ],
)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_stacks_that_are_none(hostile: Hostile, code: str, elsewhere: bool) -> None:
    attack = hostile(limits=limits(seconds=3.0))
    read_only = attack.call("Map", 0, 4096, 1, 0x22)
    error = attack.stops(code, elsewhere=elsewhere, rax=39, rbx=read_only + 2048)
    assert isinstance(error, EmupluginError)
    assert not isinstance(error, LimitExceeded)
    attack.again()


@pytest.mark.parametrize("base", [0, 1, 8, 0x1234_5678_9000, 0x7FFF_FFFF_F000])
def test_thread_pointers_that_are_none(hostile: Hostile, base: int) -> None:
    """arch_prctl(ARCH_SET_FS): Go's g is read relative to it, also by emuplugin."""
    attack = hostile(limits=limits(seconds=3.0))
    code = "b89e000000bf021000000f05"  # rsi is the base
    error = attack.ends("Run", bytes.fromhex(code) + b"\xc3", _words(rsi=base))
    assert error is not None
    attack.again()
    # The same, and then a fault, a panic, a signal.
    for more in ("31c08b00", "0f0b", "b8270000000f05"):
        error = attack.ends("RunElsewhere", bytes.fromhex(code + more) + b"\xc3", _words(rsi=base))
        assert error is not None
        attack.again()


def test_a_thread_pointer_that_cannot_be(hostile: Hostile) -> None:
    attack = hostile()
    for base in (1 << 47, 1 << 63, (1 << 64) - 1, 0xFFFF_8000_0000_0000):
        assert attack.kernel(158, 0x1002, base) == -1  # EPERM
    attack.again()


def test_a_division(hostile: Hostile) -> None:
    attack = hostile()
    for code in ("31c9f7f1", "48b8000000000000008048c7c2ffffffff48c7c1ffffffff48f7f9"):
        error = attack.stops(code)
        assert isinstance(error, GoPanic)
        assert "divide" in error.value
    attack.again()


def _words(**values: int) -> list[int]:
    from tests.hostile.conftest import registers

    return registers(**values)
