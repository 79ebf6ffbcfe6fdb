"""The short way into the guest and back: machine code of ours, and the same in steps."""

from __future__ import annotations

from collections.abc import Iterator

import capstone
import pytest

from emuplugin.cpu import crossing as crossing_module
from emuplugin.cpu import host_code
from emuplugin.cpu import registers as reg
from emuplugin.cpu.crossing import ASTRAY, RESULTS, UNIX, WINDOWS, Crossing, Landing
from emuplugin.cpu.listing import assemble

from .raw import CODE, DATA, Processor

# lea rax, [rbx + rcx]; addsd xmm0, xmm1; hlt
ADD = bytes.fromhex("488d040b f20f58c1 f4")
BACK = CODE + len(ADD) - 1


@pytest.fixture(params=["one call", "steps"])
def cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processor]:
    """A processor on a host that takes code of ours, and on one that does not."""
    if request.param == "steps":
        monkeypatch.setattr(crossing_module, "_host_code", lambda: None)
    elif not host_code.is_supported():
        pytest.skip("machine code of ours runs on x86-64 hosts only")
    processor = Processor()
    processor.run(b"\x90")  # maps the page
    yield processor
    processor.close()


def load(cpu: Processor, code: bytes) -> None:
    cpu.memory.write(CODE, code)
    cpu.engine.traps.add(CODE + len(code) - 1)
    cpu.space.code_changed()


def add_call(cpu: Processor) -> tuple[Crossing, Landing]:
    load(cpu, ADD)
    landing = Landing(rsp=DATA + 0x800, g=77, back=BACK)
    way = Crossing(
        cpu.engine, landing, CODE, (reg.RBX, reg.RCX, *reg.XMM[:2]), (reg.RAX, reg.XMM[0], reg.RSP)
    )
    return way, landing


def test_there_and_back(cpu: Processor) -> None:
    way, landing = add_call(cpu)
    for number in range(5):
        # 1.0 and 2.0
        way.arguments[:] = [number, 100, 0x3FF0000000000000, 0, 0x4000000000000000, 0]
        assert way.run() == 0
        assert list(way.results) == [BACK, 77, number + 100, 0x4008000000000000, 0, landing.rsp]


def test_another_start(cpu: Processor) -> None:
    way, _ = add_call(cpu)
    way.arguments[0], way.arguments[1] = 1, 2
    way.start_at(CODE + 4)
    assert way.run() == 0
    way.start_at(CODE)
    assert way.run() == 0
    assert way.results[RESULTS] == 3


def test_of_another_engine(cpu: Processor) -> None:
    way, landing = add_call(cpu)
    way.arguments[0], way.arguments[1] = 40, 2
    other = Processor()
    load_other = Landing.from_buffer_copy(landing)
    other.run(ADD)
    again = way.of(other.engine, load_other)
    assert again.run() == 0
    assert again.results[RESULTS] == 42
    other.close()


def test_somewhere_else(cpu: Processor) -> None:
    """Where the guest did not arrive as expected, somebody has to look."""
    way, landing = add_call(cpu)
    landing.back += 1
    assert way.run() == ASTRAY
    landing.back -= 1
    assert way.run() == 0
    load(cpu, b"\x49\xff\xc6\xf4")  # inc r14; hlt: another goroutine
    landing.back = CODE + 3
    assert way.run() == ASTRAY


def test_a_stop(cpu: Processor) -> None:
    way, _ = add_call(cpu)
    if not cpu.engine.stops.exact:
        pytest.skip("the engine forgets stops between runs")
    cpu.engine.stop_at_once()
    assert way.run() & ASTRAY
    assert cpu.engine.rip == CODE
    cpu.engine.end_of(0)
    assert way.run() == 0


def test_read_again(cpu: Processor) -> None:
    way, _ = add_call(cpu)
    assert way.run() == 0
    cpu.engine.write_register(reg.RAX, 5)
    way.read()
    assert way.results[RESULTS] == 5


def said(listing: str) -> list[str]:
    """The instructions of a listing, as text."""
    return [line.split("|")[1].strip() for line in listing.splitlines() if line]


@pytest.mark.parametrize("listing", [UNIX, WINDOWS], ids=["unix", "windows"])
def test_listings_say_what_the_code_does(listing: str) -> None:
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    found = [
        f"{i.mnemonic} {i.op_str}".strip()
        for i in disassembler.disasm(assemble(listing, 0, {}, {}), 0)
    ]
    assert found == said(listing)


@pytest.mark.parametrize("listing", [UNIX, WINDOWS], ids=["unix", "windows"])
def test_the_stack_is_left_as_it_was(listing: str) -> None:
    """And it is aligned to 16 bytes at each call, with room below for what Windows wants."""
    depth = 8  # the return address
    for instruction in said(listing):
        match instruction.split():
            case ["push", _]:
                depth += 8
            case ["pop", _]:
                depth -= 8
            case ["sub", "rsp,", size]:
                depth += int(size, 16)
            case ["add", "rsp,", size]:
                depth -= int(size, 16)
            case ["call", *_]:
                assert depth % 16 == 0
                assert listing is UNIX or depth >= 16 + 40
            case ["ret"]:
                assert depth == 8
