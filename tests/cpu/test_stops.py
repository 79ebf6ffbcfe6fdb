"""Stops on request and by number of instructions, and the machine code that makes them."""

from __future__ import annotations

import gc
import json
import struct
import threading
from collections.abc import Iterator

import capstone
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unicorn.unicorn_py3.unicorn import uclib

from emuplugin.cpu import counting_code as code
from emuplugin.cpu import engine_probe, helper_code, host_code
from emuplugin.cpu import stops as stops_module
from emuplugin.cpu.address_space import AddressSpace
from emuplugin.cpu.counted_stops import CountedStops
from emuplugin.cpu.engine import Engine, Stopped
from emuplugin.cpu.engine_internals import Registers, Translations
from emuplugin.cpu.faults import Fault
from emuplugin.cpu.listing import assemble
from emuplugin.cpu.physical import PhysicalMemory

from .raw import CODE, DATA, SYSTEM, Processor

LOOP = b"\xeb\xfe"  # jmp to itself
COUNTING = bytes.fromhex("48ffc0ebfb")  # inc rax; jmp back: two instructions a block

counted = pytest.mark.skipif(
    not host_code.is_supported(), reason="instructions are counted on x86-64 hosts only"
)


@pytest.fixture
def cpu() -> Iterator[Processor]:
    processor = Processor()
    yield processor
    processor.close()


@pytest.fixture(params=["counted", "estimated"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processor]:
    """A processor as it is here, and as it is where no machine code of ours can run."""
    if request.param == "estimated":
        monkeypatch.setattr(stops_module, "is_supported", lambda: False)
    processor = Processor()
    assert processor.engine.stops.exact == (request.param == "counted" and host_code.is_supported())
    yield processor
    processor.close()


# --- requests ------------------------------------------------------------------------------------


def test_a_request_ends_a_loop(either: Processor) -> None:
    timer = threading.Timer(0.05, either.engine.stop)
    timer.start()
    assert either.run(LOOP) is Stopped.REQUEST
    assert either.engine.rip == CODE
    timer.join()
    assert isinstance(either.run(bytes.fromhex("48f7f1"), rcx=0), Fault)  # div rcx


@counted
def test_a_request_between_runs_ends_the_next_before_it_does_anything(cpu: Processor) -> None:
    cpu.engine.stop_at_once()
    assert cpu.run(bytes.fromhex("48ffc3"), rbx=1) is Stopped.REQUEST  # inc rbx
    assert (cpu.engine.rip, cpu["rbx"]) == (CODE, 1)
    assert cpu.run() is Stopped.TRAP
    assert cpu["rbx"] == 2


def test_a_stop_that_comes_late_is_known_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine itself is asked: the run that was meant had ended, and the next is left."""
    monkeypatch.setattr(stops_module, "is_supported", lambda: False)
    cpu = Processor()
    stop = uclib.uc_emu_stop
    taken = []

    def late(handle: object) -> None:
        taken.append(cpu.engine.stops.take())
        cpu.engine.stops.withdraw()
        taken.append(cpu.engine.stops.take())
        stop(handle)

    monkeypatch.setattr(uclib, "uc_emu_stop", late)
    cpu.engine.stop()
    assert [*taken, cpu.engine.stops.take()] == [True, True, True]
    assert not cpu.engine.stops.take()
    cpu.close()


@counted
def test_requests_change_nothing_but_when(cpu: Processor) -> None:
    """Hundreds of stops at any time, and the program counts as if there had been none."""
    program = bytes.fromhex("48ff0348ffc975f8")  # inc qword [rbx]; dec rcx; jnz back
    cpu.memory.write_u64(DATA, 0)
    done = threading.Event()

    def disturb() -> None:
        while not done.wait(0.0001):
            cpu.engine.stop()

    thread = threading.Thread(target=disturb)
    thread.start()
    stopped = runs = 0
    before = cpu.engine.stops.executed
    while stopped < 300:
        runs += 1
        end = cpu.run(program, rbx=DATA, rcx=1_000_000)
        while end is Stopped.REQUEST:
            stopped += 1
            end = cpu.run()
        assert end is Stopped.TRAP
    done.set()
    thread.join()
    assert cpu.memory.read_u64(DATA) == runs * 1_000_000
    # The first store ends a block in its middle, by a page fault, and that block then counts twice.
    assert cpu.engine.stops.executed - before == runs * 3_000_001 + 3


# --- instructions --------------------------------------------------------------------------------


@counted
@given(st.integers(0, 5000), st.integers(1, 40))
def test_a_number_of_instructions(instructions: int, length: int) -> None:
    """A run ends before the block with which there would be too many, and goes on as if nothing
    had been."""
    processor = _shared()
    stops = processor.engine.stops
    stops.take()
    stops.take_expired()
    body = b"\x48\xff\xc0" * length  # inc rax
    start = stops.executed
    stops.arm(instructions)
    program = body + b"\xe9" + struct.pack("<i", -len(body) - 5)
    assert processor.run(program, rax=0) is Stopped.REQUEST
    assert stops.take_expired()
    blocks = instructions // (length + 1)
    assert stops.executed - start == blocks * (length + 1)
    assert (processor["rax"], processor.engine.rip) == (blocks * length, CODE)
    stops.arm(3 * (length + 1))
    assert processor.run() is Stopped.REQUEST
    assert processor["rax"] == (blocks + 3) * length


_processors: list[Processor] = []


def _shared() -> Processor:
    if not _processors:
        _processors.append(Processor())
    return _processors[0]


@counted
def test_runs_are_counted_alike_however_they_are_cut(cpu: Processor) -> None:
    program = bytes.fromhex("48ffc348ffc975f8")  # inc rbx; dec rcx; jnz back

    def run(slice_: int) -> int:
        start = cpu.engine.stops.executed
        cpu.engine.stops.arm(slice_)
        end = cpu.run(program, rcx=10_000)
        while end is Stopped.REQUEST:
            assert cpu.engine.stops.take_expired()
            cpu.engine.stops.arm(slice_)
            end = cpu.run()
        assert end is Stopped.TRAP
        return cpu.engine.stops.executed - start

    assert {run(slice_) for slice_ in (3, 7, 100, 12345, 1 << 40)} == {30_001}


@counted
def test_the_longest_block(cpu: Processor) -> None:
    start = cpu.engine.stops.executed
    assert cpu.run(b"\x90" * 3000) is Stopped.TRAP
    assert cpu.engine.stops.executed - start == 3001
    assert cpu.engine.stops.missed == 0  # type: ignore[attr-defined]


@counted
def test_each_repetition_of_a_string_instruction_counts(cpu: Processor) -> None:
    start = cpu.engine.stops.executed
    assert cpu.run(b"\xf3\xaa", rdi=DATA, rcx=100) is Stopped.TRAP  # rep stosb
    assert 100 <= cpu.engine.stops.executed - start <= 103


@counted
def test_translations_that_were_thrown_away(cpu: Processor) -> None:
    """The buffer begins from its start again, and blocks still count."""
    for round_ in range(20):
        filling = b"\x90\xeb\x00" * (50 + round_)
        start = cpu.engine.stops.executed
        assert cpu.run(filling) is Stopped.TRAP  # it flushes each time
        assert cpu.engine.stops.executed - start == 2 * (50 + round_) + 1
    assert cpu.engine.stops.missed == 0  # type: ignore[attr-defined]


@counted
def test_code_that_changes_while_it_runs(cpu: Processor) -> None:
    """Blocks that were translated again, alone or with less in them, count as well."""
    # mov byte [rip + 2], 0x90; jmp over it and back; int3, which becomes a nop; jmp to itself
    program = bytes.fromhex("c6050400000090eb00eb00ccebfe")
    area = cpu.space.find(CODE)
    assert area is not None
    cpu.space.protect(CODE, area.end - area.start, 7)
    cpu.engine.stops.arm(1000)
    end = cpu.run(program)
    assert end is Stopped.REQUEST
    assert cpu.engine.stops.take_expired()
    assert cpu.engine.stops.missed == 0  # type: ignore[attr-defined]


def test_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where instructions cannot be counted, a slice is as long as the host's time says."""
    monkeypatch.setattr(stops_module, "is_supported", lambda: False)
    cpu = Processor()
    stops = cpu.engine.stops
    stops.arm(1000)
    assert not stops.take_expired()

    def lapse() -> None:
        stops.lapse()
        stops.request()

    timer = threading.Timer(0.05, lapse)
    timer.start()
    assert cpu.run(LOOP) is Stopped.REQUEST
    assert stops.take_expired()
    assert not stops.take_expired()
    assert stops.executed == 1000
    timer.join()
    cpu.close()


# --- how calls are redirected --------------------------------------------------------------------


@counted
@pytest.mark.parametrize("span", [1 << 24, 1 << 36])
def test_near_and_far_helpers(span: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block calls its helper directly when it is near, through a pointer when it is far: which
    depends on how much memory lies between."""
    monkeypatch.setattr("tests.cpu.raw.PhysicalMemory", _with_span(span))
    cpu = Processor()
    cpu.engine.stops.arm(100)
    assert cpu.run(COUNTING, rax=0) is Stopped.REQUEST
    assert cpu["rax"] == 50
    assert cpu.engine.stops.missed == 0  # type: ignore[attr-defined]
    cpu.close()


def _with_span(span: int) -> object:
    return lambda _size: PhysicalMemory(span)


@counted
def test_a_block_that_looks_different_still_stops(cpu: Processor) -> None:
    """One whose call is not found counts nothing, is noticed, and can be stopped."""
    stops = cpu.engine.stops
    assert isinstance(stops, CountedStops)
    stops._cells.helper += 16
    timer = threading.Timer(0.05, cpu.engine.stop)
    timer.start()
    assert cpu.run(LOOP) is Stopped.REQUEST
    assert stops.missed > 0
    timer.join()


@counted
def test_a_build_that_is_laid_out_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then stops are those of the engine."""
    for attribute, value in (("_CODE_AT", 0x28), ("_SIZES_AT", 0x10), ("_STRUCTURE", 8192)):
        with monkeypatch.context() as patch:
            patch.setattr(engine_probe, attribute, value)
            engine_probe._known.clear()
            cpu = Processor()
            assert not cpu.engine.stops.exact
            assert cpu.run(b"\x90") is Stopped.TRAP
            cpu.close()
    engine_probe._known.clear()


def test_what_was_found_out_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """It serves as if it had been found out here."""
    found = engine_probe.find_out()
    monkeypatch.setattr(engine_probe, "_known", [])
    monkeypatch.setattr(engine_probe, "find_out", lambda: pytest.fail("looked again"))
    engine_probe.assume(json.loads(json.dumps(found)))
    assert engine_probe.internals() == found
    cpu = Processor()
    assert cpu.run(b"\x90") is Stopped.TRAP
    cpu.close()


def test_what_was_found_out_of_another_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the flag is not where it should be, and all is found out again."""
    found = engine_probe.find_out()
    monkeypatch.setattr(engine_probe, "_known", [])
    engine_probe.assume(found._replace(flag=found.flag + 64, translations=None))
    cpu = Processor()
    assert engine_probe.internals() == found
    assert cpu.run(b"\x90") is Stopped.TRAP
    cpu.close()


@pytest.mark.parametrize("known", [3, [], [1, None], [-1, None, None], [8, [1], None], ["8", 0, 0]])
def test_what_nobody_found_out(monkeypatch: pytest.MonkeyPatch, known: object) -> None:
    monkeypatch.setattr(engine_probe, "_known", [])
    with pytest.raises((TypeError, ValueError)):
        engine_probe.assume(known)
    assert not engine_probe._known


@counted
def test_many_engines_at_once() -> None:
    """However crowded the process's addresses are, instructions are counted."""
    for span in (1 << 24, 1 << 32):
        crowd = [PhysicalMemory(span) for _ in range(60)]
        engines = []
        for physical in crowd:
            space = AddressSpace(physical, 1 << 10)
            engines.append(Engine(space, SYSTEM))
        assert all(engine.stops.exact for engine in engines)
        for engine, physical in zip(engines, crowd, strict=True):
            engine.close()
            physical.close()


@counted
def test_engines_that_nobody_closes() -> None:
    """What lies in the host's memory for them goes with them."""
    for _ in range(50):
        engine = Engine(AddressSpace(PhysicalMemory(1 << 24), 1 << 10), SYSTEM)
        assert engine.stops.exact
        code = engine.stops._code._free  # type: ignore[attr-defined]
        del engine
        gc.collect()
        assert not code.alive


@counted
def test_a_host_that_allows_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_size: int, _wanted: int) -> int:
        return 0

    monkeypatch.setattr(host_code, "_reserve", refuse)
    with pytest.warns(RuntimeWarning, match="estimated, and runs do not repeat: the host gives no"):
        cpu = Processor()
    assert not cpu.engine.stops.exact
    cpu.close()


# --- the machine code ----------------------------------------------------------------------------

_HELPERS = [(f"{name}[{index}]", f"{name}[0]" if index else "")
            for name, listings in helper_code._LISTINGS.items()
            for index, listing in enumerate(listings) if listing]  # fmt: skip
_LISTINGS = [
    ("_EXIT", ""), ("_LEAVE_UNIX", "_EXIT"), ("_LEAVE_WINDOWS", "_EXIT"), ("_ENTER_UNIX", ""),
    ("_ENTER_WINDOWS", ""), ("_PATCHER", "_ENTER_UNIX"),
]  # fmt: skip
# What stands for values that only the engine tells.
_VALUES = {
    "code": b"\xc0\0\0\0", "minus_code": b"\x40\xff\xff\xff", "zero": b"\x33\xf6",
    **{name: struct.pack("<I", 0x10101010 + at) for at, name in enumerate(Registers._fields)},
}  # fmt: skip
_SAID = {
    "[rax + code]": "[rax + 0xc0]",
    "[rax + minus_code]": "[rax - 0xc0]",
    ", zero": ", 0xf633",
    **{f"+ {name}]": f"+ {0x10101010 + at:#x}]" for at, name in enumerate(Registers._fields)},
}


@pytest.mark.parametrize(("name", "before"), _LISTINGS + _HELPERS)
def test_listings_say_what_the_code_does(name: str, before: str) -> None:
    """Offsets in listings are from their start, but in the patcher from what is put before it."""
    start = 0 if "[" in name else len(assemble(_listing(before), 0, _VALUES, code.CELL))
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    cells = code.CELL | {"original": code.CELL["pairs"]}
    operation = helper_code._OPERATIONS.get(name.partition("[")[0], 0)
    values = _VALUES | {"operation": bytes([operation])}
    address, at = start, code.CODE_AT + start
    for line in _listing(name).strip().splitlines():
        content = assemble(line, at, values, cells)
        (found,) = disassembler.disasm(content, address)
        said = line.split("|")[1].strip()
        if said[:2].isalnum() and "  " in said[2:5]:
            offset, said = said.split("  ", 1)
            assert int(offset, 16) == address
        for word, meaning in _SAID.items():
            said = said.replace(word, meaning)
        if operation:
            said = said.replace("addsd", name.partition("[")[0])
        assert _with_cells(found, at, cells) == said
        address += found.size
        at += found.size


def _listing(name: str) -> str:
    helper, _, index = name.partition("[")
    if index:
        return helper_code._LISTINGS[helper][int(index[:-1])]
    return getattr(code, name) if name else ""


def _with_cells(instruction: capstone.CsInsn, at: int, cells: dict[str, int]) -> str:
    """The text of an instruction at the offset ``at`` from the cells, with their names."""
    text = f"{instruction.mnemonic} {instruction.op_str}".strip()
    for name, cell in cells.items():
        offset = at + instruction.size - cell
        text = text.replace(f"[rip - {offset:#x}]", f"[rip + {name}]")
    return text.replace("[rip + pairs]", "[rip + original]")


@pytest.mark.parametrize("count", [0, 1, 17, 512])
def test_stubs(count: int) -> None:
    at = code.STUBS + 64 * count
    content = code.counting_code(Translations(0, 0xC0))[at - code.CODE_AT :][:64]
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    found = [
        _with_cells(i, i.address, code.CELL)
        for i in disassembler.disasm(content, at)
        if i.mnemonic != "int3"
    ]
    number = str(count) if count < 10 else hex(count)
    assert found == [
        f"sub qword ptr [rip + remaining], {number}",
        f"js {at + 14:#x}",
        "ret",
        f"mov eax, {number}",
        f"jmp {code.CODE_AT:#x}",
    ]


# --- the code in memory ---------------------------------------------------------------------------


def test_code_is_not_writable(cpu: Processor) -> None:
    if not cpu.engine.stops.exact:
        pytest.skip("there is no code")
    base = cpu.engine.stops._code.address  # type: ignore[attr-defined]
    with open("/proc/self/maps", encoding="ascii") as maps:
        rights = {
            line.split()[1]
            for line in maps
            if int(line.split("-")[0], 16)
            <= base + code.CODE_AT
            < int(line.split("-")[1].split()[0], 16)
        }
    assert rights == {"r-xp"}


@counted
def test_a_fault_is_no_stop(cpu: Processor) -> None:
    """A request during a run that ends by a fault waits for the next run: the fault need not come
    twice, which would count twice."""

    def fault() -> tuple[object, int]:
        before = cpu.engine.stops.executed
        return type(cpu.run(bytes.fromhex("48f7f1"), rcx=0)), cpu.engine.stops.executed - before

    plain = fault()
    cpu.engine.stop()
    assert fault() == plain
    assert plain[0] is Fault
