"""The engine's helpers that were replaced: they do what the engine's own do."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emuplugin.cpu import engine_probe, helper_code
from emuplugin.cpu.counted_stops import CountedStops
from emuplugin.cpu.engine import Stopped
from emuplugin.cpu.faults import Fault

from .raw import CODE, DATA, Processor

replaced = pytest.mark.skipif(
    engine_probe.internals().registers is None, reason="no helpers can be replaced on this host"
)
_DOUBLES = st.floats(width=64) | st.sampled_from(
    [0.0, -0.0, 1.0, 2.0**-1022, 2.0**-1074, 2.0**-1021, 1.7976931348623157e308, float("inf")]
)
# Instructions on xmm0 (destination, or the register of flags) and xmm1.
_FLOAT = {
    "addsd": "f20f58c1", "subsd": "f20f5cc1", "mulsd": "f20f59c1", "divsd": "f20f5ec1",
    "sqrtsd": "f20f51c1", "ucomisd": "660f2ec1", "comisd": "660f2fc1",
    "cvtsi2sd": "f20f2ac0", "cvtsq2sd": "f2480f2ac0",
    "cvttsd2si": "f20f2cc1", "cvttsd2sq": "f2480f2cc1",
}  # fmt: skip
_MODES_OF_MXCSR = [0x1F80, 0x1FA0, 0x3FA0, 0x5FA0, 0x7FA0, 0x9FA0, 0x1FE0, 0x9FE0]


def _float_processors() -> tuple[Processor, Processor]:
    """One with the helpers as they are, and one with ours."""
    if not _floats:
        with pytest.MonkeyPatch.context() as patch:
            known = engine_probe.internals()._replace(registers=None)
            patch.setattr(engine_probe, "_known", [known])
            _floats.append(Processor())
        _floats.append(Processor())
        stops = [processor.engine.stops for processor in _floats]
        tables = [stop._table for stop in stops]  # type: ignore[attr-defined]
        assert not tables[0]
        assert tables[1]
    return _floats[0], _floats[1]


_floats: list[Processor] = []


@replaced
@pytest.mark.parametrize("name", _FLOAT)
@given(
    st.tuples(_DOUBLES, _DOUBLES),
    st.integers(0, 2**64 - 1) | st.sampled_from([0, 2**63, 2**53 + 1, 2**31, 2**32 - 1]),
    st.sampled_from(_MODES_OF_MXCSR),
)
def test_arithmetic_is_as_without_ours(
    name: str, doubles: tuple[float, float], number: int, mode: int
) -> None:
    """The same results, comparisons and flags, in all modes."""
    # ldmxcsr [rbx]; movsd xmm0, [rbx + 8]; movsd xmm1, [rbx + 16]; the instruction; pushfq;
    # pop rdx; movsd [rbx + 8], xmm0; stmxcsr [rbx]
    program = bytes.fromhex("0fae13f20f104308f20f104b10" + _FLOAT[name] + "9c5af20f1143080fae1b")
    seen = []
    for processor in _float_processors():
        processor.memory.write(DATA, struct.pack("<Qdd", mode, *doubles))
        processor.memory.write(DATA + 1024, bytes(64))
        for _ in range(2):
            processor.memory.write(DATA, struct.pack("<Qdd", mode, *doubles))
            end = processor.run(program, rbx=DATA, rax=number, rdx=0, rsp=DATA + 1040)
            assert end is Stopped.TRAP
        seen.append((processor.memory.read(DATA, 16), processor["rax"], processor["rdx"]))
    assert seen[0] == seen[1]


@replaced
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=16))
def test_vectors_are_as_without_ours(vectors: bytes, same: bytes) -> None:
    """Bytes compared (some of them equal), their signs, and a round of AES."""
    # movdqu xmm0, [rbx]; movdqu xmm1, [rbx + 16]; aesenc xmm0, xmm1; movdqu [rbx + 32], xmm0;
    # movdqu xmm0, [rbx]; pcmpeqb xmm0, xmm1; pmovmskb eax, xmm0; movdqu [rbx + 48], xmm0;
    # pmovmskb ecx, xmm1
    program = bytes.fromhex(
        "f30f6f03f30f6f4b10660f38dcc1f30f7f4320f30f6f03660f74c1660fd7c0f30f7f4330660fd7c9"
    )
    memory = vectors[: 32 - len(same)] + vectors[16 - len(same) : 16]
    seen = []
    for processor in _float_processors():
        processor.memory.write(DATA, memory)
        assert processor.run(program, rbx=DATA, rax=-1, rcx=-1) is Stopped.TRAP
        seen.append((processor.memory.read(DATA + 32, 32), processor["rax"], processor["rcx"]))
    assert seen[0] == seen[1]
    equal = [a == b for a, b in zip(memory[:16], memory[16:], strict=True)]
    assert seen[1][1] == sum(1 << at for at, is_equal in enumerate(equal) if is_equal)


@replaced
def test_the_first_blocks_of_all_are_found_as_well(cpu: Processor) -> None:
    """Returns to code that was translated first, at the start of the buffer."""
    stops = cpu.engine.stops
    assert isinstance(stops, CountedStops)
    # call the ret behind the loop; dec rcx; jnz back
    assert cpu.run(bytes.fromhex("e80700000048ffc975f6eb01c3"), rcx=9) is Stopped.TRAP
    assert stops._table is not None
    keys = memoryview(stops._table).cast("Q")[::2].tolist()
    assert CODE + 5 in keys


@replaced
def test_helpers_are_really_replaced() -> None:
    """The list of pairs is what blocks call: with another function there the result is another."""
    processor = Processor()
    stops = processor.engine.stops
    assert isinstance(stops, CountedStops)
    pair = stops._cells.pairs[helper_code.HELPERS.index("addsd")]
    pair[1] = stops._cells.pairs[helper_code.HELPERS.index("subsd")][0]
    processor.memory.write(DATA, struct.pack("<dd", 5.0, 3.0))
    # movsd xmm0, [rbx]; movsd xmm1, [rbx + 8]; addsd xmm0, xmm1; movsd [rbx], xmm0
    processor.run(bytes.fromhex("f20f1003f20f104b08f20f58c1f20f1103"), rbx=DATA)
    assert struct.unpack("<d", processor.memory.read(DATA, 8)) == (2.0,)
    processor.close()


@replaced
def test_the_table_is_empty_after_a_flush_however_counts_were_set(cpu: Processor) -> None:
    """Whoever goes back to the start has run nothing, but the table may hold blocks."""
    stops = cpu.engine.stops
    assert isinstance(stops, CountedStops)
    assert stops._table is not None
    kept = cpu.engine.keep()
    for _ in range(2):
        assert cpu.run(bytes.fromhex("e80700000048ffc975f6eb01c3"), rcx=9) is Stopped.TRAP
        assert any(memoryview(stops._table).cast("Q")[1::2])
        cpu.engine.show(kept)
        assert stops.executed == 0
        cpu.space.flush_tlb()
        assert not any(memoryview(stops._table).cast("Q")[1::2])


@replaced
def test_blocks_are_found_after_they_have_changed(cpu: Processor) -> None:
    """Behind an indirect jump always runs what is there now."""
    # call rax, twice in a loop; at rax: mov ecx, N; ret
    program = bytes.fromhex("ffd001ce48ffcb75f7") + b"\x90" * 16
    target = CODE + 0x800
    area = cpu.space.find(CODE)
    assert area is not None
    total = 0
    for number in (1, 7, 1000, 5):
        cpu.space.protect(CODE, area.end - area.start, 3)
        cpu.memory.write(target, b"\xb9" + struct.pack("<I", number) + b"\xc3")
        cpu.space.protect(CODE, area.end - area.start, 5)
        end = cpu.run(program, rax=target, rbx=50, rsi=0, rsp=DATA + 1024)
        assert end is Stopped.TRAP
        total += number
        assert cpu["rsi"] == 50 * number
    assert total == 1013


@replaced
def test_a_jump_to_nowhere(cpu: Processor) -> None:
    """Also to address 0, which no entry of the table may stand for."""
    for address in (0, 1, 2**64 - 1, 2**47, 2**63):
        for _ in range(3):
            end = cpu.run(b"\xff\xe0", rax=address)  # jmp rax
            assert isinstance(end, Fault)
