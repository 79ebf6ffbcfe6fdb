"""Panics that leave a called function: value, type and traceback as Go has them, and life after."""

from __future__ import annotations

import re

import pytest

from emuplugin import Goexit, GoPanic
from emuplugin.plugin import Plugin
from tests.conftest import Native
from tests.runtime.conftest import Open, run
from tests.support.oracle import NativePanic

TRIGGERS = """
string|text|error|wrapped|custom error|stringer|struct|pointer|int|uint8|float|complex|bool
named string|named int|named float|slice value|nil|nil read|nil write|nil far|nil func|nil method
nil receiver|nil map|divide|divide int8|remainder|index|negative index|string index|slice
slice past end|slice three|array from|assertion|assertion nil|missing method|closed send
closed close|nil close|make negative|make channel|shift|unhashable|uncomparable|deferred|replaced
deep
""".replace("\n", "|").strip("|").split("|")  # fmt: skip

# Values of these kinds Go prints as the address of the data, which differs from run to run.
ADDRESSES = {"struct", "pointer", "slice value"}
# The emulator prints as the runtime does when nobody recovers, the oracle as package fmt does.
PRINTED = {
    "float": "+1.500000e+000",
    "complex": "(+1.000000e+000+2.000000e+000i)",
    "named string": 'main.customString("named")',
    "named int": "main.customInt(-5)",
    "named float": "main.customFloat(+2.500000e-001)",
}
FRAME = re.compile(r"^(example\.com/runtime\.[^\n]*?)\([^()\n]*\)\n\t[^\n]*/(\w+\.go:\d+)", re.M)


def test_all_triggers_are_listed(runtime: Plugin) -> None:
    assert sorted(run(runtime, "Triggers").split("\n")) == sorted(TRIGGERS)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_value_type_and_traceback(
    trigger: str, runtime: Plugin, go_version: str, native: Native
) -> None:
    with pytest.raises(NativePanic) as expected:
        native("runtime", go_version).call("Panic", trigger)
    with pytest.raises(GoPanic) as caught:
        run(runtime, "Panic", trigger)
    panic = caught.value
    assert panic.type == expected.value.type
    if trigger in ADDRESSES:
        assert re.fullmatch(rf"\({re.escape(panic.type)}\) 0x[0-9a-f]+", panic.value)
    else:
        assert panic.value == PRINTED.get(trigger, expected.value.text)
    assert str(panic) == f"panic: {panic.value}\n\n{panic.traceback}"
    frames = FRAME.findall(panic.traceback)
    assert frames[:40] == FRAME.findall(expected.value.stack)[:40]
    assert frames
    assert panic.traceback.startswith("goroutine ")
    if trigger != "deep":
        assert frames[-1][0] == "example.com/runtime.Panic"


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_recover_in_go(trigger: str, runtime: Plugin, go_version: str, native: Native) -> None:
    expected = native("runtime", go_version).call("Recover", trigger).values
    assert run(runtime, "Recover", trigger) == expected


def test_an_unknown_trigger(runtime: Plugin) -> None:
    with pytest.raises(GoPanic, match="no trigger named häßlich") as caught:
        run(runtime, "Panic", "häßlich")
    assert caught.value.type == "string"


def test_the_plugin_is_usable_afterwards(runtime: Plugin) -> None:
    before = run(runtime, "NumGoroutine")
    for trigger in ("string", "nil read", "deep", "index"):
        with pytest.raises(GoPanic):
            run(runtime, "Panic", trigger)
        assert run(runtime, "GC", 1) == 1
        assert run(runtime, "Goroutines", 50) == 1225
        assert run(runtime, "Recurse", 5000) == 10001
        assert run(runtime, "Defers", 3) == "inner:nested;2,1,0,|outer"
    assert run(runtime, "NumGoroutine") <= before


def test_thousands_of_panics_leak_nothing(runtime: Plugin) -> None:
    def panic(times: int) -> None:
        for number in range(times):
            with pytest.raises(GoPanic):
                run(runtime, "Panic", ("string", "nil read", "custom error", "deep")[number % 4])

    def used() -> tuple[int, int, int]:
        run(runtime, "GC", 2)
        program = runtime.machine.program
        pages = program.process.space.present_pages
        return run(runtime, "HeapAlloc"), len(program.roots), pages

    panic(200)
    heap, roots, pages = used()
    panic(2000)
    later = used()
    assert later[0] < heap + 100_000
    assert later[1] <= roots + 1
    assert later[2] <= pages + 64


def test_recovered_in_go(runtime: Plugin) -> None:
    assert run(runtime, "Recovered", 1000) == 1000


def test_goexit(runtime: Plugin) -> None:
    for _ in range(100):
        with pytest.raises(Goexit) as caught:
            run(runtime, "Goexit")
    assert "example.com/runtime.Goexit" in caught.value.traceback
    assert "panics.go:" in caught.value.traceback
    assert run(runtime, "GoexitElsewhere") == "recover gives <nil>"
    assert run(runtime, "GC", 1) == 1


def test_faults_at_other_addresses(runtime: Plugin, go_version: str, native: Native) -> None:
    for address in (0xDEAD0000, 4096, 0x4_0000_0000_0000):
        expected = native("runtime", go_version).call("FaultRecovered", address).value
        assert run(runtime, "FaultRecovered", address) == expected


def test_gos_own_setting_for_nil(open_runtime: Open) -> None:
    plugin = open_runtime(env={"GODEBUG": "panicnil=1"})
    assert run(plugin, "Recover", "nil") == ("<nil>", "<nil>", False)


def test_positions(runtime: Plugin, go_version: str, native: Native) -> None:
    assert run(runtime, "Where") == native("runtime", go_version).call("Where").value
