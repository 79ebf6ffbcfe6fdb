"""What the host runs of the standard library, against Python's, and against the emulator alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from emuplugin import InstructionLimitExceeded, Limits, Machine, Sandbox, trace
from emuplugin.cpu.counted_stops import CountedStops
from tests.conftest import PluginPath

SIZES = (*range(200), *range(200, 4096, 97), 4095, 4096, 4097, 65536, 100_001)
#: Versions whose SHA-256 is a function that Go's compiler makes; before, it is assembly.
COMPILED = ("1.25", "1.26", "1.27")


class Pair:
    """A plugin in two machines: in the second nothing but the emulator runs it."""

    def __init__(self, plugin_path: PluginPath, go_version: str) -> None:
        path = plugin_path("accelerated", go_version)
        self.machines = [Machine(Sandbox(accelerators=on)) for on in (True, False)]
        self.plugins = [machine.open(path) for machine in self.machines]

    def call(self, name: str, *arguments: Any) -> Any:
        """The result, when it is the same in both, after as many instructions."""
        first, second = (
            (plugin[name](*arguments), machine.instructions)
            for plugin, machine in zip(self.plugins, self.machines, strict=True)
        )
        assert first == second
        return first[0]

    @property
    def ran_on_the_host(self) -> list[bool]:
        """In which of them accelerators have run since this was asked last."""
        found = []
        for machine in self.machines:
            stops = machine.program.process.engine.stops
            if not isinstance(stops, CountedStops) or not stops._accelerators:
                pytest.skip("no accelerators on this host")
            found.append(stops._cells.known and stops._cells.iterations > 0)
            stops._cells.iterations = 0
        return found


@pytest.fixture(scope="module")
def pair(plugin_path: PluginPath, go_version: str) -> Iterator[Pair]:
    found = Pair(plugin_path, go_version)
    yield found
    for machine in found.machines:
        machine.close()


def test_sha256_of_all_sizes(pair: Pair) -> None:
    content = Random(1).randbytes(max(SIZES))
    for size in SIZES:
        message = content[:size]
        assert pair.call("Sha256", message) == hashlib.sha256(message).digest()


def test_sha256_in_pieces(pair: Pair) -> None:
    """From any address on, in pieces of any size."""
    random = Random(2)
    content = random.randbytes(20_000)
    for size in (1, 63, 64, 65, 128, 1000, 4096, 4100, 9999):
        skip = random.randrange(4100)
        expected = hashlib.sha256(content[skip:]).digest()
        assert pair.call("Pieces", content, skip, size) == expected


def test_long_integers(pair: Pair) -> None:
    random = Random(3)
    for bits in (64, 128, 700, 4096, 5000, 40_000):
        a, b = random.getrandbits(bits) | 1 << bits, random.getrandbits(bits // 2 + 1) | 1
        results = pair.call("Calculate", f"{a:x}", f"{b:x}")
        expected = (a * b + a, a * b - b, (a * b - b) // a)
        assert [int(text, 16) for text in results] == list(expected)


def test_moving_and_clearing(pair: Pair) -> None:
    random = Random(4)
    content = random.randbytes(50_000)
    for size in (0, 1, 8, 255, 256, 257, 512, 2047, 2048, 2049, 4096, 10_000, 20_001):
        for _ in range(4):
            start, to, clear = (random.randrange(len(content) - size) for _ in range(3))
            expected = bytearray(content)
            expected[to : to + size] = content[start : start + size]
            expected[clear : clear + size] = bytes(size)
            assert pair.call("Move", content, start, to, clear, size) == bytes(expected)


def test_it_is_the_host_that_runs_them(pair: Pair, go_version: str) -> None:
    big = f"{3**900:x}"
    calls: tuple[tuple[Any, ...], ...] = (("Move", bytes(20_000), 0, 8192, 0, 8192),)
    if go_version.startswith(COMPILED):
        calls += (("Sha256", bytes(2000)),)
    if go_version.startswith(COMPILED[1:]):
        calls += (("Calculate", big, big),)
    for call in calls:
        for _ in range(2):  # pages that were not touched are the emulator's
            _ = pair.ran_on_the_host
            pair.call(*call)
        assert pair.ran_on_the_host == [True, False]


def test_a_budget_ends_at_the_same_place(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("accelerated", go_version)
    for budget in (20_000_000, 20_012_345, 31_000_001):
        ends = []
        for on in (True, False):
            limits = Limits(instructions=budget)
            with Machine(Sandbox(accelerators=on, limits=limits)) as machine:
                plugin = machine.open(path)
                plugin["Sha256"](bytes(100))
                with pytest.raises(InstructionLimitExceeded) as caught:
                    plugin["Pieces"](bytes(10_000_000), 0, 4000)
                ends.append((str(caught.value), machine.instructions))
        assert ends[0] == ends[1]


def test_a_traced_run_is_the_same(plugin_path: PluginPath, go_version: str) -> None:
    """Observers see the instructions, which the host has not run then."""
    path = plugin_path("accelerated", go_version)
    message = bytes(range(250)) * 20
    plain = trace(path, "Sha256", message)
    seen = trace(path, "Sha256", message, instructions="crypto/...", blocks=True)
    alone = trace(path, "Sha256", message, sandbox=Sandbox(accelerators=False))
    assert plain.result == seen.result == alone.result == hashlib.sha256(message).digest()
    assert plain.ended - plain.began == seen.ended - seen.began == alone.ended - alone.began
