"""Heap, collector, stacks: what Go promises, under a limit of guest memory."""

from __future__ import annotations

from typing import Any

import pytest

from emuplugin import GoOutOfMemory, LimitExceeded, Limits, MemoryLimitExceeded
from emuplugin.build import NEWEST, resolve_version
from emuplugin.plugin import Plugin
from tests.conftest import Native
from tests.runtime.conftest import Open, has, run

CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("AllocTotal", (64 << 20, 1 << 12)),
    ("AllocTotal", (1 << 20, 40)),
    ("List", (20000,)),
    ("Maps", (2000,)),
    ("GC", (5,)),
    ("Finalizers", (100,)),
    ("Cleanups", (100,)),
    ("Weak", ()),
    ("Recurse", (10000,)),
    ("BigFrames", (300,)),
    ("GrowInGoroutines", (20, 2000)),
    ("Squares", ()),
]


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=[name for name, _ in CALLS])
def test_the_same_as_native(
    name: str, arguments: tuple[Any, ...], runtime: Plugin, go_version: str, native: Native
) -> None:
    if not has(runtime, name):
        pytest.skip(f"{name} came with a later Go")
    values = native("runtime", go_version).call(name, *arguments).values
    assert run(runtime, name, *arguments) == (values[0] if len(values) == 1 else values)


def test_ten_gigabytes_under_256_megabytes(open_runtime: Open, go_version: str) -> None:
    plugin = open_runtime(limits=Limits(memory=256 << 20))
    # The full sum once; a tenth of it for the other versions.
    total = 10 << 30 if go_version == resolve_version(NEWEST) else 1 << 30
    blocks = total >> 20
    # Every block but the last 16 adds its first and its last byte when it is dropped.
    expected = sum((i & 255) + (i >> 8 & 255) for i in range(blocks - 16))
    assert run(plugin, "AllocTotal", total, 1 << 20) == expected
    assert run(plugin, "NumGC") > 10
    assert run(plugin, "HeapAlloc") < 200 << 20


def test_a_million_frames(runtime: Plugin) -> None:
    assert run(runtime, "Recurse", 1_000_000) == 2_000_001
    assert run(runtime, "GC", 1) == 1
    assert run(runtime, "Recurse", 1000) == 2001


def test_the_heap_shrinks_again(runtime: Plugin) -> None:
    run(runtime, "List", 50000)
    run(runtime, "GC", 2)
    run(runtime, "FreeOSMemory")
    assert run(runtime, "HeapAlloc") < 16 << 20
    present = runtime.machine.program.process.space.present_pages
    run(runtime, "AllocTotal", 100 << 20, 10 << 20)
    run(runtime, "GC", 2)
    run(runtime, "FreeOSMemory")
    assert runtime.machine.program.process.space.present_pages < present + (64 << 20 >> 12)


def test_more_than_there_can_be(open_runtime: Open) -> None:
    plugin = open_runtime()
    with pytest.raises((GoOutOfMemory, MemoryLimitExceeded)):
        run(plugin, "OutOfMemory", 1 << 40)
    assert plugin.machine.state == "dead"


def test_the_memory_limit(open_runtime: Open) -> None:
    plugin = open_runtime(limits=Limits(memory=64 << 20))
    with pytest.raises((MemoryLimitExceeded, GoOutOfMemory)) as caught:
        run(plugin, "OutOfMemory", 200 << 20)
    if isinstance(caught.value, MemoryLimitExceeded):
        assert (caught.value.limit, caught.value.allowed) == ("memory", 64 << 20)
        assert caught.value.used <= 64 << 20
    assert plugin.machine.state == "dead"


def test_more_memory_makes_it_possible(open_runtime: Open) -> None:
    plugin = open_runtime(limits=Limits(memory=512 << 20))
    assert run(plugin, "OutOfMemory", 200 << 20) == 200 << 20


def test_a_limit_that_not_even_the_file_fits_in(open_runtime: Open) -> None:
    with pytest.raises((LimitExceeded, MemoryError, Exception)) as caught:
        open_runtime(limits=Limits(memory=1 << 20))
    assert type(caught.value).__module__.startswith("emuplugin")


@pytest.mark.parametrize(
    ("env", "name", "value"),
    [
        ({}, "GCPercent", 100),
        ({"GOGC": "37"}, "GCPercent", 37),
        ({"GOGC": "off"}, "GCPercent", -1),
        ({"GOGC": "nonsense"}, "GCPercent", 100),
        ({}, "MemoryLimit", (1 << 63) - 1),
        ({"GOMEMLIMIT": "100MiB"}, "MemoryLimit", 100 << 20),
        ({"GOMEMLIMIT": "12345678"}, "MemoryLimit", 12345678),
        ({"GOMEMLIMIT": "off"}, "MemoryLimit", (1 << 63) - 1),
        ({"GOMAXPROCS": "3"}, "MaxProcs", 3),
        ({"GOMAXPROCS": "-1"}, "MaxProcs", 1),
    ],
)
def test_settings_of_the_environment(
    env: dict[str, str], name: str, value: int, open_runtime: Open
) -> None:
    assert run(open_runtime(env=env), name) == value


def test_gogc_has_an_effect(open_runtime: Open) -> None:
    counts = {}
    for percent in ("20", "100", "off"):
        plugin = open_runtime(env={"GOGC": percent})
        run(plugin, "AllocTotal", 100 << 20, 1 << 16)
        counts[percent] = run(plugin, "NumGC")
    assert counts["20"] > counts["100"] > counts["off"] == 0


def test_gomemlimit_has_an_effect(open_runtime: Open) -> None:
    plugin = open_runtime(env={"GOGC": "off", "GOMEMLIMIT": "40MiB"})
    run(plugin, "AllocTotal", 200 << 20, 1 << 16)
    assert run(plugin, "NumGC") > 0


def test_a_malformed_memory_limit(open_runtime: Open) -> None:
    with pytest.raises(Exception, match="GOMEMLIMIT") as caught:
        open_runtime(env={"GOMEMLIMIT": "much"})
    assert type(caught.value).__module__ == "emuplugin.errors"
