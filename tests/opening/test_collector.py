"""Python's collector of cycles while many objects are made."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import emuplugin
from emuplugin.collector import still
from tests.conftest import PluginPath


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Nothing is frozen at first, and whatever a test does to the collector is undone."""
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()
    gc.collect()
    gc.freeze()


def test_nothing_is_collected_meanwhile() -> None:
    before = [stats["collections"] for stats in gc.get_stats()]
    with still(for_good=True):
        assert not gc.isenabled()
        made: list[list[int]] = [[] for _ in range(100_000)]
    assert gc.isenabled()
    made.append([])
    # Nor at once afterwards: what was made is old.
    assert [stats["collections"] for stats in gc.get_stats()] == before


def test_who_has_switched_it_off_keeps_it_off() -> None:
    gc.disable()
    with still():
        pass
    assert not gc.isenabled()


def test_an_error_switches_it_on() -> None:
    with pytest.raises(LookupError), still():
        raise LookupError
    assert gc.isenabled()


def test_what_the_program_has_frozen_stays_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with still(for_good=True):
        made: list[list[int]] = [[] for _ in range(1000)]
    # Some of them may have gone since, by their counts.
    assert frozen // 2 < gc.get_freeze_count() <= frozen
    assert made


def test_garbage_from_before_goes_later() -> None:
    class Cycle:
        gone = 0

        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            Cycle.gone += 1

    Cycle()
    with still(for_good=True):
        Cycle()
    gc.collect()
    assert Cycle.gone == 2


def open_in_a_machine(path: Path) -> emuplugin.Plugin:
    return emuplugin.Machine().open(path)


def open_by_itself(path: Path) -> emuplugin.Plugin:
    return emuplugin.open(path, emuplugin.Sandbox())


@pytest.mark.parametrize("way", [open_in_a_machine, open_by_itself, emuplugin.open])
def test_machines_that_are_dropped_go(
    plugin_path: PluginPath, go_version: str, way: Callable[[Path], emuplugin.Plugin]
) -> None:
    path = plugin_path("add", go_version)
    counts = []
    for _ in range(3):
        for _ in range(30):
            way(path).close()
        counts.append(len(gc.get_objects()))
    # The collector comes by itself: not all ninety are there still.
    assert counts[2] - counts[0] < 30_000
