"""Instructions that reach beyond a program: ports, other ways into a kernel."""

from __future__ import annotations

import pytest

from emuplugin.runtime_shims.kernel import linux
from emuplugin.runtime_shims.kernel.signals import Fatal
from tests.kernel.raw import CODE, DATA, Raw
from tests.kernel.test_process import STORE_ARGUMENTS, install

FORBIDDEN = {
    "in al, dx": "ec", "in eax, dx": "ed", "in al, 0x60": "e460", "out dx, al": "ee",
    "out dx, eax": "ef", "out 0x60, al": "e660", "insb": "6c", "rep insb": "f36c", "outsb": "6e",
    "rep outsd": "f36f", "int 0x80": "cd80", "int 0x81": "cd81", "int 3 of two bytes": "cd03",
    "sysenter": "0f34", "sysexit": "0f35", "sysret": "480f07", "hlt": "f4", "cli": "fa",
    "sti": "fb", "rdmsr": "0f32", "wrmsr": "0f30", "mov rax, cr0": "0f20c0",
    "mov cr3, rax": "0f22d8", "mov dr7, rax": "0f23f8", "invd": "0f08", "wbinvd": "0f09",
    "clts": "0f06", "swapgs": "0f01f8", "iretq": "48cf", "ltr ax": "0f00d8", "lmsw ax": "0f01f0",
}  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_instructions_that_programs_may_not_execute(name: str, raw: Raw) -> None:
    code = bytes.fromhex(FORBIDDEN[name])
    with pytest.raises(Fatal) as caught:
        raw.run(code, rax=39, rbx=DATA, rcx=2, rdx=0x60, rsi=DATA, rdi=DATA)
    assert caught.value.number == linux.SIGSEGV
    # The process could have gone on: nothing is left over from the instruction.
    assert raw.syscall(39) == raw.kernel.pid
    assert raw.memory.read(DATA, 16) == bytes(16)


@pytest.mark.parametrize("name", ["in eax, dx", "out dx, al", "rep insb"])
def test_a_handler_sees_the_instruction(name: str, raw: Raw) -> None:
    install(raw, linux.SIGSEGV, STORE_ARGUMENTS)
    code = bytes.fromhex(FORBIDDEN[name])
    # The handler goes on three bytes later.
    raw.run(code.ljust(3, b"\x90"), rbx=DATA, rcx=2, rdx=0x60, rsi=DATA, rdi=DATA + 64)
    assert raw.memory.read_u64(DATA) == linux.SIGSEGV
    assert raw.memory.read_u64(DATA + 16) == CODE


def test_what_follows_in_the_same_block_is_no_way_around(raw: Raw) -> None:
    # in al, dx; mov rax, [0]: a fault in the same block; then: in al, dx; a system call.
    for code in ("ec488b042500000000", "ecb8270000000f05"):
        with pytest.raises(Fatal):
            raw.run(bytes.fromhex(code), rdx=0x60)
        assert raw.syscall(39) == raw.kernel.pid
