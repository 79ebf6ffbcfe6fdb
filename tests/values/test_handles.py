"""Python's functions and objects in Go, where the plugin is linked without finalizers."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import emuplugin
from emuplugin import Machine, Sandbox
from emuplugin.runtime_shims.marks import Marks
from tests.conftest import PluginPath
from tests.values.symbols import Symbols

# A collection at every chance, and what is freed is overwritten at once.
STRESS = {"GOGC": "5", "GODEBUG": "clobberfree=1"}
CLOBBERED = 0xDEADBEEF_DEADBEEF


@pytest.fixture
def go(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/values_handles in a machine of its own, collecting often."""
    path = plugin_path("values_handles", go_version, stripped=True)
    with closing(Machine(Sandbox(env=STRESS))) as machine:
        go = Symbols(machine.open(path))
        assert machine.life.symbol("runtime.SetFinalizer") is None
        yield go


class Counted:
    """Has the method that fixtures/values_handles asks for."""

    def __init__(self, number: int) -> None:
        self.number = number

    def Number(self) -> int:
        return self.number


def stress(go: Symbols, seed: int) -> int:
    """Pass one function again and again, with other work of random lengths between."""
    drawn = random.Random(seed)
    right = 0
    for _ in range(150):
        for _ in range(drawn.choice((1, 10, 100))):
            right += go.Call(seven)
        go.Churn(drawn.choice((10, 1000, 5000)))
    return right


def seven() -> int:
    return 7


def test_a_function_passed_again_and_again(go: Symbols) -> None:
    total = stress(go, 1)
    assert total
    assert total % 7 == 0


def test_what_the_collector_freed_is_not_handed_again(
    go_version: str, plugin_path: PluginPath
) -> None:
    """Not even while it still looks as it did."""
    path = plugin_path("values_handles", go_version, stripped=True)
    with closing(Machine()) as machine:
        go = Symbols(machine.open(path))
        go.Keep(seven)
        life = machine.life
        (address,) = machine.context.python_functions.handles.addresses
        go.Collect()
        root = life.func_value_again(address)
        assert root is not None
        root.release()
        before = life.memory.read(address, 16)
        go.Forget()
        go.Collect()
        assert life.memory.read(address, 16) == before
        assert life.func_value_again(address) is None
        assert go.Call(seven) == 7


def test_what_go_keeps_stays(go: Symbols) -> None:
    go.Keep(lambda: 11)
    go.KeepFace(Counted(12))
    for _ in range(20):
        go.Churn(3000)
        go.Collect()
        assert (go.CallKept(), go.KeptNumber()) == (11, 12)


def test_the_same_object_is_the_same_in_go(go: Symbols) -> None:
    mine, other = Counted(1), Counted(1)
    go.KeepFace(mine)
    for _ in range(5):
        go.Churn(3000)
        go.Collect()
        assert go.Same(mine)
        assert not go.Same(other)


def test_the_same_function_comes_back(go: Symbols) -> None:
    go.Keep(seven)
    go.Churn(3000)
    go.Collect()
    assert go.KeptFunc() is seven


def test_what_go_drops_goes(go: Symbols) -> None:
    class Fresh:
        def __call__(self) -> int:
            return 3

    watched = []
    functions = go.plugin.machine.context.python_functions
    for _ in range(4000):
        fresh = Fresh()
        watched.append(weakref.ref(fresh))
        assert go.Call(fresh) == 3
        go.Churn(100)
    del fresh
    gc.collect()
    alive = sum(reference() is not None for reference in watched)
    assert alive < 1000
    assert len(functions) == alive


def test_other_functions_in_its_place(go: Symbols) -> None:
    """Closures of Go's that lie where handles were are Go's."""
    for number in range(200):
        go.Call(lambda number=number: number)
    go.Collect()
    closures = [closure for closure in go.Closures(2000) if closure is not None]
    assert all(isinstance(closure, emuplugin.values.Function) for closure in closures)
    assert closures[17]() == 17


def test_snapshots_know_the_handles_of_their_time(go: Symbols) -> None:
    machine = go.plugin.machine
    go.Keep(lambda: 5)
    snapshot = machine.snapshot()
    for number in range(300):
        go.Keep(lambda number=number: number)
    go.Collect()
    machine.restore(snapshot)
    for _ in range(3):
        go.Churn(3000)
        go.Collect()
        assert go.CallKept() == 5
        assert go.Call(seven) == 7


def test_marks_tell_what_is_in_use(go: Symbols) -> None:
    life = go.plugin.machine.life
    marks, drawn = Marks(life.program.runtime), random.Random(2)
    made: list[tuple[int, Any]] = []
    for _ in range(300):
        address = life.malloc(16, 0)
        life.memory.write(address, b"\1" * 16)
        root = life.hold(address)
        made.append((address, root if drawn.random() < 0.5 else None))
        if made[-1][1] is None:
            root.release()
    go.Collect()
    for _ in range(100):
        # Wherever in its cycle the collector is.
        for address, root in made:
            clobbered = life.memory.read_u64(address) == CLOBBERED
            if root is not None:
                assert marks.has(address)
            assert not (clobbered and marks.has(address))
            assert not marks.has(address + 8)
        go.Churn(drawn.randrange(300))
    assert not marks.has(0)
    assert not marks.has(life.program.runtime.stubs.moduledata)


def test_marks_of_what_is_dropped_go(go: Symbols) -> None:
    life = go.plugin.machine.life
    marks = Marks(life.program.runtime)
    roots = [life.hold(life.malloc(16, 0)) for _ in range(100)]
    go.Collect()
    assert all(marks.has(root.address) for root in roots)
    before = marks.cycle
    addresses = [root.address for root in roots]
    for root in roots:
        root.release()
    roots.clear()
    life.hold(life.malloc(16, 0)).release()  # clears the slots
    go.Collect()
    assert marks.cycle != before
    assert not any(marks.has(address) for address in addresses)
