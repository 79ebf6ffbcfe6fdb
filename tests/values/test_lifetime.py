"""What Python holds lives, what it drops goes, also while the collector is at work."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import emuplugin
from emuplugin.errors import ClosedError, ConversionError
from emuplugin.runtime_shims.roots import Root, Roots
from emuplugin.values.heap import Heap
from tests.conftest import PluginPath
from tests.values.symbols import Symbols


@pytest.fixture
def go(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/values_lifetime in a machine of its own."""
    path = plugin_path("values_lifetime", go_version, stripped=True)
    with closing(emuplugin.Machine()) as machine:
        yield Symbols(machine.open(path))


def freed(go: Symbols) -> list[int]:
    """The tracked objects that are gone, after all that Python dropped was let go."""
    gc.collect()
    # Slots of dropped roots are cleared when the next root is taken.
    go.plugin.make("[]int", 1)
    return sorted(go.Freed())


MAKERS = ["Tracked", "TrackedMap", "TrackedSlice", "TrackedFunc", "TrackedAny"]


@pytest.mark.parametrize("maker", MAKERS)
def test_held_as_long_as_python_holds_it(go: Symbols, maker: str) -> None:
    held = getattr(go, maker)(1)
    dropped = getattr(go, maker)(2)
    assert dropped is not None
    del dropped
    assert freed(go) == [2]
    assert held is not None
    del held
    assert freed(go) == [1, 2]


@pytest.mark.parametrize("maker", MAKERS)
def test_without_a_root_it_is_lost(
    go: Symbols, maker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the test above is known to be able to fail."""
    hold = Roots.hold

    def pretend(roots: Roots, address: int, call: Any) -> Root:
        root = hold(roots, 0, call)
        root.address = address
        return root

    make = getattr(go, maker)
    with monkeypatch.context() as patch:
        patch.setattr(Roots, "hold", pretend)
        held = make(1)
    assert freed(go) == [1]
    assert held is not None


def test_parts_keep_the_whole(go: Symbols) -> None:
    number = go.Tracked(1).value
    fill = go.Tracked(2).Fill
    window = go.TrackedSlice(3)[:0]
    assert freed(go) == []
    assert (number.Number, list(fill), len(window)) == (1, [0] * 6, 0)
    del number, fill, window
    assert freed(go) == [1, 2, 3]


def test_made_in_python_and_dropped(go: Symbols) -> None:
    go.Holder = {"Data": go.Tracked(1)}
    assert freed(go) == []
    go.Holder = None
    assert freed(go) == [1]


def test_what_go_got_stays_without_python(go: Symbols) -> None:
    for number in range(300):
        go.Known = {"Name": f"name {number}", "Data": {"Number": number}}
    go.Place = {"Data": {"Number": 5}}
    go.Litter()
    assert (go.Known.Name, go.Known.Data.Number, go.Place.Data.Number) == ("name 299", 299, 5)


def start_marking(go: Symbols) -> None:
    """Let a collection begin, and stop in the middle of its marking."""
    machine = go.plugin.machine
    barrier = machine.symbol("runtime.writeBarrier")
    assert barrier is not None
    for _ in range(5):  # a busy host may give the collector a longer turn, and it is done
        go.Collect()
        for _ in range(1000):
            machine.context.scheduling.run_others()
            if machine.memory.read_u32(barrier):
                break
        # Enough to have looked at the roots, not to have gone down a long chain.
        for _ in range(1000):
            machine.context.scheduling.run_others()
        if machine.memory.read_u32(barrier):
            return
    raise AssertionError("the collector was never in the middle of marking")


def move_while_marking(go: Symbols) -> Any:
    """Move the only pointer to an object from where the collector was not yet to where it was."""
    machine = go.plugin.machine
    holder = go.Holder.value
    tail_address = go.Chain(200_000, 1)
    tail_type = go.plugin.types["main.Node"]
    start_marking(go)
    # Without a root: one would have the collector look here early.
    tail = machine.context.codec(tail_type).read(tail_address, None)
    data = tail._codec.own_fields["Data"]
    image = machine.memory.read(tail_address + data.offset, 8)
    assert image != bytes(8)
    slot = go.plugin.types["main.Slot"]
    machine.context.heap.store(holder._address, image, slot)
    machine.context.heap.store(tail_address + data.offset, bytes(8), data.type)
    return holder


def test_the_write_barrier_saves_what_moves(go: Symbols) -> None:
    holder = move_while_marking(go)
    assert freed(go) == []
    go.Litter()
    assert (holder.Data.Number, list(holder.Data.Fill)) == (1, [0] * 6)


def test_without_the_write_barrier_it_is_lost(go: Symbols, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above is known to be able to fail."""
    with monkeypatch.context() as patch:
        patch.setattr(Heap, "_marking", lambda heap: False)
        move_while_marking(go)
    assert freed(go) == [1]


def test_reading_while_marking_roots_what_is_read(go: Symbols) -> None:
    machine = go.plugin.machine
    tail_address = go.Chain(200_000, 1)
    start_marking(go)
    tail = machine.context.codec(go.plugin.types["main.Node"]).read(tail_address, None)
    data = tail.Data
    tail.Data = None
    assert freed(go) == []
    go.Litter()
    assert (data.Number, list(data.Fill)) == (1, [0] * 6)
    del data
    assert freed(go) == [1]


def test_many_changes_while_marking(go: Symbols) -> None:
    """Composite stores of all sorts between the steps of many collections."""
    go.Chain(200_000, 1)
    nodes = go.plugin.make("[]*main.Data", 0)
    for round_ in range(8):
        start_marking(go)
        for number in range(20):
            nodes.append({"Number": 20 * round_ + number})
        nodes[0], nodes[-1] = nodes[-1], nodes[0]
        nodes[0], nodes[-1] = nodes[-1], nodes[0]
        go.Known = {"Name": f"round {round_}", "Next": {"Data": nodes[5]}}
        go.plugin.machine.context.scheduling.run_others()
    go.Litter()
    assert [node.Number for node in nodes] == list(range(160))
    assert go.Known.Next.Data.Number == 5


def test_many_entries_while_marking(go: Symbols) -> None:
    """What only a map's new entries lead to, made and stored in the middle of marking."""
    go.Chain(200_000, 1)
    held = go.TrackedMap(2)
    for round_ in range(4):
        start_marking(go)
        held.update({f"{number}": {"Number": number + round_} for number in range(300)})
        go.plugin.machine.context.scheduling.run_others()
    go.Litter()
    assert [held[f"{number}"].Number for number in range(300)] == list(range(3, 303))
    assert (held["x"].Number, len(held)) == (2, 301)


def test_what_is_replaced_during_iteration(go: Symbols) -> None:
    """Entries that were not reached yet come as they are then: what was there is gone."""
    held = go.TrackedMap(1)
    held.update({f"{number}": {"Number": number} for number in range(200)})
    held.update(dict(held))  # a map of the old sort is done with growing now
    items = iter(held.items())
    next(items)
    for key in list(held):
        held[key] = {"Number": -7}
    assert freed(go) == [1]
    go.Litter()
    assert [data.Number for _, data in items] == [-7] * 200


def test_values_of_other_machines_are_refused(
    go: Symbols, go_version: str, plugin_path: PluginPath
) -> None:
    path = plugin_path("values_lifetime", go_version, stripped=True)
    with closing(emuplugin.Machine()) as machine:
        other = Symbols(machine.open(path))
        foreign = other.Tracked(1)
        slice_, map_ = other.TrackedSlice(2), other.TrackedMap(3)
        for value in (foreign, foreign.value):
            with pytest.raises(
                ConversionError,
                match=r"^Holder: \.Data: expected \*main\.Data, got a Go value of another machine",
            ):
                go.Holder = {"Data": value}
        assert slice_ is not None
        assert map_ is not None
        function = other.TrackedFunc(4)
    with pytest.raises(ClosedError, match="the plugin's machine was closed"):
        _ = foreign.Number
    with pytest.raises(ClosedError):
        function()
    with pytest.raises(ClosedError):
        slice_[0] = None
    with pytest.raises(ClosedError):
        map_["x"] = None
    with pytest.raises(ClosedError):
        other.Place.Data = None
    with pytest.raises(ConversionError, match="got a Go value of another machine"):
        go.Holder = {"Data": foreign}
