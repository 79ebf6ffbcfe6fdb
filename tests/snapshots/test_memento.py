"""Mementos and plans of objects, kind by kind: what is put back, and what is made anew."""

from __future__ import annotations

import random
import types
from array import array
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from emuplugin import Sandbox
from emuplugin.cpu.engine import Engine
from emuplugin.runtime_shims.kernel.timers import Timer
from emuplugin.runtime_shims.process import make_engine
from emuplugin.snapshots.copying import Plan
from emuplugin.snapshots.memento import Memento


def _ordered() -> OrderedDict[str, int]:
    return OrderedDict(a=1, b=2, c=3)


def _changed_ordered(thing: OrderedDict[str, int]) -> None:
    thing.move_to_end("a")
    thing.pop("b", None)


def _changed_deque(thing: deque[int]) -> None:
    thing.rotate()
    thing.append(9)


#: A thing, and what changes it.
KINDS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "dict": (lambda: {"a": 1, "b": [2]}, lambda thing: (thing.pop("a", None), thing.update(z=3))),
    "dict of what changes": (lambda: {(1, 2): 3}, lambda thing: thing.clear()),
    "counter": (lambda: Counter(a=2, b=3), lambda thing: thing.update("abc")),
    "ordered": (_ordered, _changed_ordered),
    "list": (lambda: [1, [2], 3], lambda thing: (thing.reverse(), thing.append(4))),
    "deque": (lambda: deque([1, 2, 3], maxlen=3), _changed_deque),
    "set": (lambda: {1, 2}, lambda thing: (thing.add(3), thing.discard(1))),
    "bytearray": (lambda: bytearray(b"abc"), lambda thing: thing.extend(b"d")),
    "array": (lambda: array("Q", (1, 2)), lambda thing: thing.append(3)),
    "random": (lambda: random.Random(7), lambda thing: thing.gauss(0, 1)),
    "cell": (lambda: types.CellType([1]), lambda thing: setattr(thing, "cell_contents", 2)),
    "slots": (lambda: Timer(int, print), lambda thing: thing.set(5, 6)),
}
kinds = pytest.mark.parametrize(("make", "change"), KINDS.values(), ids=KINDS)


def _seen(thing: Any) -> Any:
    """What can be told of a thing, in its order."""
    if isinstance(thing, dict):
        return type(thing), [(key, _seen(value)) for key, value in thing.items()]
    if isinstance(thing, random.Random):
        return thing.getstate()
    if isinstance(thing, types.CellType):
        return thing.cell_contents
    if isinstance(thing, Timer):
        return thing.now, thing.fire, thing.moment, thing.interval, thing.working
    if isinstance(thing, list | deque | set | bytearray | array):
        return type(thing), getattr(thing, "maxlen", None), list(thing)
    return thing


@kinds
def test_put_back(make: Callable[[], Any], change: Callable[[Any], Any]) -> None:
    thing = make()
    before = _seen(thing)
    memento = Memento([thing])
    for _ in range(2):
        change(thing)
        assert _seen(thing) != before
        memento.restore()
        assert _seen(thing) == before
    if isinstance(thing, OrderedDict):  # whose order is kept beside
        assert thing.popitem(last=False) == ("a", 1)


@kinds
def test_made_anew(make: Callable[[], Any], change: Callable[[Any], Any], engine: Engine) -> None:
    """Each copy is what the thing was, and none knows of another."""
    thing = make()
    before = _seen(thing)
    plan = Plan(Memento([thing]), ())
    copies = []
    for _ in range(2):
        change(thing)
        copies.append(plan.copy(engine, (), thing))
        assert copies[-1] is not thing
        assert type(copies[-1]) is type(thing)
        assert _seen(copies[-1]) == before
    change(copies[0])
    assert _seen(copies[1]) == before


def test_what_is_equal_is_not_the_same() -> None:
    """A list goes back to the very lists that it held, whatever they are equal to."""
    inner: list[int] = []
    outer = [inner]
    memento = Memento([outer])
    outer[0] = []
    memento.restore()
    assert outer[0] is inner


def test_who_refers_to_whom(engine: Engine) -> None:
    shared: list[Any] = []
    shared.append(shared)
    outer: dict[Any, Any] = {
        "one": shared,
        "two": (1, (2, shared)),
        "frozen": frozenset((1, 2)),
        "partial": partial(dict, shared, named=shared),
        "none": (1, ("two",)),
        "class": Timer,
    }
    replaced, other = deque([1]), deque([2])
    outer["replaced"] = [replaced]
    plan = Plan(Memento([outer]), [replaced])
    copy = plan.copy(engine, [other], outer)
    assert list(copy) == list(outer)
    new = copy["one"]
    assert new is not shared
    assert new[0] is new
    assert copy["two"] == (1, (2, new))
    assert copy["two"][1][1] is new
    assert copy["partial"].args[0] is new
    assert copy["partial"].keywords["named"] is new
    assert copy["replaced"][0] is other
    assert copy["none"] is outer["none"]
    assert copy["class"] is Timer


def test_methods_of_one_object(engine: Engine) -> None:
    timer = Timer(int, print)
    outer = [timer.set, timer.left]
    copy = Plan(Memento([outer]), ()).copy(engine, (), outer)
    assert copy[1].__self__ is copy[0].__self__ is not timer
    copy[0](8, 9)
    assert (copy[0].__self__.moment, timer.moment) == (8, 0)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Of the copies."""
    engine = make_engine(Sandbox())
    yield engine
    engine.close()
    engine.space.physical.close()
