"""The steps: they follow the code, and their registers and memory are those of the run."""

from __future__ import annotations

import pytest

from emuplugin.explaining import Explanation
from emuplugin.explaining.blocks import Stepper, flags
from emuplugin.explaining.stepping import Stepping
from emuplugin.inspection import inspect
from emuplugin.machine import Machine
from tests.support.plugins import plugin_path

from .conftest import Tell, blocks, facts, stepper


def states(shown: Stepper) -> list[dict[str, int]]:
    """The registers after each step."""
    registers, found = dict(shown.registers), []
    for step in shown.steps:
        registers.update(step.changed)
        found.append(dict(registers))
    return found


def texts(shown: Stepper) -> list[str]:
    return [shown.code[step.code].text for step in shown.steps]


def test_a_loop(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Sum", 5)
    shown = stepper(story)
    after = states(shown)
    assert after[-1]["RAX"] == 10
    totals = {state["RDX"] for state in after} | {state["RCX"] for state in after}
    assert {0, 1, 3, 6, 10} <= totals
    assert texts(shown)[-1] == "ret"
    assert after[-1]["RSP"] == after[-2]["RSP"] + 8
    # The loop ran five times: each line of it is a place of some instruction.
    lines = {shown.source[place].line: shown.source[place].text for place in range(4)}
    assert any("total += i" in str(text) for text in lines.values())
    assert shown.source[0].text == "func Sum(n int) int {"
    adds = [index for index, text in enumerate(texts(shown)) if text.startswith("add")]
    assert len(adds) == 5


def test_the_code_is_the_disassembly(told: Tell, go_version: str) -> None:
    shown = stepper(told("explained", go_version, "Say", "x"))
    with Machine() as machine:
        base = machine.open(plugin_path("explained", go_version)).module.image.base
    found = inspect(plugin_path("explained", go_version)).disassemble("main.Say")
    assert [line.address - base for line in shown.code] == [item.address for item in found]
    assert [line.text.split()[0] for line in shown.code] == [item.mnemonic for item in found]
    for line in shown.code:
        if line.text.startswith(("jmp", "jbe")):
            target = int(line.text.split()[1], 16)
            assert any(other.address == target for other in shown.code)


def test_each_step_follows_the_one_before(told: Tell, go_version: str) -> None:
    """Without a jump in between, the next instruction of the listing is next."""
    shown = stepper(told("explained", go_version, "Mixed", 1, 2.5, "hi", (1,), (4, 5, 6), 0.5))
    for step, following in zip(shown.steps, shown.steps[1:], strict=False):
        text = shown.code[step.code].text
        if not text.startswith(("j", "ret")):
            assert following.code == step.code + 1
        if not text.startswith("call"):
            assert not following.between


def test_memory(told: Tell, go_version: str) -> None:
    """``Visits++`` writes 1 where the variable lies."""
    story = told("explained", go_version, "Mixed", 1, 2.5, "hi", (1,), (4, 5, 6), 0.5)
    shown = stepper(story)
    address = int(facts(told("explained", go_version, "Visits"), "result")["Address"], 16)
    writes = [
        (size, value)
        for step in shown.steps
        for write, at, size, value in step.memory
        if write and at == address
    ]
    assert writes == [(8, 1)]
    assert shown.names[address] == "main.Visits"
    pushes = [step for step, text in zip(shown.steps, texts(shown), strict=True) if "push" in text]
    assert pushes
    for step in pushes:
        ((write, at, size, _),) = step.memory
        assert write
        assert (size, shown.names[at]) == (8, "stack")


def test_moves_write_where_they_go_to(told: Tell, go_version: str) -> None:
    """Also those of sixteen bytes."""
    shown = stepper(told("explained", go_version, "Say", "x"))
    sizes = set()
    for step, text in zip(shown.steps, texts(shown), strict=True):
        if text.startswith("mov") and "ptr" in text:
            ((write, _, size, value),) = step.memory
            assert write == ("[" in text.partition(",")[0])
            sizes.add(size)
            if "xmm15" in text:
                assert (write, value) == (True, 0)
    assert {8, 16} <= sizes


def test_calls_are_one_step(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Say", "x")
    shown = stepper(story)
    ran = [step.between for step in shown.steps if "ran" in step.between]
    assert any("1 system call" in text and "printed" in text for text in ran)
    # All instructions of the call are told of: those before, those shown, those between, and the
    # one at which the guest stops.
    skipped = sum(int(text.split(" ran: ")[1].split()[0].replace(",", "")) for text in ran)
    found = facts(story, "result")
    total = int(found["Instructions of the call"].replace(",", ""))
    way_in = int(found["To prepare its arguments"])
    assert way_in > 0  # the text was copied into Go's heap
    assert total == way_in + len(shown.steps) + skipped + 1
    # What a call returned is in the registers when it is over.
    after = states(shown)
    call = next(i for i, text in enumerate(texts(shown)) if text.startswith("call"))
    assert after[call]["RSP"] == after[call - 1]["RSP"]


def test_a_stack_that_moves(told: Tell, go_version: str) -> None:
    shown = stepper(told("explained", go_version, "Deep", 6, steps=400))
    moved = [step.between for step in shown.steps if "has moved" in step.between]
    assert moved
    assert states(shown)[-1]["RAX"] == sum(range(7))
    repeated = [step for step in shown.steps if step.times > 1]
    assert {step.times for step in repeated} <= {256}


def test_bounded(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Sum", 1000, steps=50)
    shown = stepper(story)
    assert len(shown.steps) == 50
    assert shown.more
    assert "the first 50" in story.story.chapters[-2].summary
    assert "first 50 steps" in " ".join(map(str, blocks(story, "steps")))
    assert story.results == (499500,)


def test_no_step_is_shown_twice_in_different_ways(told: Tell, go_version: str) -> None:
    few = stepper(told("explained", go_version, "Sum", 1000, steps=50))
    all_ = stepper(told("explained", go_version, "Sum", 1000, steps=10_000))
    assert all_.steps[:50] == few.steps
    assert not all_.more
    assert states(all_)[-1]["RAX"] == 499500


def test_into(told: Tell, go_version: str) -> None:
    shown = stepper(told("explained", go_version, "Say", "x", into=("fmt.Fprintln",)))
    functions = {shown.code[step.code].function for step in shown.steps}
    assert functions == {"main.Say", "fmt.Fprintln"}


def test_a_long_function_is_not_looked_at_to_its_end(go_version: str) -> None:
    """Looking costs a thousand times what running does: it ends with the steps that are wanted."""
    with Machine() as machine:
        function = machine.open(plugin_path("explained", go_version)).lookup("Sum")
        function(3)
        stepping = Stepping(machine.program, ["main.Sum"], 10)
        stepping.attach()
        try:
            before = machine.report.host_seconds
            assert function(3_000_000) == 4499998500000
            seconds = machine.report.host_seconds - before
        finally:
            stepping.detach()
    assert len(stepping.steps) == 10
    assert stepping.more
    assert seconds < 10  # with all of its twelve million instructions looked at it takes minutes


def test_a_fault(told: Tell, go_version: str) -> None:
    """A panic in the middle: the steps end where it began."""
    story = told("scalars", go_version, "Quo", 1, 0)
    shown = stepper(story)
    assert str(story.error).startswith("panic: runtime error: integer divide by zero")
    assert "panicdivide" in shown.code[shown.steps[-1].code].comment or "div" in texts(shown)[-1]


def test_stripped_and_without_sources(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Elsewhere", stripped=True)
    shown = stepper(story)
    assert states(shown)[-1]["RAX"] == 7
    assert [line.text for line in shown.source] == [None]
    said = " ".join(map(str, blocks(story, "steps")))
    assert "The source was not found" in said


@pytest.mark.parametrize(
    ("value", "names"), [(0x246, "PF ZF"), (0x202, "none set"), (0x887, "CF PF SF OF")]
)
def test_flags(value: int, names: str) -> None:
    assert flags(value) == names


def test_repr(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Sum", 5)
    assert repr(story) == "<Explanation of Sum(5): 9 chapters>"
    assert isinstance(story, Explanation)
