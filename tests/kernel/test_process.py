"""Threads, futexes, signals, clocks, identity, and what is refused."""

from __future__ import annotations

import struct

import pytest

from emuplugin import Limits
from emuplugin.cpu import registers as reg
from emuplugin.runtime_shims.kernel import linux
from emuplugin.runtime_shims.kernel.kernel import AllAsleepError, ExitError
from emuplugin.runtime_shims.kernel.signals import Fatal
from emuplugin.runtime_shims.kernel.table import TABLE
from tests.kernel.raw import CODE, DATA, SECRET, SIZE, Raw

CLONE, EXIT, EXIT_GROUP, FUTEX, GETTID, YIELD = 56, 60, 231, 202, 186, 24
SIGACTION, SIGMASK, SIGRETURN, TGKILL, SIGALTSTACK = 13, 14, 15, 234, 131
THREAD = linux.CLONE_VM | linux.CLONE_SIGHAND | linux.CLONE_THREAD
WAIT, WAKE = (
    linux.FUTEX_WAIT | linux.FUTEX_PRIVATE_FLAG,
    linux.FUTEX_WAKE | linux.FUTEX_PRIVATE_FLAG,
)
CHILD_STACK = DATA + SIZE - 64


def code(*parts: str) -> bytes:
    return bytes.fromhex("".join(parts))


def mov(register: str, value: int) -> str:
    """``mov register, value`` with 32 bits."""
    opcode = {"eax": "b8", "ecx": "b9", "edx": "ba", "esi": "be", "edi": "bf", "r10d": "41ba"}
    return opcode[register] + struct.pack("<I", value).hex()


SYSCALL = "0f05"


def test_a_thread_counts_and_ends(raw: Raw) -> None:
    """The child adds to DATA and exits; the parent waits for its tid to be cleared (a join)."""
    child = code(
        mov("eax", 0),
        "48ff0425" + struct.pack("<I", DATA).hex(),  # inc qword [DATA]
        mov("edi", 0), mov("eax", EXIT), SYSCALL,
    )  # fmt: skip
    wait = code(
        mov("edi", DATA + 8), mov("esi", WAIT), "89c2",  # mov edx, eax: the child's tid
        "4d31d2", mov("eax", FUTEX), SYSCALL,
    )  # fmt: skip
    jump = b"\x85\xc0\x75" + bytes([len(child)])  # test eax, eax; jnz over the child's code
    flags = (
        THREAD | linux.CLONE_CHILD_CLEARTID | linux.CLONE_CHILD_SETTID | linux.CLONE_PARENT_SETTID
    )
    start = code(SYSCALL) + jump + child + wait
    result = raw.run(
        start, rax=CLONE, rdi=flags, rsi=CHILD_STACK, rdx=DATA + 16, r10=DATA + 8, r8=0
    )
    assert result == 0  # woken, not EAGAIN
    assert raw.memory.read_u64(DATA) == 1
    assert raw.memory.read_u32(DATA + 8) == 0
    assert raw.memory.read_u32(DATA + 16) == raw.kernel.pid + 1
    assert len(raw.kernel.threads.all) == 1


def test_threads_have_registers_of_their_own(raw: Raw) -> None:
    # After clone: the child sets rbx and yields for ever; the parent yields and looks at its own.
    child = code(mov("ecx", 0), "bb07000000", mov("eax", YIELD), SYSCALL, "ebf7")
    parent = code(mov("eax", YIELD), SYSCALL, mov("eax", YIELD), SYSCALL, "4889d8")  # mov rax, rbx
    start = code(SYSCALL) + b"\x85\xc0\x75" + bytes([len(child)]) + child + parent
    assert raw.run(start, rax=CLONE, rdi=THREAD, rsi=CHILD_STACK, rbx=5) == 5
    assert len(raw.kernel.threads.all) == 2


def test_new_processes_are_refused(raw: Raw) -> None:
    assert raw.syscall(CLONE, linux.SIGCHLD, 0, 0, 0, 0) == -linux.EPERM
    assert raw.kernel.refused["clone"] == 1
    for number in (57, 58, 59, 101, 165, 321, 310):  # fork, vfork, execve, ptrace, mount, bpf, ...
        assert raw.syscall(number, DATA, DATA, DATA) == -linux.EPERM


def test_the_number_of_threads_is_limited() -> None:
    raw = Raw(limits=Limits(memory=64 << 20, threads=2))
    # Children yield for ever.
    child = code(mov("eax", YIELD), SYSCALL, "ebf7")
    start = code(SYSCALL) + b"\x85\xc0\x75" + bytes([len(child)]) + child
    assert raw.run(start, rax=CLONE, rdi=THREAD, rsi=CHILD_STACK) == raw.kernel.pid + 1
    result = raw.run(start, rax=CLONE, rdi=THREAD, rsi=CHILD_STACK)
    assert result == (1 << 64) - linux.EAGAIN
    raw.close()


def test_futexes(raw: Raw) -> None:
    raw.memory.write_u32(DATA, 5)
    assert raw.syscall(FUTEX, DATA, WAIT, 4, 0) == -linux.EAGAIN
    assert raw.syscall(FUTEX, DATA + 1, WAIT, 5, 0) == -linux.EINVAL
    assert raw.syscall(FUTEX, DATA, WAKE, 1) == 0
    assert raw.syscall(FUTEX, DATA, 99, 1) == -linux.ENOSYS
    raw.put(struct.pack("<qq", 2, 5), DATA + 16)
    before = raw.kernel.clock.monotonic()
    assert raw.syscall(FUTEX, DATA, WAIT, 5, DATA + 16) == -linux.ETIMEDOUT
    assert raw.kernel.clock.monotonic() - before >= 2_000_000_005
    raw.put(struct.pack("<qq", 0, 1_000_000_000), DATA + 16)
    assert raw.syscall(FUTEX, DATA, WAIT, 5, DATA + 16) == -linux.EINVAL
    with pytest.raises(AllAsleepError):
        raw.syscall(FUTEX, DATA, WAIT, 5, 0)


def test_exit(raw: Raw) -> None:
    for number in (EXIT, EXIT_GROUP):
        with pytest.raises(ExitError) as caught:
            raw.syscall(number, 0x1FF)
        assert caught.value.code == 0xFF


HANDLER = CODE + 0x1000
RESTORER = CODE + 0x2000


def install(raw: Raw, number: int, handler: bytes, flags: int = 0, mask: int = 0) -> None:
    """A handler of machine code."""
    raw.memory.write(HANDLER, handler)
    raw.memory.write(RESTORER, code(mov("eax", SIGRETURN), SYSCALL))
    flags |= linux.SA_SIGINFO | linux.SA_RESTORER
    raw.put(struct.pack("<4Q", HANDLER, flags, RESTORER, mask), DATA + 0x8000)
    assert raw.syscall(SIGACTION, number, DATA + 0x8000, 0, 8) == 0


# The handler stores its arguments: number, address of the fault (siginfo), then returns.
STORE_ARGUMENTS = code(
    "4889fb",  # mov rbx, rdi
    "48893c25" + struct.pack("<I", DATA).hex(),  # mov [DATA], rdi
    "488b4610",  # mov rax, [rsi + 16]
    "48890425" + struct.pack("<I", DATA + 8).hex(),  # mov [DATA + 8], rax
    "4c8b82a8000000",  # mov r8, [rdx + 168]: its RIP
    "4c890425" + struct.pack("<I", DATA + 16).hex(),
    "488382a800000003",  # add qword [rdx + 168], 3: go on behind it
    "c3",
)


def test_a_handler_sees_a_fault_and_goes_on(raw: Raw) -> None:
    install(raw, linux.SIGSEGV, STORE_ARGUMENTS)
    # mov rax, [rbx] at an address that is not there; inc r15
    raw.run(code("488b03", "49ffc7"), rbx=0x1234_5678, r15=41, rax=7)
    number, address, rip = struct.unpack("<3Q", raw.memory.read(DATA, 24))
    assert (number, address, rip) == (linux.SIGSEGV, 0x1234_5678, CODE)
    engine = raw.process.engine
    assert engine.read_register(reg.R15) == 42
    assert engine.read_register(reg.RBX) == 0x1234_5678  # the handler's own RBX is gone
    assert engine.read_register(reg.RSP) == raw.stack
    assert raw.kernel.threads.current.signal_mask == 0


@pytest.mark.parametrize(
    ("instruction", "number"),
    [("48f7f1", linux.SIGFPE), ("0f0b90", linux.SIGILL), ("fa9090", linux.SIGSEGV)],
)
def test_signals_of_faults(instruction: str, number: int, raw: Raw) -> None:
    install(raw, number, STORE_ARGUMENTS)
    raw.run(code(instruction), rcx=0, rdx=0, rax=1)
    assert raw.memory.read_u64(DATA) == number
    raw.kernel.signals.actions.clear()
    with pytest.raises(Fatal) as caught:
        raw.run(code(instruction), rcx=0, rdx=0, rax=1)
    assert caught.value.number == number


def test_signals_that_are_sent(raw: Raw) -> None:
    store = code("48893c25" + struct.pack("<I", DATA).hex(), "c3")
    install(raw, linux.SIGUSR1, store)
    pid = raw.kernel.pid
    assert raw.syscall(TGKILL, pid, pid, linux.SIGUSR1) == 0
    assert raw.memory.read_u64(DATA) == linux.SIGUSR1
    # Blocked it waits; unblocked it comes.
    raw.memory.write_u64(DATA, 0)
    raw.memory.write_u64(DATA + 0x100, 1 << linux.SIGUSR1 - 1)
    assert raw.syscall(SIGMASK, linux.SIG_BLOCK, DATA + 0x100, 0, 8) == 0
    assert raw.syscall(TGKILL, pid, pid, linux.SIGUSR1) == 0
    assert raw.memory.read_u64(DATA) == 0
    assert raw.syscall(SIGMASK, linux.SIG_UNBLOCK, DATA + 0x100, 0, 8) == 0
    raw.run(b"\x90")
    assert raw.memory.read_u64(DATA) == linux.SIGUSR1
    with pytest.raises(Fatal):
        raw.syscall(TGKILL, pid, pid, linux.SIGTERM)
    assert raw.syscall(TGKILL, pid, 999, linux.SIGUSR1) == -linux.ESRCH
    assert raw.syscall(SIGACTION, linux.SIGKILL, DATA, 0, 8) == -linux.EINVAL
    assert raw.syscall(SIGACTION, 65, DATA, 0, 8) == -linux.EINVAL


def test_an_alternate_stack(raw: Raw) -> None:
    top = DATA + 0x4000
    raw.put(struct.pack("<QiiQ", top, 0, 0, 0x2000), DATA + 0x100)
    assert raw.syscall(SIGALTSTACK, DATA + 0x100, 0) == 0
    # mov [DATA], rsp; ret
    install(
        raw, linux.SIGUSR1, code("48892425" + struct.pack("<I", DATA).hex(), "c3"), linux.SA_ONSTACK
    )
    pid = raw.kernel.pid
    assert raw.syscall(TGKILL, pid, pid, linux.SIGUSR1) == 0
    assert top <= raw.memory.read_u64(DATA) < top + 0x2000


def test_clocks(raw: Raw) -> None:
    def now(clock: int) -> int:
        assert raw.syscall(228, clock, DATA) == 0
        seconds, nanoseconds = struct.unpack("<qq", raw.memory.read(DATA, 16))
        return int(seconds * 10**9 + nanoseconds)

    real, monotonic = now(linux.CLOCK_REALTIME), now(linux.CLOCK_MONOTONIC)
    assert real > 1_767_225_600 * 10**9 > monotonic
    assert now(linux.CLOCK_MONOTONIC) > monotonic
    assert raw.syscall(228, 99, DATA) == -linux.EINVAL
    raw.put(struct.pack("<qq", 5, 0), DATA + 64)
    assert raw.syscall(35, DATA + 64, 0) == 0  # nanosleep
    assert now(linux.CLOCK_MONOTONIC) - monotonic >= 5 * 10**9
    assert raw.syscall(201, 0) == now(linux.CLOCK_REALTIME) // 10**9  # time


def test_the_time_stamp_counter_is_the_clock(raw: Raw) -> None:
    before = raw.kernel.clock.monotonic()
    # rdtsc; shl rdx, 32; or rax, rdx
    first = raw.run(code("0f31", "48c1e220", "4809d0"))
    # rdtscp does the same and tells the processor
    second = raw.run(code("0f01f9", "48c1e220", "4809d0"), rcx=77)
    assert before < first < second < raw.kernel.clock.monotonic()
    assert raw.process.engine.read_register(reg.RCX) == 0


def test_randomness() -> None:
    outputs = []
    for seed in (1, 1, 2):
        raw = Raw(seed=seed)
        assert raw.syscall(318, DATA, 32, 0) == 32
        outputs.append(raw.memory.read(DATA, 32))
        raw.close()
    assert outputs[0] == outputs[1] != outputs[2]


def test_identity(raw: Raw) -> None:
    assert raw.syscall(39) == raw.kernel.pid == raw.syscall(GETTID)
    assert raw.syscall(102) == 1000
    assert raw.syscall(63, DATA) == 0
    fields = [f.rstrip(b"\0") for f in struct.unpack("65s" * 6, raw.memory.read(DATA, 390))]
    assert fields[:2] == [b"Linux", b"emuplugin"]
    assert fields[4] == b"x86_64"
    assert raw.syscall(79, DATA, 100) == 2
    assert raw.memory.read(DATA, 2) == b"/\0"


def test_what_is_not_there_says_so(raw: Raw) -> None:
    unknown = next(number for number in range(400, 500) if number not in TABLE)
    assert raw.syscall(unknown) == -linux.ENOSYS
    assert raw.syscall((1 << 63) + 1) == -linux.ENOSYS
    assert raw.kernel.refused[f"syscall {unknown}"] == 1


@pytest.mark.parametrize("number", sorted(TABLE))
@pytest.mark.parametrize("value", [0, (1 << 64) - 1, 1 << 63, DATA, 0x7FFF_FFFF])
def test_no_call_breaks_the_kernel(number: int, value: int) -> None:
    """Whatever the arguments are: a result, or one of the ends that a process has."""
    raw = Raw()
    try:
        result = raw.syscall(number, *[value] * 6)
        assert result > -4096
    except (ExitError, AllAsleepError, Fatal):
        pass
    finally:
        raw.close()


@pytest.mark.parametrize("where", ["[system]", "read-only", "code", "nowhere", "top"])
def test_signal_frames_go_only_where_the_guest_may_write(where: str, raw: Raw) -> None:
    """The kernel must not do for the guest what the guest may not do itself."""
    space = raw.process.space
    places = {area.name: area.start for area in space}
    stack = {"[system]": places["[system]"], "code": CODE, "top": (1 << 64) - 0x2000}
    at = stack.get(where, 0x7000_0000)
    if where == "read-only":
        at = SECRET
    raw.put(struct.pack("<QiiQ", at, 0, 0, 0x2000), DATA + 0x100)
    assert raw.syscall(SIGALTSTACK, DATA + 0x100, 0) in (0, -linux.ENOMEM, -linux.EINVAL)
    install(raw, linux.SIGUSR1, b"\xc3", linux.SA_ONSTACK)
    area = space.find(at)
    before = raw.memory.read(at, 0x1000) if area else b""
    with pytest.raises(Fatal):
        raw.syscall(TGKILL, raw.kernel.pid, raw.kernel.pid, linux.SIGUSR1)
    # The code of the call itself was written to CODE by this test.
    assert not area or raw.memory.read(at, 0x1000)[0x100:] == before[0x100:]


def test_signals_on_a_stack_that_is_not_there(raw: Raw) -> None:
    install(raw, linux.SIGSEGV, b"\xc3")
    for rsp in (0, 8, 0x7000_0000, (1 << 64) - 8, SECRET + SIZE):
        with pytest.raises(Fatal):
            raw.run(code("488b03"), rbx=0, rsp=rsp)  # mov rax, [rbx]


def test_a_thread_that_ends_clears_only_what_it_may(raw: Raw) -> None:
    child = code(mov("edi", 0), mov("eax", EXIT), SYSCALL)
    parent = code(mov("eax", YIELD), SYSCALL)
    start = code(SYSCALL) + b"\x85\xc0\x75" + bytes([len(child)]) + child + parent
    flags = THREAD | linux.CLONE_CHILD_CLEARTID
    raw.memory.write_u32(SECRET, 7)
    raw.run(start, rax=CLONE, rdi=flags, rsi=CHILD_STACK, r10=SECRET)
    assert len(raw.kernel.threads.all) == 1
    assert raw.memory.read_u32(SECRET) == 7
