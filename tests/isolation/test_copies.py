"""Numbers and bytes between processes: copies, in one piece."""

from __future__ import annotations

import array
from collections.abc import Iterator
from contextlib import closing

import pytest

import emuplugin
from emuplugin import UnsupportedTypeError
from tests.conftest import PluginPath
from tests.values.symbols import Symbols


@pytest.fixture(scope="module")
def faces(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    path = plugin_path("values_faces", go_version, stripped=True)
    with closing(emuplugin.Machine()) as machine:
        yield Symbols(machine.open(path))


def test_buffers_are_copies_that_cannot_be_written(faces: Symbols) -> None:
    faces.Floats = [0.5, 1.5]
    view = faces.Floats.memoryview()
    assert (view.format, view.tolist(), view.readonly) == ("d", [0.5, 1.5], True)
    with pytest.raises(TypeError, match="read-only"):
        view[0] = 10
    faces.Floats[:] = array.array("d", [10, 1.5])
    assert faces.Sum(faces.Floats) == 11.5
    assert view.tolist() == [0.5, 1.5]
    assert faces.Floats.memoryview()[0] == 10
    grid = faces.Grid.memoryview()
    assert (grid.shape, grid.tolist()) == ((2, 3), [[1, 2, 3], [4, 5, 6]])
    assert faces.plugin.make("[]int", 0).memoryview().tolist() == []
    with pytest.raises(UnsupportedTypeError, match=r"elements of \[\]string are not numbers"):
        faces.Names.memoryview()


def test_millions_of_numbers(faces: Symbols) -> None:
    count = 2_000_000
    numbers = faces.plugin.make("[]float64", count)
    numbers[:] = array.array("d", range(count))
    assert faces.Sum(numbers) == count * (count - 1) / 2
    assert numbers.memoryview()[-1] == count - 1
    assert sum(numbers) == count * (count - 1) / 2


def test_numpy(faces: Symbols) -> None:
    numpy = pytest.importorskip("numpy")
    faces.Floats = numpy.arange(5.0)
    found = numpy.asarray(faces.Floats)
    assert (found.dtype, found.tolist()) == (numpy.float64, [0, 1, 2, 3, 4])
    assert not found.flags.writeable
    points = numpy.asarray(faces.plugin.make("[]main.Point", [{"X": 1}, {"Y": 2}]))
    assert (points["X"].tolist(), points["Y"].tolist()) == ([1, 0], [0, 2])
    faces.Floats = numpy.arange(10.0)[::2]
    assert list(faces.Floats) == [0, 2, 4, 6, 8]


def test_a_map_that_changes_during_iteration(faces: Symbols) -> None:
    numbers = faces.plugin.make("map[string]int")
    numbers.update({str(number): number for number in range(100)})
    numbers.update(dict(numbers))  # a map of the old sort is done with growing now
    for key, value in numbers.items():
        numbers[key] = value + 1
    assert sum(numbers.values()) == sum(range(1, 101))
    keys = iter(numbers)
    del numbers[next(keys)]
    with pytest.raises(emuplugin.ChangedError):
        next(keys)
