"""Slices and arrays as Python's sequences and buffers, against Go's own."""

from __future__ import annotations

import array
import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

from emuplugin.errors import ChangedError, ConversionError, OutOfRangeError, UnsupportedTypeError
from tests.values.symbols import Symbols


def test_append_goes_back_to_where_the_slice_was_read(faces: Symbols) -> None:
    faces.Ints = [1, 2, 3]
    ints = faces.Ints
    ints.append(4)
    ints.extend([5, 6])
    assert list(faces.Ints) == [1, 2, 3, 4, 5, 6]
    assert faces.Print(faces.Ints) == "[1 2 3 4 5 6]"
    faces.Grow(1)
    with pytest.raises(ChangedError, match=r"this \[\]int was read from holds another one now"):
        ints.append(7)
    assert len(faces.Ints) == 7
    faces.Nobody = None
    faces.Nobody.append("x")
    assert list(faces.Nobody) == ["x"]


def test_append_is_in_place_while_there_is_room(faces: Symbols) -> None:
    faces.Roomy = faces.plugin.make("[]int", 2, 10)
    first, second = faces.Roomy[:], faces.Roomy[:]
    first.append(1)
    second.append(2)
    assert (first[2], len(faces.Roomy), first.cap) == (2, 2, 10)
    grown, cap = faces.Append(first, 5)
    assert (list(grown), cap) == ([0, 0, 2, 5], 10)


def test_capacity_grows_as_in_go(faces: Symbols) -> None:
    names = faces.plugin.make("[]string", 0)
    caps = []
    for _ in range(300):
        names.append("")
        caps.append(names.cap)
    assert caps == list(faces.Caps(300))


def test_insert_and_delete(faces: Symbols) -> None:
    faces.Names = ["a", "b", "c", "d"]
    names = faces.Names
    mirror = list(names)
    shared = names[:]
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda s: s.insert(1, "x"),
        lambda s: s.insert(-1, "y"),
        lambda s: s.insert(100, "z"),
        lambda s: s.pop(),
        lambda s: s.pop(0),
        lambda s: s.remove("c"),
        lambda s: s.__setitem__(slice(1, 3), ["p", "q", "r"]),
        lambda s: s.__setitem__(slice(1, 1), ["s", "t"]),
        lambda s: s.__delitem__(slice(0, 5, 2)),
        lambda s: s.__setitem__(slice(0, 4, 2), ["u", "v"]),
        lambda s: s.reverse(),
        lambda s: s.__iadd__(["w"]),
        lambda s: s.__delitem__(-1),
    )
    for change in changes:
        change(names)
        change(mirror)
        assert list(names) == mirror
        assert list(faces.Names) == mirror
    assert faces.Print(faces.Names) == f"[{' '.join(mirror)}]"
    assert list(shared) == ["a", "b", "c", "d"]
    # What is cut off is zeroed, as slices.Delete does: it keeps nothing alive.
    cut = names[:]
    del names[1:]
    assert list(cut) == [mirror[0], *[""] * (len(mirror) - 1)]
    names.clear()
    assert len(faces.Names) == 0
    assert "x" not in names


def test_elements_of_all_sorts(faces: Symbols) -> None:
    points = faces.plugin.make("[]main.Point", [{"X": 1}])
    points.append({"X": 2, "Y": 3})
    points.insert(0, points[1])
    assert faces.Print(points) == "[{2 3} {1 0} {2 3}]"
    pointers = faces.plugin.make("[]*main.Point", 0)
    for number in range(500):
        pointers.append({"X": number})
    gc.collect()
    del pointers[:250]
    assert [pointer.X for pointer in pointers] == list(range(250, 500))
    with pytest.raises(ConversionError, match=r"\[\]main.Point: \[0\].X: expected int, got str"):
        points.append({"X": "1"})
    with pytest.raises(OutOfRangeError, match=r"make\(\[\]int\): expected 0 <= length <= capacity"):
        faces.plugin.make("[]int", 3, 2)
    with pytest.raises(IndexError, match=r"index out of range \[3\] with length 3"):
        _ = points[3]


def test_buffers_share_memory(faces: Symbols) -> None:
    faces.Floats = [0.5, 1.5]
    view = faces.Floats.memoryview()
    assert (view.format, view.tolist()) == ("d", [0.5, 1.5])
    view[0] = 10
    assert faces.Sum(faces.Floats) == 11.5
    grid = faces.Grid.memoryview()
    assert (grid.shape, grid.tolist()) == ((2, 3), [[1, 2, 3], [4, 5, 6]])
    grid[1, 2] = -6
    assert faces.Grid[1][2] == -6
    assert faces.Rows.memoryview().tolist() == [[1, 2], [3, 4]]
    assert faces.Flags.memoryview().tolist() == [True, False]
    assert faces.plugin.make("[]int", 0).memoryview().tolist() == []
    assert bytes(faces.Ints.memoryview()[:0]) == b""
    with pytest.raises(UnsupportedTypeError, match=r"elements of \[\]string are not numbers"):
        faces.Names.memoryview()
    if sys.version_info >= (3, 12):
        assert memoryview(faces.Floats).tolist() == [10, 1.5]
        with pytest.raises(BufferError):
            memoryview(faces.Names)


def test_a_buffer_keeps_its_memory(faces: Symbols) -> None:
    views = [faces.plugin.make("[]int", [number] * 100).memoryview() for number in range(50)]
    gc.collect()
    for _ in range(200):
        faces.plugin.make("[]int", [-1] * 1000)
    faces.Collect(faces.Count(0))
    assert [view.tolist() for view in views] == [[number] * 100 for number in range(50)]


def test_large_slices_are_one_buffer(faces: Symbols) -> None:
    # The heap grows by pieces of 4 MB and more, and no slice here fits into one.
    kept = []
    for count in (20_000, 300_000, 1_000_000, 3_000_000):
        kept.append(faces.plugin.make("[]float64", count))
        view = kept[-1].memoryview()
        view[0], view[count // 2], view[-1] = 1.0, 2.0, 3.0
        assert (len(view), sum(view)) == (count, 6.0)
        assert kept[-1][count // 2] == 2.0
    numpy = pytest.importorskip("numpy")
    numbers = faces.plugin.make("[]float64", 10_000_000)
    array_ = numpy.asarray(numbers)
    array_[:] = numpy.arange(len(numbers))
    assert (numbers[0], numbers[4_999_999], numbers[-1]) == (0.0, 4_999_999.0, 9_999_999.0)
    assert float(array_.sum()) == 9_999_999 * 5_000_000
    assert numpy.shares_memory(array_, numpy.asarray(numbers))


def test_buffers_become_slices(faces: Symbols) -> None:
    assert faces.Sum(array.array("d", [1, 2, 3.5])) == 6.5
    assert faces.Sum(array.array("f", [1, 2, 3.5])) == 6.5
    assert faces.Sum(array.array("i", [1, 2])) == 3
    grown, _ = faces.Append(array.array("q", [1, 2]), 3)
    assert list(grown) == [1, 2, 3]
    with pytest.raises(OutOfRangeError, match=r"argument 1: \[1\]: expected int, got 92233720368"):
        faces.Append(array.array("Q", [1, 2**63]))
    faces.Grid = memoryview(array.array("i", range(6))).cast("B").cast("i", (2, 3))
    assert faces.Print(faces.Grid) == "[[0 1 2] [3 4 5]]"
    faces.Grid = [[1, 2, 3], [4, 5, 6]]


def test_byte_slices(faces: Symbols) -> None:
    buffer = faces.plugin.make("[]byte", 4)
    assert faces.Fill(buffer, 7) == 4
    assert list(buffer) == [7, 7, 7, 7]
    assert bytes(buffer.memoryview()) == b"\7\7\7\7"
    assert faces.Fill(b"abc", 1) == 3
    assert faces.Bytes == b"bytes"
    assert repr(buffer) == '[]uint8("\\a\\a\\a\\a")'


def test_numpy(faces: Symbols) -> None:
    numpy: Any = pytest.importorskip("numpy")
    faces.Floats = numpy.arange(1000.0)
    floats = numpy.asarray(faces.Floats)
    assert floats.sum() == faces.Sum(faces.Floats) == 499500
    floats *= 2
    assert faces.Sum(faces.Floats) == 999000
    assert numpy.asarray(faces.Grid).shape == (2, 3)
    assert numpy.asarray(faces.Complex).tolist() == [1 + 2j, 3]
    pixels = numpy.asarray(faces.Pixels)
    assert pixels["Alpha"].tolist() == [0.5, 1]
    pixels["R"] = 9
    assert faces.Pixels[0].R == 9
    assert faces.Sum(numpy.arange(10, dtype=numpy.float32)) == 45
    assert faces.Sum(numpy.arange(10.0)[::2]) == 20
    assert list(faces.Append(numpy.array([1, 2], dtype=numpy.int8), numpy.int64(3))[0]) == [1, 2, 3]
    assert numpy.asarray(faces.Names).tolist() == list(faces.Names)
