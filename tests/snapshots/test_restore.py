"""``machine.restore``: everything is what it was, and goes on as it would have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emuplugin import (
    BusyError,
    ClosedError,
    EmupluginError,
    GoDeadlock,
    GoExit,
    GoFatal,
    GoroutinePanic,
    GoStackOverflow,
    Limits,
    Machine,
    SnapshotError,
    StaleError,
    TimeLimitExceeded,
)
from emuplugin.cpu import host_code
from tests.conftest import PluginPath

from .conftest import Opened

counted = pytest.mark.skipif(
    not host_code.is_supported(), reason="instructions are counted on x86-64 hosts only"
)


def test_variables_are_what_they_were(opened: Opened) -> None:
    plugin = opened("hello")
    machine, number = plugin.machine, plugin["V"]
    number.value = 3
    snapshot = machine.snapshot()
    for value in (5, 7):
        number.value = value
        machine.restore(snapshot)
        assert number.value == 3
    assert "hello" in repr(snapshot)
    assert snapshot.plugins == (plugin,)
    assert snapshot.memory > 1 << 20


@counted
def test_it_goes_on_as_it_would_have(opened: Opened) -> None:
    """A race of goroutines, with timers, maps and random numbers, to the instruction."""
    plugin = opened("determinism")
    machine, race = plugin.machine, plugin["Race"]
    race(2)
    snapshot = machine.snapshot()
    outcomes = set()
    for _ in range(3):
        log = race(3)
        outcomes.add((log, machine.instructions, machine.report.memory_bytes))
        machine.restore(snapshot)
        assert machine.instructions == snapshot.instructions
    assert len(outcomes) == 1


def test_ten_megabytes_of_heap(opened: Opened) -> None:
    plugin = opened("composites")
    machine, garbage = plugin.machine, plugin["Garbage"]
    chain = plugin["Chain"](50)
    snapshot = machine.snapshot()
    before = machine.report.memory_bytes
    for _ in range(2):
        garbage(1)
        assert machine.report.memory_bytes > before
        machine.restore(snapshot)
        assert machine.report.memory_bytes == before
        length = 0
        node = chain
        while node is not None:
            node, length = node.parent, length + 1
        assert length == 50


def test_several_snapshots_in_any_order(opened: Opened) -> None:
    plugin = opened("hello")
    machine, number = plugin.machine, plugin["V"]
    snapshots = []
    for value in range(4):
        number.value = value
        snapshots.append(machine.snapshot())
    for value in (2, 0, 3, 3, 1):
        machine.restore(snapshots[value])
        assert number.value == value
        number.value = 99
        plugin["F"]()


def test_files_and_goroutines(opened: Opened) -> None:
    plugin = opened("runtime", files={"/data/a": "one"})
    machine = plugin.machine
    plugin["Leak"](10)
    machine.files["/tmp/x"].write_bytes(b"before")
    snapshot = machine.snapshot()
    plugin["Leak"](20)
    machine.files["/tmp/x"].write_bytes(b"after, and longer")
    machine.files["/tmp/y"].write_bytes(b"new")
    machine.files["/data/a"].unlink()
    machine.restore(snapshot)
    assert plugin["NumGoroutine"]() == 11
    assert machine.files["/tmp/x"].read_bytes() == b"before"
    assert machine.files["/data/a"].read_bytes() == b"one"
    assert not machine.files["/tmp/y"].exists()


# --- what was had of the machine ------------------------------------------------------------------


def test_values_of_before_go_on_and_later_ones_do_not(opened: Opened) -> None:
    plugin = opened("composites")
    machine = plugin.machine
    chain, make, adder = plugin["Chain"], plugin["Numbers"], plugin["Adder"]
    kept = chain(3), make(4), adder(10), plugin["OriginPointer"]()
    entries = len(kept[1])
    snapshot = machine.snapshot()
    later = chain(3), make(4), adder(10), plugin["OriginPointer"](), plugin["Fail"]
    with pytest.raises(Exception, match="failed with code") as failed:
        plugin["Fail"](3)
    method = later[3].Area
    machine.restore(snapshot)
    assert kept[0].parent.parent.parent is None
    assert len(kept[1]) == entries
    assert kept[2](5) == 15
    assert kept[3].X == plugin["Origin"].value.X
    for use in (
        lambda: later[0].parent,
        lambda: len(later[1]),
        lambda: later[2](5),
        lambda: later[3].X,
        lambda: plugin["IsNil"](later[0]),
        method,
    ):
        with pytest.raises((StaleError, Exception)) as refused:
            use()
        assert isinstance(refused.value, StaleError) or "another machine" in str(refused.value)
    assert "closed machine" in repr(later[1])
    with pytest.raises(Exception, match=r"another|after the snapshot|failed"):
        plugin["Again"](failed.value)


def test_later_values_do_not_spoil_those_of_before(opened: Opened) -> None:
    """What is freed later gives back nothing that is in use."""
    plugin = opened("composites")
    machine, chain = plugin.machine, plugin["Chain"]
    snapshot = machine.snapshot()
    for _ in range(3):
        later = [chain(2) for _ in range(20)]
        machine.restore(snapshot)
        again = [chain(2) for _ in range(20)]
        del later
        plugin["Garbage"](1)
        assert all(node.parent.parent is None for node in again)
        del again
    machine.restore(snapshot)
    assert len(machine.program.roots) <= 3


def test_values_that_died_since_free_their_places(opened: Opened) -> None:
    plugin = opened("composites")
    machine, chain = plugin.machine, plugin["Chain"]
    nodes = [chain(1) for _ in range(100)]
    snapshot = machine.snapshot()
    held = len(machine.program.roots)
    del nodes
    machine.restore(snapshot)
    chain(1)
    assert len(machine.program.roots) <= held - 99


def test_python_functions_that_go_holds(opened: Opened) -> None:
    plugin = opened("callbacks")
    machine, apply = plugin.machine, plugin["Apply"]
    snapshot = machine.snapshot()
    for _ in range(3):
        assert apply(lambda a, b: a * b, 6, 7) == 42
        machine.restore(snapshot)
    kept = plugin["Apply"]
    assert kept(lambda a, b: a + b, 6, 7) == 13
    later = machine.snapshot()
    assert apply(max, 6, 7) == 7
    machine.restore(later)
    assert apply(max, 6, 7) == 7
    with pytest.raises(SnapshotError, match="Go holds Python functions"):
        later.clone()


def test_a_plugin_opened_later_is_gone(
    opened: Opened, plugin_path: PluginPath, go_version: str
) -> None:
    plugin = opened("hello")
    machine = plugin.machine
    snapshot = machine.snapshot()
    second = machine.open(plugin_path("add", go_version))
    add = second["Add"]
    assert add(1, 2) == 3
    machine.restore(snapshot)
    assert machine.plugins == (plugin,)
    uses: tuple[Callable[[], object], ...] = (lambda: second["Add"], lambda: add(1, 2))
    for use in uses:
        with pytest.raises(StaleError, match="after the snapshot"):
            use()
    again = machine.open(plugin_path("add", go_version))
    assert again is not second
    assert again["Add"](1, 2) == 3


# --- after death ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("Hang", (), TimeLimitExceeded),
        ("Exit", (3,), GoExit),
        ("ExitElsewhere", (3,), GoExit),
        ("PanicElsewhere", ("nil pointer",), GoroutinePanic),
        ("Unlock", (), GoFatal),
        ("Deadlock", (), GoDeadlock),
        ("StackOverflow", (), GoStackOverflow),
        ("OutOfMemory", (1 << 40,), EmupluginError),
    ],
)
def test_what_killed_the_machine_is_forgotten(
    opened: Opened, name: str, arguments: tuple[object, ...], error: type[EmupluginError]
) -> None:
    seconds = 2 if error is TimeLimitExceeded else 60
    plugin = opened("runtime", limits=Limits(memory=256 << 20, seconds=seconds))
    machine = plugin.machine
    snapshot = machine.snapshot()
    function = plugin[name]
    for _ in range(1 if name == "StackOverflow" else 2):  # a stack of hundreds of megabytes each
        with pytest.raises(error):
            function(*arguments)
        assert machine.state == "dead"
        machine.restore(snapshot)
        assert machine.state == "running"
        assert plugin["PingPong"](3) == 3
        assert machine.report.output_bytes == 0


# --- what cannot be ------------------------------------------------------------------------------


def test_not_from_inside_a_call(opened: Opened) -> None:
    plugin = opened("callbacks")
    machine = plugin.machine
    snapshot = machine.snapshot()

    def inside(a: int, b: int) -> int:
        for ask in (machine.snapshot, machine.clone, lambda: machine.restore(snapshot)):
            with pytest.raises(BusyError, match="inside a call"):
                ask()
        return a - b

    assert plugin["Apply"](inside, 5, 3) == 2


def test_of_machines_that_have_none(opened: Opened) -> None:
    with pytest.raises(ClosedError, match="nothing was opened"):
        Machine().snapshot()
    plugin = opened("hello")
    snapshot = plugin.machine.snapshot()
    other = opened("hello")
    with pytest.raises(SnapshotError, match="of another machine"):
        other.machine.restore(snapshot)
    plugin.machine.close()
    with pytest.raises(ClosedError, match="was closed"):
        plugin.machine.restore(snapshot)
    with pytest.raises(ClosedError, match="was closed"):
        plugin.machine.snapshot()


def test_restore_and_reset(opened: Opened) -> None:
    """A reset begins from the files the first time, and from what it then kept later."""
    plugin = opened("hello")
    machine = plugin.machine
    old = machine.snapshot()
    machine.reset()
    with pytest.raises(SnapshotError, match="before this one was reset"):
        machine.restore(old)
    plugin["V"].value = 4
    number, four = plugin["V"], machine.snapshot()
    machine.reset()
    assert plugin["V"].value == 0
    machine.restore(four)
    assert plugin["V"].value == 4
    with pytest.raises(StaleError, match="before the machine was reset"):
        _ = number.value
    instructions = machine.instructions
    machine.reset()
    assert machine.instructions <= instructions
    with old.clone() as machine:
        assert machine.plugins[0]["V"].value == 0
