"""Instructions, watched variables, coverage and stack samples."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import emuplugin
from emuplugin.tracing.events import Call, Instruction, Watched
from tests.conftest import PluginPath
from tests.tracing.support import trace

_BOTH = pytest.mark.parametrize("stripped", [False, True], ids=["dwarf", "stripped"])


def _line(text: str) -> int:
    """The line of the fixture that holds a text."""
    source = Path(__file__).parents[2] / "fixtures" / "traced" / "main.go"
    lines = source.read_text(encoding="utf-8").splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if text in line]
    return found


@_BOTH
def test_instructions(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    taken = trace(plugin, "Add", 2, 3, instructions="main.add", calls="main.add")
    steps = taken.of(Instruction)
    assert [step.text for step in steps][-2:] == ["add rax, rbx", "ret"] or len(steps) > 2
    adding = next(step for step in steps if step.text == "add rax, rbx")
    changes = {change.name: (change.old, change.new) for change in adding.registers}
    assert changes["rax"] == (2, 5)
    assert not adding.memory
    end = steps[-1]
    assert end.text == "ret"
    (back,) = end.memory
    caller = taken.of(Call)[0].caller
    assert caller is not None
    assert (back.kind, back.value) == ("read", caller.pc + 1)
    # One after the other: none is left out, and their numbers are exact.
    numbers = [step.instructions for step in steps]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] == taken.of(Call)[0].instructions


@_BOTH
def test_every_instruction_is_told(
    stripped: bool, go_version: str, plugin_path: PluginPath
) -> None:
    """As many as were executed, in a function that calls nothing, and the same machine state from
    one to the next."""
    plugin = plugin_path("traced", go_version, stripped=stripped)
    taken = trace(plugin, "Spin", 50, instructions="main.Spin")
    steps = taken.of(Instruction)
    # The trap behind the return is the machine's.
    assert len(steps) == taken.ended - taken.began - 1
    known: dict[str, int] = {}
    for step in steps:
        for name, old, new in step.registers:
            assert known.get(name, old) == old, step
            known[name] = new
    assert {step.function for step in steps} == {"main.Spin"}


@_BOTH
def test_memory_of_instructions(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    with emuplugin.Machine() as machine:
        opened = machine.open(plugin)
        address = opened.lookup("Counter").address
        with machine.trace(instructions="main.bump") as taken:
            opened.lookup("Bump")(37)
    accesses = [
        (access.kind, access.value)
        for step in taken.of(Instruction)
        for access in step.memory
        if access.address == address
    ]
    assert accesses == [("read", 5), ("write", 42)]


def test_instructions_want_names() -> None:
    with pytest.raises(ValueError, match="name the functions"):
        emuplugin.Machine().trace(instructions=True)


@_BOTH
def test_watch(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    taken = trace(plugin, "Bump", 3, watch=["Counter", "main.Totals"])
    counter = [event for event in taken.of(Watched) if event.variable == "Counter"]
    assert [(event.access, event.old, event.new) for event in counter] == [
        ("read", "5", "5"),
        ("write", "5", "8"),
        ("read", "8", "8"),
    ]
    assert [event.at.function for event in counter] == ["main.bump", "main.bump", "main.Bump"]
    assert counter[0].at.line == _line("Counter += by")
    totals = [event for event in taken.of(Watched) if event.variable == "main.Totals"]
    assert totals[-1].new == 'struct { Calls int; Name string }{Calls:1, Name:"bumped"}'
    assert {event.size for event in totals} <= {8, 16}
    assert all(t.instructions >= counter[1].instructions for t in totals)


def test_watch_what_is_not_exported(go_version: str, plugin_path: PluginPath) -> None:
    """With DWARF its type is known, without it is bytes."""
    taken = trace(plugin_path("traced", go_version), "Allocate", 2, watch="kept")
    lengths = [event.new.count("*main.node") for event in taken.of(Watched)]
    assert lengths
    assert taken.of(Watched)[-1].access in ("read", "write")
    bare = trace(plugin_path("traced", go_version, stripped=True), "Allocate", 2, watch="main.kept")
    assert len(bare.of(Watched)) == len(taken.of(Watched))


def test_watch_nothing(go_version: str, plugin_path: PluginPath) -> None:
    with emuplugin.Machine() as machine:
        machine.open(plugin_path("traced", go_version))
        with pytest.raises(emuplugin.SymbolNotFoundError, match="Missing"):
            machine.trace(watch="Missing").start()
        # And the machine is traced by nobody then.
        with machine.trace(gc=True):
            pass


@_BOTH
def test_coverage(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    taken = trace(plugin, "Fib", 10, blocks=True)
    assert taken.coverage.functions() == {"main.Fib": 1, "main.fib": 177}
    (lines,) = taken.coverage.lines().values()
    # 177 calls, of which F(11)=89 return at once.
    assert lines[_line("if n < 2 {")] == 177
    assert lines[_line("return fib(n-1) + fib(n-2)")] == 88
    assert not taken.events
    total = 0
    for pc, (size, times) in taken.coverage.items():
        assert size > 0
        assert times > 0
        assert taken.functions.frame(pc).function in ("main.Fib", "main.fib")
        total += times
    assert total > 177 * 3


def test_coverage_of_some(go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version)
    taken = trace(plugin, "Recover", 1, blocks="main.fails")
    functions = taken.coverage.functions()
    assert functions.pop("main.fails") == 2
    functions.pop("fmt.Errorf", None)  # since Go 1.27 it is inlined there
    assert not functions


def test_samples(go_version: str, plugin_path: PluginPath) -> None:
    """One for each thousand instructions, where the time is spent, the same each time."""
    plugin = plugin_path("traced", go_version)
    with emuplugin.Machine() as machine:
        spin = machine.open(plugin).lookup("Spin")
        with machine.trace(profile=1000) as taken:
            spin(10_000)
        executed = taken.ended - taken.began
    assert executed > 50_000
    assert abs(len(taken.samples) - executed // 1000) <= 1
    assert taken.sample_every == 1000
    assert {sample.stack[0].function for sample in taken.samples} == {"main.Spin"}
    assert {sample.goroutine for sample in taken.samples} == {1}
    distances = Counter(
        (sample.instructions - taken.began + 999) // 1000 for sample in taken.samples
    )
    assert max(distances.values()) == 1
    again = [emuplugin.trace(plugin, "Fib", 15, profile=777).samples for _ in range(2)]
    assert again[0] == again[1]
    assert any(frame.function == "main.fib" for sample in again[0] for frame in sample.stack)


def test_samples_of_several_goroutines(go_version: str, plugin_path: PluginPath) -> None:
    taken = emuplugin.trace(plugin_path("determinism", go_version), "Race", 3, profile=50_000)
    by_goroutine = Counter(
        sample.goroutine
        for sample in taken.samples
        if any("Race.func" in frame.function for frame in sample.stack)
    )
    assert len(by_goroutine) >= 3
    assert min(count for _, count in by_goroutine.most_common(3)) > 10
