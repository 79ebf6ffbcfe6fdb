"""Maps: written and read from Python and from Go, with and without the runtime's help."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import emuplugin
from emuplugin.build import resolve_version
from emuplugin.errors import ChangedError, ConversionError, GoPanic, OutOfRangeError
from tests.conftest import PluginPath
from tests.values.symbols import Symbols


@pytest.fixture(scope="module")
def go(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/values_maps: all functions of the runtime are there."""
    with closing(emuplugin.open(plugin_path("values_maps", go_version))) as plugin:
        yield Symbols(plugin)


@pytest.fixture(scope="module")
def reader(go_version: str, plugin_path: PluginPath) -> Iterator[Symbols]:
    """fixtures/values_readonly, stripped: nothing that writes maps is there."""
    path = plugin_path("values_readonly", go_version, stripped=True)
    with closing(emuplugin.open(path)) as plugin:
        assert plugin.machine.symbol("runtime.mapassign") is None
        yield Symbols(plugin)


def test_writing(go: Symbols) -> None:
    ages = go.Ages
    ages["eve"] = 5
    assert go.Get(ages, "eve") == (5, True)
    go.Put(ages, "dan", 7)
    assert ages["dan"] == 7
    ages["eve"] += 1
    del ages["bob"]
    assert go.Get(go.Ages, "bob") == (0, False)
    assert ages.pop("ann") == 30
    assert dict(ages) == {"eve": 6, "dan": 7}
    assert ages == {"eve": 6, "dan": 7}
    assert ages != {"eve": 6, "dan": 8}
    ages.update({"x": 1}, y=2)
    assert go.Total(ages) == 16
    assert ages.setdefault("x", 9) == 1
    with pytest.raises(KeyError):
        del ages["nobody"]
    ages.clear()
    assert len(go.Ages) == 0
    assert repr(ages) == "map[string]int{}"


def test_a_dict_becomes_a_map(go: Symbols) -> None:
    words = {f"word {number}": number for number in range(3000)}
    assert go.Total(words) == sum(words.values())
    assert go.Same(words, words)
    go.Nothing = words
    assert go.Nothing == words
    go.Nothing = None
    assert go.Nothing is None
    go.Holder.Counts = {"a": 1}
    go.Holder.Counts["b"] = 2
    assert go.Print(go.Holder) == "{map[a:1 b:2]}"
    go.Many = [{1: 1}, {2: 4, 3: 9}]
    assert go.Print(go.Many) == "[map[1:1] map[2:4 3:9]]"
    go.Nested = {"x": {"y": ["z"], "n": None}}
    assert go.Print(go.Nested) == "map[x:map[n:[] y:[z]]]"


def test_keys_of_every_design(go: Symbols) -> None:
    go.Points[{"X": 5, "Y": 6}] = {"X": 7, "Y": 8}
    assert go.Print(go.Points) == "map[{1 2}:{3 4} {5 6}:{7 8}]"
    key = next(iter(go.Points))
    assert go.Points[key].X in (3, 7)
    go.Pairs[3, 4] = "three four"
    assert go.Pairs[[3, 4]] == "three four"
    assert go.Print(go.Pairs) == "map[[1 2]:one two [3 4]:three four]"
    go.Anys[2.5] = go.Points
    go.Anys[True] = None
    assert go.Anys[2.5].type == "map[main.Point]main.Point"
    assert list(go.Sorted({1: "a", "b": 2.5})) == ["int 1:string a", "string b:float64 2.5"]
    go.Bytes.update({number: number % 2 == 0 for number in range(256)})
    assert sum(go.Bytes.values()) == 128
    assert go.Bytes.get(300) is None
    go.Words[-1] = {"X": 1}
    assert go.Words[-1].X == 1
    go.Shapes[go.Words[-1]] = "named"
    assert go.Shapes[go.Words[-1]] == "named"
    go.Set["a"] = {}
    assert "a" in go.Set
    assert "b" not in go.Set


def test_large_keys_and_elements_lie_elsewhere(go: Symbols) -> None:
    for number in range(50):
        go.Wide[[number, *[0] * 39]] = [*[0] * 39, number * number]
    assert go.WideAt(7) == 49
    assert len(go.Wide) == 50
    del go.Wide[[7, *[0] * 39]]
    assert go.WideAt(7) == 0


def in_order(entries: dict[Any, Any], show: Any = str) -> str:
    """A map as ``fmt`` prints it."""
    return f"map[{' '.join(f'{show(key)}:{entries[key]}' for key in sorted(entries))}]"


def test_many_entries_at_once(go: Symbols) -> None:
    """More than one call of the guest takes, into maps that have to grow, over what is there."""
    go.Ages.clear()
    for step in (1, 3):
        go.Ages.update({f"{number}": number // step for number in range(0, 9000, step)})
    ages = {f"{number}": number // (1 if number % 3 else 3) for number in range(9000)}
    assert go.Print(go.Ages) == in_order(ages)
    assert len(go.Ages) == 9000
    go.Points = {}
    points = [({"X": x, "Y": y}, {"X": y, "Y": x}) for x in range(60) for y in range(60)]
    go.Points.update(points)
    pairs = " ".join(f"{{{x} {y}}}:{{{y} {x}}}" for x in range(60) for y in range(60))
    assert go.Print(go.Points) == f"map[{pairs}]"
    go.Anys.clear()
    go.Anys.update({number / 2 + 0.25: str(number) for number in range(3000)})
    assert go.Print(go.Anys) == in_order({n / 2 + 0.25: n for n in range(3000)})
    go.Wide.clear()
    wide = {(number, *[0] * 39): (*[0] * 39, -number) for number in range(500)}
    go.Wide.update(wide)
    assert emuplugin.to_python(go.Wide) == {key: list(elem) for key, elem in wide.items()}
    assert [go.WideAt(number) for number in (1, 499, 500)] == [-1, -499, 0]
    go.Set.update({f"{number}": {} for number in range(2000)})
    assert len(go.Set) >= 2000
    assert {f"{number}" for number in range(2000)} <= set(go.Set)
    go.Bytes = {number: number % 2 == 0 for number in range(256)}
    assert go.Print(go.Bytes) == in_order({n: str(n % 2 == 0).lower() for n in range(256)})
    go.Words = {number: {"X": number} for number in range(-3000, 3000)}
    assert all(number == go.Words[number].X for number in range(-3000, 3000))
    go.Many[1] = None
    go.Many[0] = {number << 40: number for number in range(-2000, 2000)}
    assert go.Print(go.Many) == f"[{in_order({n << 40: n for n in range(-2000, 2000)})} map[]]"
    go.Floats.update((math.nan, number) for number in range(2000))
    assert len(go.Floats) == 2000
    assert sum(go.Floats.values()) == sum(range(2000))
    go.Floats.clear()


def test_a_panic_among_many_entries(go: Symbols) -> None:
    go.Anys.clear()
    keys: list[Any] = [*range(10), b"bytes", *range(20, 30)]
    with pytest.raises(GoPanic, match="hash of unhashable type"):
        go.Anys.update((key, None) for key in keys)
    assert go.Print(go.Anys) == in_order(dict.fromkeys(range(10), "<nil>"))


def test_nan(go: Symbols) -> None:
    floats = go.Floats
    floats.clear()
    floats[math.nan] = 1
    floats[math.nan] = 2
    go.AddNaN(3)
    assert len(floats) == 3
    assert math.nan not in floats
    assert sorted(floats.values()) == [1, 2, 3]
    with pytest.raises(KeyError):
        del floats[math.nan]
    floats[-0.0] = 4
    assert floats[0.0] == 4
    floats.clear()
    assert len(floats) == 0


def test_refusals(go: Symbols) -> None:
    with pytest.raises(ConversionError, match=r"^map\[string\]int: \['a'\]: expected int, got str"):
        go.Ages["a"] = "x"
    with pytest.raises(ConversionError, match=r"\[key 5\]: expected string, got int"):
        go.Ages[5] = 1
    with pytest.raises(OutOfRangeError, match=r"argument 1: \['a'\]: expected int, got 9223372"):
        go.Total({"a": 2**63})
    with pytest.raises(ConversionError, match=r"argument 1: expected map\[string\]int, got list"):
        go.Total([1])
    assert "a" not in go.Ages
    with pytest.raises(GoPanic, match="hash of unhashable type"):
        go.Anys[b"bytes"] = 1
    assert go.Total({"fine": 1}) == 1


def test_a_change_ends_iteration(go: Symbols) -> None:
    go.Ages.update({f"{number}": number for number in range(20)})
    keys = iter(go.Ages)
    del go.Ages[next(keys)]
    with pytest.raises(RuntimeError, match=r"map\[string\]int changed during iteration"):
        next(keys)
    keys = iter(go.Ages)
    go.Put(go.Ages, next(keys) + "+", 1)
    with pytest.raises(ChangedError):
        next(keys)


def exercise(sum_of: Any, has: Any, map_: Any, rounds: int, seed: int) -> None:
    """Random changes of a map and of a dict, which must stay equal, for Go too."""
    draw = random.Random(seed)
    mirror: dict[str, int] = dict(map_)
    for _ in range(rounds):
        key = f"{draw.randrange(rounds // 2)}"
        if draw.random() < 0.7:
            map_[key] = mirror[key] = draw.randrange(1000)
        else:
            assert (map_.pop(key, None)) == mirror.pop(key, None)
        assert has(map_, key) == (key in mirror) == (key in map_)
    assert len(map_) == len(mirror)
    assert dict(map_) == mirror
    assert sum_of(map_) == sum(len(key) * value for key, value in mirror.items())


@pytest.mark.parametrize("size", [0, 7, 100, 3000])
def test_writing_by_hand(reader: Symbols, size: int) -> None:
    start = {f"{number}": number for number in range(size)}
    assert reader.Sum(start) == sum(len(key) * value for key, value in start.items())
    map_ = reader.plugin.make("map[string]int")
    map_.update(start)
    exercise(reader.Sum, reader.Has, map_, 600, size)
    map_.clear()
    assert (len(map_), reader.Sum(map_)) == (0, 0)
    map_["a"] = 1
    assert reader.Sum(map_) == 1


def test_pointers_and_large_entries_by_hand(reader: Symbols) -> None:
    squares = {number: number * number for number in range(0, 1000, 7)}
    pointers = {key: reader.plugin.make("*int64", value) for key, value in squares.items()}
    for key in range(100):
        assert reader.Squares(pointers, key) == squares.get(key, -1)
    wide = {(number, *[0] * 39): [*[0] * 39, -number] for number in range(30)}
    assert [reader.Wide(wide, number) for number in range(31)] == [*range(0, -30, -1), 0]
    triples: Any = {(number, 0, 1): {} for number in range(200)}
    assert reader.Len(triples) == 200
    assert reader.HasTriple(triples, 199, 0, 1)
    assert not reader.HasTriple(triples, 200, 0, 1)


@pytest.mark.parametrize("version", ["1.24", "1.25"])
def test_without_swiss_maps(version: str, plugin_path: PluginPath) -> None:
    env = {"GOEXPERIMENT": "noswissmap"}
    path = plugin_path("values_maps", resolve_version(version), env=env)
    with closing(emuplugin.open(path)) as plugin:
        maps = Symbols(plugin)
        assert not maps.Ages._codec.context.types.map_layout.swiss
        test_writing(maps)
        test_a_dict_becomes_a_map(maps)
        test_keys_of_every_design(maps)
        test_large_keys_and_elements_lie_elsewhere(maps)
        test_many_entries_at_once(maps)
        test_nan(maps)
    path = plugin_path("values_readonly", resolve_version(version), env=env)
    with closing(emuplugin.open(path)) as plugin:
        test_writing_by_hand(Symbols(plugin), 100)
        test_pointers_and_large_entries_by_hand(Symbols(plugin))
