"""The clock that the guest reads by itself, against the kernel's."""

from __future__ import annotations

from collections.abc import Iterator

import capstone
import pytest

from emuplugin import Machine, Sandbox
from emuplugin.plugin import Plugin
from emuplugin.runtime_shims import vdso
from emuplugin.runtime_shims.kernel.clock import SECOND, TICK
from tests.conftest import PluginPath

CLOCK_GETTIME = 228
EPOCHS = (0.0, 1_000_000_000.25, -1_000_000_000.0, 4e9)
_PLACEHOLDERS = {"realtime": 0x1122334455667788, "second": SECOND}


@pytest.fixture(params=EPOCHS)
def plugin(
    request: pytest.FixtureRequest, plugin_path: PluginPath, go_version: str
) -> Iterator[Plugin]:
    with Machine(Sandbox(epoch=request.param)) as machine:
        yield machine.open(plugin_path("signals", go_version))


def _kernel_time(plugin: Plugin, clock: int) -> int:
    buffer = plugin["Buffer"]()
    assert plugin["Call"](CLOCK_GETTIME, clock, buffer, 0, 0, 0, 0)[1] == 0
    memory = plugin.machine.memory
    return memory.read_u64(buffer) * SECOND + memory.read_u64(buffer + 8)


def test_both_tell_the_same_time(plugin: Plugin) -> None:
    """Readings of either come between readings of the other, and only tens of microseconds
    (thousands of instructions) apart."""
    if plugin.machine.sandbox.epoch < 0:
        pytest.skip("the kernel's answer is signed there; Go asks it")
    readings = []
    for _ in range(5):
        readings += [plugin["Now"](), _kernel_time(plugin, 0)]
    assert readings == sorted(readings)
    assert readings[-1] - readings[0] < SECOND // 100
    start = plugin.machine.sandbox.epoch * SECOND
    assert start < readings[0] < start + 2 * SECOND


def test_dates_before_1970(plugin_path: PluginPath, go_version: str) -> None:
    with Machine(Sandbox(epoch=-1e9)) as machine:
        plugin = machine.open(plugin_path("signals", go_version))
        assert -1e9 < plugin["Now"]() / SECOND < -1e9 + 2


def test_reading_it_is_no_system_call(plugin: Plugin) -> None:
    """Unless the processor cannot tell the time: then each reading is one."""
    machine = plugin.machine
    native = machine.program.process.kernel.clock.in_guest
    plugin["Now"]()
    calls = machine.program.process.kernel.calls
    before = calls["clock_gettime"]
    for _ in range(10):
        plugin["Now"]()
    made = calls["clock_gettime"] - before
    assert made == 0 if native else made >= 10
    assert native == (machine.sandbox.epoch >= 0) or not machine.program.process.engine.stops.exact


def test_time_moves_with_each_reading(plugin: Plugin) -> None:
    stops = plugin.machine.program.process.engine.stops
    passed = stops.passed
    plugin["Now"]()
    assert stops.passed - passed >= TICK


def test_a_sleep_of_three_hundred_years(plugin_path: PluginPath, go_version: str) -> None:
    """Longer than the time-stamp counter can tell: the kernel answers from then on."""
    with Machine(Sandbox(epoch=0.0)) as machine:
        plugin = machine.open(plugin_path("signals", go_version))
        machine.program.process.kernel.clock.slept(10**19)
        buffer = plugin["Buffer"]()
        assert plugin["Call"](CLOCK_GETTIME, 1, buffer, 0, 0, 0, 0)[1] == 0
        assert machine.memory.read_u64(buffer) >= 10**10


def test_the_listing_says_what_the_code_does() -> None:
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    code = vdso.clock_gettime(_PLACEHOLDERS["realtime"])
    said = []
    for line in vdso._LISTING.strip().splitlines():
        offset, _, text = line.split("|")[1].strip().partition("  ")
        for name, value in _PLACEHOLDERS.items():
            text = text.replace(f", {name}", f", {value:#x}")
        said.append((int(offset, 16), text))
    found = [(i.address, f"{i.mnemonic} {i.op_str}".strip()) for i in disassembler.disasm(code, 0)]
    assert found == said
