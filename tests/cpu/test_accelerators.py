"""Loops that the host runs: exactly what the engine makes of them, by themselves."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import capstone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emuplugin.cpu import registers as reg
from emuplugin.cpu.accelerators import common, loops, sha256
from emuplugin.cpu.accelerators.known_loops import LOOPS
from emuplugin.cpu.accelerators.loops import NAMES, Loop
from emuplugin.cpu.address_space import PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE
from emuplugin.cpu.counted_stops import CountedStops
from emuplugin.cpu.engine import Stopped
from emuplugin.cpu.faults import Fault, FaultKind
from emuplugin.cpu.hooks import Hooks
from emuplugin.cpu.listing import assemble

from .raw import CODE, DATA, HLT, READ_ONLY, SIZE, STACK, Processor

IDS = ("movsq", "movsb", "stosq", "move", "mul_add", "add_mul", "add", "sub")
MOVSQ, MOVSB, STOSQ, MOVE, MUL_ADD = LOOPS[:5]
DF = 1 << 10
RFLAGS_BITS = 0xCD5  # what instructions of the guest's change: CF, PF, AF, ZF, SF, DF, OF
_CODE = {loop: assemble(loop.listing, 0, {}, {}) for loop in LOOPS}


class State(NamedTuple):
    """All that the guest can see after a run."""

    end: Stopped | Fault
    rip: int
    registers: tuple[int, ...]
    vectors: tuple[int, ...]
    flags: int
    memory: bytes
    executed: int


class Twins:
    """Two processors, of which one has accelerators."""

    def __init__(self) -> None:
        self.both = [Processor(accelerators=True), Processor(accelerators=False)]
        if not accelerates(self.both[0]):
            self.close()
            pytest.skip("no accelerators on this host")

    def run(self, loop: Loop, at: int = 0, budget: int | None = None, **registers: int) -> State:
        """What comes of the loop, placed ``at`` bytes behind CODE; it is the same for both."""
        with_, without = (self.run_one(cpu, loop, at, budget, dict(registers)) for cpu in self.both)
        assert with_ == without
        return with_

    def run_one(
        self, cpu: Processor, loop: Loop, at: int, budget: int | None, registers: dict[str, int]
    ) -> State:
        start = CODE + at
        code = _CODE[loop] + HLT
        if cpu.memory.read(start, len(code)) != code:
            cpu.memory.write(start, code)
            cpu.space.flush_code()
        cpu.engine.traps = {start + len(code) - 1}
        cpu.engine.write_register(reg.RSP, STACK + SIZE - 64)
        cpu.engine.write_register(reg.RFLAGS, registers.pop("rflags", 0x202))
        cpu.engine.write_register(reg.RIP, start)
        for number in range(16):
            cpu.engine.write_register(reg.XMM[number], number << 64 | 0x1234 + number)
        before = cpu.engine.stops.executed
        cpu.engine.stops.arm(1 << 62 if budget is None else budget)
        for name, value in registers.items():
            cpu.engine.write_register(vars(reg)[name.upper()], value)
        end = cpu.run()
        return State(
            end,
            cpu.engine.rip,
            tuple(cpu[name] for name in NAMES),
            tuple(cpu.engine.read_register(number) for number in reg.XMM),
            cpu["rflags"] & RFLAGS_BITS,
            cpu.memory.read(DATA, SIZE) + cpu.memory.read(READ_ONLY, SIZE),
            cpu.engine.stops.executed - before,
        )

    def fill(self, content: bytes, at: int = DATA) -> None:
        for cpu in self.both:
            cpu.memory.write(at, content)

    def close(self) -> None:
        for cpu in self.both:
            cpu.close()


def accelerates(cpu: Processor) -> bool:
    stops = cpu.engine.stops
    return isinstance(stops, CountedStops) and bool(stops._cells.known)


def ran_on_the_host(cpu: Processor) -> bool:
    """Whether an accelerator has run since this was asked last."""
    cells = cpu.engine.stops._cells  # type: ignore[attr-defined]
    done, cells.iterations = cells.iterations, 0
    return bool(done)


@pytest.fixture(scope="module")
def shared() -> Iterator[Twins]:
    found = Twins()
    yield found
    found.close()


@pytest.fixture
def twins() -> Iterator[Twins]:
    found = Twins()
    yield found
    found.close()


def arguments(loop: Loop, iterations: int, offsets: tuple[int, ...], number: int) -> dict[str, int]:
    """Registers for so many iterations, with pointers into DATA."""
    values = {name: number * (7 + at) & (1 << 64) - 1 for at, name in enumerate(NAMES)}
    del values["rsp"]
    values[loop.counter] = iterations << loop.step
    for pointer, offset in zip(loop.pointers, offsets, strict=False):
        values[pointer.register] = DATA + offset
    return values


OFFSETS = st.integers(0, SIZE // 2)


@given(
    which=st.sampled_from(LOOPS),
    iterations=st.integers(1, 300),
    offsets=st.tuples(OFFSETS, OFFSETS, OFFSETS),
    number=st.integers(0, (1 << 64) - 1),
    at=st.integers(0, 2 * PAGE_SIZE),
    seed=st.integers(0, 1000),
    down=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_loops_end_as_the_engine_ends_them(
    which: Loop,
    iterations: int,
    offsets: tuple[int, int, int],
    number: int,
    at: int,
    seed: int,
    down: bool,
    shared: Twins,
) -> None:
    """Memory, registers, flags and counts; pointers that overlap, cross pages, or lie askew."""
    largest = max(pointer.shift for pointer in which.pointers)
    iterations = min(iterations, SIZE // 2 >> largest)
    shared.fill(Random(seed).randbytes(SIZE))
    registers = arguments(which, iterations, offsets, number)
    if which.repeats and down:
        registers["rflags"] = 0x202 | DF
        for pointer in which.pointers:
            registers[pointer.register] += (iterations - 1) << pointer.shift
    state = shared.run(which, at, **registers)
    assert state.end is Stopped.TRAP


@pytest.mark.parametrize("loop", LOOPS, ids=IDS)
def test_the_host_runs_them(loop: Loop, twins: Twins) -> None:
    twins.fill(bytes(SIZE))
    largest = max(pointer.shift for pointer in loop.pointers)
    for _ in range(2):  # the first touches the pages
        with_, without = map(ran_on_the_host, twins.both)
        twins.run(loop, **arguments(loop, PAGE_SIZE >> largest, (0, 4096, 8192), 3))
    with_, without = map(ran_on_the_host, twins.both)
    assert (with_, without) == (True, False)


@pytest.mark.parametrize("loop", LOOPS, ids=IDS)
def test_any_budget_ends_at_the_same_place(loop: Loop, shared: Twins) -> None:
    """With whatever is in memory then, and with the same to come."""
    largest = max(pointer.shift for pointer in loop.pointers)
    iterations = min(60, SIZE // 2 >> largest)
    registers = arguments(loop, iterations, (64, 8200, 4000), 12345678901234567890)
    shared.fill(bytes(range(256)) * (SIZE // 256))
    whole = shared.run(loop, **registers).executed
    stopped = 0
    for budget in (*range(1, 140), *range(140, whole + 3, 61)):
        shared.fill(bytes(range(256)) * (SIZE // 256))
        state = shared.run(loop, budget=budget, **registers)
        stopped += state.end is Stopped.REQUEST
        assert state.executed <= budget + (state.end is Stopped.TRAP)
        for cpu in shared.both:
            cpu.engine.stops.take_expired()
            cpu.engine.stops.withdraw()
    assert stopped >= 60


@pytest.mark.parametrize("loop", LOOPS, ids=IDS)
@pytest.mark.parametrize("broken", range(3))
def test_faults_are_where_the_engine_has_them(loop: Loop, broken: int, twins: Twins) -> None:
    """A pointer that runs into what is not mapped, and one to what cannot be written to."""
    if broken >= len(loop.pointers):
        pytest.skip("has no such pointer")
    pointer = loop.pointers[broken]
    iterations = 3 * PAGE_SIZE >> pointer.shift
    offsets = [0, 0, 0]
    offsets[broken] = SIZE - PAGE_SIZE - 24
    registers = arguments(loop, iterations, tuple(offsets), 99)
    for _ in range(2):
        state = twins.run(loop, **registers)
        assert isinstance(state.end, Fault)
        assert state.end.kind is FaultKind.PAGE
        assert DATA + SIZE - 32 < state.end.address < DATA + SIZE + 256
    registers = arguments(loop, PAGE_SIZE >> pointer.shift, (0, 0, 0), 99)
    registers[pointer.register] = READ_ONLY
    for _ in range(2):
        state = twins.run(loop, **registers)
        assert isinstance(state.end, Fault) == pointer.writes


@pytest.mark.parametrize("loop", LOOPS, ids=IDS)
def test_addresses_that_none_has(loop: Loop, twins: Twins) -> None:
    for address in (0, 0x7FFF_FFFF_F000, 1 << 47, 1 << 63, (1 << 64) - 4096):
        for pointer in loop.pointers:
            registers = arguments(loop, 30, (0, 4096, 8192), 5)
            registers[pointer.register] = address
            assert isinstance(twins.run(loop, **registers).end, Fault)


def test_pages_become_present_as_ever(twins: Twins) -> None:
    """What was not touched yet is the engine's, so presence is asked for in the same order."""
    for cpu in twins.both:
        cpu.space.map(0x10_000_000, 0x40_000, PROT_READ | PROT_WRITE)
    registers = {"rsi": DATA, "rdi": 0x10_000_000, "rcx": 0x40_000 // 8, "rax": 7}
    assert twins.run(STOSQ, **registers).end is Stopped.TRAP
    present = {cpu.space.present_pages for cpu in twins.both}
    assert len(present) == 1
    assert len({cpu.memory.read(0x10_000_000, 0x40_000) for cpu in twins.both}) == 1


def test_code_that_is_written_to_is_noticed(twins: Twins) -> None:
    """Pages that are writable and executable are the engine's."""
    area = 0x20_000_000
    for cpu in twins.both:
        cpu.space.map(area, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC)
        cpu.memory.write(area, b"\x90" * 4000 + b"\x90" + HLT)
        cpu.engine.traps = {area + 4001}
        cpu.engine.write_register(reg.RIP, area)
        assert cpu.run() is Stopped.TRAP
    registers = {
        "rdi": area,
        "rcx": 490,
        "rax": int.from_bytes(b"\x48\xff\xc3" * 2 + b"\x90\x90", "little"),
    }
    for _ in range(2):
        ran_on_the_host(twins.both[0])
        assert twins.run(STOSQ, **registers).end is Stopped.TRAP
        assert not ran_on_the_host(twins.both[0])
    for cpu in twins.both:
        cpu.engine.traps = {area + 4001}
        cpu.engine.write_register(reg.RIP, area)
        cpu.engine.write_register(reg.RBX, 0)
        assert cpu.run() is Stopped.TRAP
        assert cpu["rbx"] == 980


@pytest.mark.parametrize("loop", [MOVSQ, MOVSB, STOSQ], ids=IDS[:3])
def test_repetition_backwards(loop: Loop, twins: Twins) -> None:
    """With DF set the host goes down as well."""
    twins.fill(bytes(range(256)) * (SIZE // 256))
    registers = {"rsi": DATA + 8000, "rdi": DATA + 8016, "rcx": 900, "rax": 3}
    for _ in range(2):
        assert twins.run(loop, **registers, rflags=0x202 | DF).end is Stopped.TRAP
    assert ran_on_the_host(twins.both[0])


def test_code_that_is_nearly_a_loop(twins: Twins) -> None:
    """One byte of it is another: an accelerator for what is not there would make it wrong."""
    code = bytearray(_CODE[MUL_ADD])
    at = code.index(b"\x49\x89\x41\x08") + 3  # mov [r9 + 8], rax
    code[at] = 0x10
    registers = arguments(MUL_ADD, 100, (0, 4096), 77)
    for cpu in twins.both:
        cpu.memory.write(DATA, bytes(range(256)) * 64)
        for _ in range(2):
            assert cpu.run(bytes(code), **registers) is Stopped.TRAP
        assert not ran_on_the_host(cpu)
    assert len({cpu.memory.read(DATA, SIZE) for cpu in twins.both}) == 1


def test_nothing_while_somebody_observes(twins: Twins) -> None:
    seen = []
    with_ = twins.both[0]
    registers = arguments(MUL_ADD, 100, (0, 4096), 77)
    for _ in range(2):
        twins.run(MUL_ADD, **registers)
    assert ran_on_the_host(with_)
    first, second = Hooks(with_.engine), Hooks(with_.engine)
    for hooks in (first, second):
        hooks.at([CODE], lambda: seen.append(1))
        hooks.attach()
    for hooks, calls in ((first, 200), (second, 300)):
        twins.run(MUL_ADD, **registers)
        assert len(seen) == calls
        assert not ran_on_the_host(with_)
        hooks.detach()
        with_.engine.stops.withdraw()  # detaching requests a stop, and those come first
    twins.run(MUL_ADD, **registers)
    assert len(seen) == 300
    assert ran_on_the_host(with_)


def test_a_request_is_noticed(twins: Twins) -> None:
    """By a loop that is nothing but what the host runs, again and again."""
    with_ = twins.both[0]
    again = bytes.fromhex("4889de4889d7b900040000f348a5ebf1")
    for cpu in twins.both:
        timer = threading.Timer(0.05, cpu.engine.stop)
        timer.start()
        assert cpu.run(again, rbx=DATA, rdx=DATA + 8192) is Stopped.REQUEST
        timer.join()
    assert ran_on_the_host(with_)


# --- the machine code ----------------------------------------------------------------------------

_FIXED = {
    **{name: getattr(common, name) for name in vars(common) if name.isupper()},
    **{name: getattr(loops, name) for name in vars(loops) if name[1:].isupper() and name[0] == "_"},
    "LISTING": sha256.LISTING,
    **dict(zip(IDS, (loop.listing for loop in LOOPS), strict=True)),
}  # fmt: skip
_FIXED = {name: listing for name, listing in _FIXED.items() if isinstance(listing, str)}
_NUMBERS = {
    "shift": b"\x05\0\0\0",
    "bits": struct.pack("<Q", 0x25),
    "step": b"\x08",
    "least": b"\x10",
    "direction": b"\1",
}
_NAMES = sorted(
    {part.partition("}")[0] for text in _FIXED.values() for part in text.split("{")[1:]}
)
_CALLED = ("walk", "extent", "count", "budget", "exit", "otherwise")


@pytest.mark.parametrize("name", _FIXED)
def test_listings_say_what_the_code_does(name: str) -> None:
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    cells = {name: 0x10000000 + 0x1000 * at for at, name in enumerate(_NAMES)}
    values = _NUMBERS | {"cost": struct.pack("<I", 5003)}
    inside = {key for line in _FIXED[name].splitlines() for key in _NAMES if f"+ {key}]" in line}
    for key in inside:
        if f"rip + {key}]" not in _FIXED[name]:
            values[key] = struct.pack("<I", cells[key])
    at = 0
    for line in _FIXED[name].strip().splitlines():
        (found,) = disassembler.disasm(assemble(line, at, values, cells), at)
        offset, said = line.split("|")[1].strip().split("  ", 1)
        assert int(offset, 16) == at
        text = f"{found.mnemonic} {found.op_str}".strip()
        for key, place in cells.items():
            text = text.replace(f"[rip + {place - at - found.size:#x}]", f"[rip + {key}]")
            text = text.replace(f"+ {place:#x}]", f"+ {key}]")
            if key in _CALLED:
                text = text.replace(f" {place:#x}", f" {key}")
        for key, number in (
            ("shift", 5),
            ("bits", 0x25),
            ("step", 8),
            ("least", 16),
            ("direction", 1),
        ):
            said = said.replace(f", {key}", f", {number:#x}" if number > 9 else f", {number}")
        assert text == said.replace(", cost", ", 0x138b")
        at += found.size
