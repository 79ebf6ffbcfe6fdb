"""Runs of the engine: traps, exact stops, system calls, memory that Python shares."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from emuplugin.cpu import host_code
from emuplugin.cpu import registers as reg
from emuplugin.cpu import stops as stops_module
from emuplugin.cpu.address_space import PROT_EXEC, PROT_READ, PROT_WRITE
from emuplugin.cpu.engine import Stopped
from emuplugin.cpu.faults import Fault, FaultKind
from tests.cpu.raw import CODE, DATA, SIZE, STACK, Processor

SYSCALL = b"\x0f\x05"


def test_a_run_ends_at_a_trap(cpu: Processor) -> None:
    # mov rax, [rbx]; add rax, 2; mov [rbx], rax
    code = bytes.fromhex("488b03 4883c002 488903")
    cpu.memory.write_u64(DATA + 8, 40)
    assert cpu.run(code, rbx=DATA + 8) is Stopped.TRAP
    assert cpu.engine.rip == CODE + len(code)
    assert cpu["rax"] == cpu.memory.read_u64(DATA + 8) == 42


# The counter in memory and the one in a register go up in turns: wherever a run is stopped, they
# show whether an instruction was left out or done twice. The second number is what the counter
# in memory is ahead by at that offset of the code.
LOOPS = {
    # loop: inc qword [rbx]; inc rcx; jmp loop
    "inc": (bytes.fromhex("48ff03 48ffc1 ebf8"), {0: 0, 3: 1, 6: 0}),
    # loop: add qword [rbx], 1; nop; nop; inc rcx; jmp loop
    "add": (bytes.fromhex("48830301 90 90 48ffc1 ebf5"), {0: 0, 4: 1, 5: 1, 6: 1, 9: 0}),
    # loop: lock xadd [rbx], rdx (rdx = 1); mov edx, 1; inc rcx; jmp loop
    "lock xadd": (
        bytes.fromhex("f0480fc113 ba01000000 48ffc1 ebf1"),
        {0: 0, 5: 1, 10: 1, 13: 0},
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_stops_from_another_thread_are_exact(name: str, cpu: Processor) -> None:
    code, ahead = LOOPS[name]
    stops, done = 250, threading.Event()

    def stop() -> None:
        while not done.is_set():
            time.sleep(0.0002)
            cpu.engine.stop_at_once()

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        end = cpu.run(code, rbx=DATA, rcx=0, rdx=1)
        for _ in range(stops):
            assert end is Stopped.REQUEST
            difference = cpu.memory.read_u64(DATA) - cpu["rcx"]
            assert difference == ahead[cpu.engine.rip - CODE]
            end = cpu.run()
    finally:
        done.set()
        thread.join()
    assert cpu["rcx"] > stops


def test_pushes_are_not_repeated(cpu: Processor) -> None:
    # loop: push rax; inc rcx; pop rdx; jmp loop: the stack never drifts.
    code = bytes.fromhex("50 48ffc1 5a ebf9")
    done = threading.Event()

    def stop() -> None:
        while not done.is_set():
            time.sleep(0.0002)
            cpu.engine.stop_at_once()

    thread = threading.Thread(target=stop)
    thread.start()
    top = STACK + SIZE - 64
    try:
        end = cpu.run(code, rcx=0)
        for _ in range(200):
            assert end is Stopped.REQUEST
            pushed = {0: 0, 1: 8, 4: 8, 5: 0}[cpu.engine.rip - CODE]
            assert cpu["rsp"] == top - pushed
            end = cpu.run()
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("budget", [1000, None])
def test_settling_executes_nothing(
    budget: int | None, counted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the processor stands in an endless loop, whatever ended its run."""
    if not counted:
        monkeypatch.setattr(stops_module, "is_supported", lambda: False)
    cpu = Processor()
    engine, (code, ahead) = cpu.engine, LOOPS["inc"]

    def run(code: bytes = b"", **registers: int) -> None:
        timer = threading.Timer(0.05, engine.stop)
        timer.start()
        assert cpu.run(code, **registers) is Stopped.REQUEST
        timer.join()

    if budget is not None:
        engine.stops.arm(budget)
    run(code, rbx=DATA, rcx=0)

    def state() -> list[object]:
        numbers = [cpu[name] for name in ("rip", "rbx", "rcx", "rsp", "cr2")]
        return [*numbers, cpu.memory.read(DATA, SIZE), engine.stops.keep()]

    before, count = state(), cpu["rcx"]
    engine.settle()
    assert state() == before
    engine.stops.arm(1 << 40)
    run()  # it may end at once, for one that has asked before
    run()
    assert cpu["rcx"] > count
    assert cpu.memory.read_u64(DATA) - cpu["rcx"] == ahead[engine.rip - CODE]
    cpu.close()


def test_system_calls_are_answered_in_the_run(cpu: Processor) -> None:
    seen = []

    def answer() -> None:
        seen.append((cpu["rax"], cpu["rdi"]))
        cpu.engine.write_register(reg.RAX, 7 * cpu["rdi"])

    cpu.engine.on_syscall = answer
    # syscall; mov rdi, rax; syscall
    assert cpu.run(SYSCALL + bytes.fromhex("4889c7") + SYSCALL, rax=1, rdi=3) is Stopped.TRAP
    assert seen == [(1, 3), (21, 21)]
    assert cpu["rax"] == 147


def test_what_a_system_call_raises_ends_the_run(cpu: Processor) -> None:
    def fail() -> None:
        raise LookupError("from the kernel")

    cpu.engine.on_syscall = fail
    with pytest.raises(LookupError, match="from the kernel"):
        cpu.run(SYSCALL)
    cpu.engine.on_syscall = lambda: None
    assert cpu.run(SYSCALL) is Stopped.TRAP


def test_a_stop_within_a_system_call(cpu: Processor) -> None:
    cpu.engine.on_syscall = cpu.engine.stop_at_once
    # syscall; inc rbx
    assert cpu.run(SYSCALL + bytes.fromhex("48ffc3"), rbx=1) is Stopped.REQUEST
    assert cpu["rbx"] == 1
    assert cpu.run() is Stopped.TRAP
    assert cpu["rbx"] == 2


def test_python_and_the_guest_share_memory(cpu: Processor) -> None:
    view = cpu.memory.view(DATA, 16)
    assert view is not None
    view[:8] = (5).to_bytes(8, "little")
    # mov rax, [rbx]; inc rax; mov [rbx + 8], rax
    assert cpu.run(bytes.fromhex("488b03 48ffc0 48894308"), rbx=DATA) is Stopped.TRAP
    assert view[8:].tobytes() == (6).to_bytes(8, "little")
    view.release()


def test_code_that_changes(cpu: Processor) -> None:
    for number in (1, 2, 3):
        # mov eax, number
        assert cpu.run(b"\xb8" + number.to_bytes(4, "little")) is Stopped.TRAP
        assert cpu["rax"] == number


def test_pages_that_change_hands(cpu: Processor) -> None:
    """What was unmapped is gone for the guest at once, and comes back as zeros."""
    read = bytes.fromhex("488b03")  # mov rax, [rbx]
    cpu.space.map(0x2000000, 0x1000, PROT_READ | PROT_WRITE)
    cpu.memory.write_u64(0x2000000, 99)
    cpu.run(read, rbx=0x2000000)
    assert cpu["rax"] == 99
    cpu.space.unmap(0x2000000, 0x1000)
    assert cpu.run(read, rbx=0x2000000) is not Stopped.TRAP
    cpu.space.map(0x2000000, 0x1000, PROT_READ)
    assert cpu.run(read, rbx=0x2000000) is Stopped.TRAP
    assert cpu["rax"] == 0
    code = 0x3000000
    for value in (11, 22):
        cpu.space.map(code, 0x1000, PROT_READ | PROT_EXEC)
        cpu.memory.write(code, b"\xb8" + value.to_bytes(4, "little") + b"\xff\xe1")  # jmp rcx
        # jmp rbx, which comes back to the trap behind
        assert cpu.run(b"\xff\xe3", rbx=code, rcx=CODE + 2) is Stopped.TRAP
        assert cpu["rax"] == value
        cpu.space.unmap(code, 0x1000)


def test_registers_are_saved_and_restored(cpu: Processor) -> None:
    cpu.run(b"\x90", rax=1, rbx=2, r15=3)
    saved = cpu.engine.save()
    vector = cpu.engine.batch(wide=reg.XMM)
    cpu.run(bytes.fromhex("66480f6ec0"), rax=77, rbx=4)  # movq xmm0, rax
    assert vector.load()[0] == 77
    cpu.engine.restore(saved)
    assert (cpu["rax"], cpu["rbx"], cpu["r15"]) == (1, 2, 3)
    assert vector.load()[0] == 0


def test_many_engines(cpu: Processor) -> None:
    others = [Processor() for _ in range(3)]
    for number, other in enumerate(others):
        other.run(bytes.fromhex("48ffc0"), rax=number)  # inc rax
    assert [other["rax"] for other in others] == [1, 2, 3]
    for other in others:
        other.close()


def test_engines_that_several_threads_make_at_once() -> None:
    """Each takes memory for a moment, to find places near and far: the others must not miss it."""
    together = threading.Barrier(4)

    def make(_: int) -> Processor:
        together.wait()
        return Processor()

    made: list[Processor] = []
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            made += pool.map(make, range(4))
            for processor in made[-2:]:
                processor.close()
            del made[-2:]
    assert {processor.engine.stops.exact for processor in made} == {host_code.is_supported()}
    for processor in made:
        processor.close()


def test_code_of_the_hosts_own_leaves_nothing_behind(cpu: Processor) -> None:
    """It runs though the budget is used up, and a request that came meanwhile is still there."""
    stops = cpu.engine.stops
    add = bytes.fromhex("48ffc0") * 5  # inc rax
    cpu.run(add, rax=1)
    stops.arm(2)
    executed = stops.executed
    with cpu.engine.aside():
        assert cpu.run(add, rax=100) is Stopped.TRAP
        cpu.engine.stop()
    assert cpu["rax"] == 6
    assert stops.executed == executed
    assert cpu.run(add, rax=1) is Stopped.REQUEST
    assert cpu["rax"] == 1
    if stops.exact:
        assert cpu.run() is Stopped.REQUEST
        assert stops.take_expired()
        assert cpu["rax"] == 1


def test_a_trap_in_a_page_that_is_not_present(cpu: Processor) -> None:
    """The engine reports a page fault where the trap is; nothing of it must be left behind."""
    trap = 0x5000000
    cpu.space.map(trap, 0x1000, PROT_READ | PROT_EXEC)
    cpu.memory.write(trap, b"\xf4")
    cpu.run(b"\x90")
    cpu.engine.traps = {trap}
    cpu.memory.write(CODE, b"\xff\xe3")  # jmp rbx
    cpu.space.flush_code()
    cpu.engine.write_register(reg.RBX, trap)
    assert cpu.engine.run(CODE) is Stopped.TRAP
    # Neither a request nor another fault is taken for a page fault afterwards.
    cpu.engine.on_syscall = cpu.engine.stop_at_once
    assert cpu.run(SYSCALL + b"\x90") is Stopped.REQUEST
    end = cpu.run(bytes.fromhex("48f7f1"), rcx=0)
    assert isinstance(end, Fault)
    assert end.kind is FaultKind.DIVIDE
