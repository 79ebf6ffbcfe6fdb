"""The machine code in front of hooks: what the listings say, and hooks themselves."""

from __future__ import annotations

import capstone
import pytest

import emuplugin
from emuplugin.cpu import code_counts, mark_filter
from emuplugin.cpu import registers as reg
from emuplugin.cpu.hooks import FEW, Hooks, clusters
from emuplugin.cpu.listing import assemble
from tests.conftest import PluginPath


@pytest.mark.parametrize(
    "listing", [mark_filter.UNIX, mark_filter.WINDOWS, code_counts.UNIX, code_counts.WINDOWS]
)
def test_listings_say_what_the_code_does(listing: str) -> None:
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    code = assemble(listing, 0, {}, {})
    found = [f"{i.mnemonic} {i.op_str}".strip() for i in disassembler.disasm(code, 0)]
    said = [line.split("|")[1].strip() for line in listing.splitlines() if "|" in line]
    assert found == said
    assert all(len(line.split("|")[0].strip()) % 2 == 0 for line in listing.splitlines())


def test_clusters() -> None:
    assert clusters([1, 5, 9]) == [(1, 10)]
    assert clusters([1, 100_000]) == [(1, 2), (100_000, 100_001)]
    many = clusters([number * 10_000 for number in range(1000)])
    assert len(many) <= 33
    assert many[0][0] == 0
    assert many[-1][1] == 9_990_001


@pytest.mark.parametrize("marked", [False, True], ids=["few", "filter"])
def test_points_are_reached(marked: bool, go_version: str, plugin_path: PluginPath) -> None:
    """Both ways to watch places tell of the same moments, and nothing else."""
    with emuplugin.Machine() as machine:
        opened = machine.open(plugin_path("traced", go_version))
        fib = opened.lookup("Fib")
        entry = machine.symbol(f"{opened.plugin_path}.Fib")
        assert entry is not None
        engine = machine.program.process.engine
        rip = engine.batch(reg.RIP)
        seen: list[int] = []
        hooks = Hooks(engine)
        ranges = [(entry - 64, entry + 64)] if marked else None
        points = hooks.points([entry], lambda: seen.append(rip.load()[0]), ranges)
        hooks.attach()
        fib(3)
        fib(3)
        assert seen == [entry, entry]
        if marked:
            inside = entry + 4  # in the prologue, behind its first instruction
            points.add(inside)
            points.add(entry + 10_000)  # not in the range: nothing happens
            fib(3)
            assert seen[2:] == [entry, inside]
        hooks.detach()
        fib(3)
        assert len(seen) == (4 if marked else 2)


def test_many_points_go_through_a_filter(go_version: str, plugin_path: PluginPath) -> None:
    with emuplugin.Machine() as machine:
        opened = machine.open(plugin_path("traced", go_version))
        engine = machine.program.process.engine
        entries = [function.entry for function in opened.module.pclntab][: FEW + 10]
        before = machine.instructions
        opened.lookup("Fib")(5)
        plain = machine.instructions - before
        hooks = Hooks(engine)
        hooks.points(entries, lambda: None)
        hooks.attach()
        before = machine.instructions
        opened.lookup("Fib")(5)
        assert machine.instructions - before == plain
        hooks.detach()


def test_accesses_are_told_before_they_happen(go_version: str, plugin_path: PluginPath) -> None:
    with emuplugin.Machine() as machine:
        opened = machine.open(plugin_path("traced", go_version))
        counter, bump = opened.lookup("Counter"), opened.lookup("Bump")
        at = machine.memory.physical(counter.address, 8)
        seen: list[tuple[bool, int, int, int, int]] = []

        def accessed(write: bool, address: int, size: int, value: int) -> None:
            seen.append((write, address - at, size, value, counter.value))

        hooks = Hooks(machine.program.process.engine)
        hooks.accesses(at, at + 8, accessed)
        hooks.attach()
        bump(4)
        hooks.detach()
        bump(1)
        assert seen == [(False, 0, 8, 0, 5), (True, 0, 8, 9, 5), (False, 0, 8, 0, 9)]


def test_what_an_observer_raises_ends_the_run(go_version: str, plugin_path: PluginPath) -> None:
    class Enough(Exception):
        """Nobody else's."""

    def complain() -> None:
        raise Enough

    with emuplugin.Machine() as machine:
        opened = machine.open(plugin_path("traced", go_version))
        entry = machine.symbol(f"{opened.plugin_path}.Fib")
        assert entry is not None
        hooks = Hooks(machine.program.process.engine)
        hooks.at([entry], complain)
        hooks.attach()
        with pytest.raises(Enough):
            opened.lookup("Fib")(3)
        hooks.detach()
        assert machine.state == "dead"
