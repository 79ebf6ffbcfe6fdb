"""Python objects of this process that the worker knows."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

import emuplugin
from emuplugin.isolation.machine import IsolatedMachine
from tests.conftest import PluginPath
from tests.values.symbols import Symbols
from tests.values.test_python_objects import Name, Square


@pytest.fixture(scope="module")
def machine(go_version: str, plugin_path: PluginPath) -> Iterator[IsolatedMachine]:
    with closing(emuplugin.Machine(isolate="process")) as machine:
        assert isinstance(machine, IsolatedMachine)
        machine.open(plugin_path("callbacks", go_version, stripped=True))
        yield machine


@pytest.fixture
def go(machine: IsolatedMachine) -> Symbols:
    return Symbols(machine.plugins[0])


def held(machine: IsolatedMachine, go: Symbols) -> int:
    """How many objects the worker holds, after both collectors ran."""
    gc.collect()
    for _ in range(3):
        go.Collect()
    return len(machine._end._values.objects)


def test_functions_that_go_dropped_are_dropped_here(machine: IsolatedMachine, go: Symbols) -> None:
    class Greeter:
        def __call__(self) -> str:
            return "hello "

    before = held(machine, go)
    watched = []
    for _ in range(10):
        greeter = Greeter()
        watched.append(weakref.ref(greeter))
        go.Keep(greeter)
    del greeter
    assert held(machine, go) >= before + 10
    assert go.CallKept() == "hello " * 10
    go.Forget()
    assert held(machine, go) <= before + 1
    assert sum(reference() is not None for reference in watched) <= 1


def test_objects_that_go_dropped_are_dropped_here(machine: IsolatedMachine, go: Symbols) -> None:
    before = held(machine, go)
    for number in range(30):
        go.TotalArea([Square(number), Square(1)])
    name = Name("stored")
    watched = weakref.ref(name)
    go.Stored = name
    del name
    assert held(machine, go) > 0
    assert go.Describe(go.Stored) == "*python.Name Name stored"
    go.Stored = None
    held(machine, go)
    assert held(machine, go) <= before + 2
    assert watched() is None


def test_proxies_that_are_dropped_are_dropped_there(machine: IsolatedMachine, go: Symbols) -> None:
    for _ in range(200):
        assert go.MapPoints(lambda p: p, [{"X": 1}])[0].X == 1
    gc.collect()
    go.Double(1)
    assert len(machine._end._dropped) < 10


def test_objects_of_all_sorts_as_arguments(go: Symbols) -> None:
    @dataclass
    class Point:
        X: int
        Y: int

    class Index:
        def __index__(self) -> int:
            return 21

    assert go.Double(Index()) == 42
    assert [p.X for p in go.MapPoints(lambda p: Point(p.Y, 0), [Point(1, 2)])] == [2]
    assert list(go.SortBy(iter(range(3)), lambda a, b: a > b)) == [2, 1, 0]
    assert list(go.SortBy({3, 4}, lambda a, b: a < b)) == [3, 4]


def test_a_callback_fills_a_buffer_of_go(go: Symbols) -> None:
    class Reader:
        def __init__(self) -> None:
            self.left = 3

        def Read(self, buffer: memoryview) -> int:
            if not self.left:
                raise EOFError
            self.left -= 1
            buffer[:2] = b"ab"
            return 2

    assert go.ReadAll(Reader()) == "ababab"


def test_results_that_only_look_alike(go: Symbols) -> None:
    class Text(str):
        __slots__ = ()

    assert go.ApplyString(lambda text: Text(text * 2), "x") == "xx"
    values: Any = go.List(lambda: (n for n in (1, 2)))
    assert list(values) == [1, 2]
