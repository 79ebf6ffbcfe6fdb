"""The same plugin, sandbox and calls: the same run, to the instruction, on however busy a host."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from emuplugin import InstructionLimitExceeded, Limits, Machine, Sandbox
from emuplugin.build import NEWEST, resolve_version
from emuplugin.cpu import host_code
from tests.conftest import PluginPath

from .conftest import Open, run

pytestmark = pytest.mark.skipif(
    not host_code.is_supported(), reason="instructions are counted on x86-64 hosts only"
)


@pytest.fixture
def busy() -> Iterator[None]:
    """Something else that wants the processor and Python's lock."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.001):
            sum(range(3000))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    yield
    done.set()
    for thread in threads:
        thread.join()


def race(plugin_path: PluginPath, go_version: str, **settings: int) -> tuple[str, int]:
    """The log of a race, and how many instructions it took."""
    with Machine(Sandbox(**settings)) as machine:  # type: ignore[arg-type]
        plugin = machine.open(plugin_path("determinism", go_version))
        log: str = run(plugin, "Race", 3)
        return log, machine.instructions


@pytest.mark.usefixtures("busy")
def test_a_race_has_one_outcome(plugin_path: PluginPath, go_version: str) -> None:
    """A hundred runs with the newest Go, some with the others."""
    runs = 100 if go_version == resolve_version(NEWEST) else 5
    outcomes = {race(plugin_path, go_version) for _ in range(runs)}
    assert len(outcomes) == 1
    ((log, _),) = outcomes
    # It was a race: goroutines that do not give way took turns, and timers went off meanwhile.
    lines = log.splitlines()
    order = [int(line.split()[1]) >> 32 for line in lines if line.startswith("goroutine")]
    assert len(set(order)) > 1
    assert order != sorted(order)
    assert any(line.startswith("tick") for line in lines)
    assert any(line.startswith("after") for line in lines)


def test_another_seed_is_another_race(plugin_path: PluginPath, go_version: str) -> None:
    assert race(plugin_path, go_version) != race(plugin_path, go_version, seed=1)


@pytest.mark.usefixtures("busy")
def test_the_instruction_budget_is_exact(open_runtime: Open) -> None:
    """It ends at the same instruction each time, and within a block of the limit."""
    limit = 3_000_000
    ends = set()
    for _ in range(5):
        plugin = open_runtime(limits=Limits(instructions=limit, seconds=120))
        with pytest.raises(InstructionLimitExceeded, match="limit of 3000000 instr") as caught:
            run(plugin, "Hang")
        assert caught.value.limit == "instructions"
        assert limit - 512 <= caught.value.used <= limit == caught.value.allowed
        ends.add((caught.value.used, plugin.machine.instructions))
    assert len(ends) == 1


def test_the_instruction_budget_is_per_call(open_runtime: Open) -> None:
    plugin = open_runtime()
    opened = plugin.machine.instructions
    run(plugin, "Recurse", 5000)
    one = plugin.machine.instructions - opened
    limit = 2 * max(one, opened)
    plugin = open_runtime(limits=Limits(instructions=limit, seconds=120))
    before = plugin.machine.instructions
    for _ in range(100):
        run(plugin, "Recurse", 5000)
    assert plugin.machine.instructions - before > limit


def test_opening_has_the_budget_of_a_call(plugin_path: PluginPath, go_version: str) -> None:
    with (
        Machine(Sandbox(limits=Limits(instructions=50_000))) as machine,
        pytest.raises(InstructionLimitExceeded, match="grant more"),
    ):
        machine.open(plugin_path("runtime", go_version))
