"""The runtime's own data, spoilt: emuplugin reads some of them."""

from __future__ import annotations

import pytest

from emuplugin import EmupluginError
from tests.hostile.conftest import Attack, Hostile, limits

BAD = (0, 0x1234_5670_0000, (1 << 64) - 8)
G = ("m", "stack.lo", "stack.hi", "stackguard0", "_panic", "_defer", "goid", "stktopsp", "sched.sp")
M = ("curg", "p", "g0", "gsignal")
GLOBALS = (
    "firstmoduledata", "modulesSlice", "allgs", "allm", "allp", "sched", "mheap_", "allglen",
    "itabTable", "writeBarrier", "runningPanicDefers", "m0", "gcController", "work",
    "lastmoduledatap",
)  # fmt: skip


def use(attack: Attack) -> None:
    """Whatever comes of it: a value, or an error of emuplugin's."""
    for call in (
        ("Sane", 3, 4), ("Environment",), ("Cyclic",), ("PanicBad",), ("LongError", 3),
        ("MakeHuge", 1 << 20),
    ):  # fmt: skip
        if attack.machine.state != "running":
            break
        attack.ends(*call)
    try:
        attack.machine.run_goroutines()
        attack.plugin["VarString"].value = "text" * 1000
        repr(attack.plugin.exports)
    except EmupluginError:
        pass
    assert attack.machine.report
    assert repr(attack.machine)
    if attack.machine.state == "running":
        attack.machine.reset()
    attack.again()


@pytest.mark.parametrize("field", G)
def test_the_goroutine(hostile: Hostile, field: str) -> None:
    attack = hostile(limits=limits(seconds=2.0))
    offset = attack.program.runtime.layout.offset("runtime.g", field) if attack.plugin else 0
    for value in BAD:
        attack.ends("PokeWord", attack.program.caller.g + offset, value)
        use(attack)


@pytest.mark.parametrize("field", M)
def test_the_thread(hostile: Hostile, field: str) -> None:
    attack = hostile(limits=limits(seconds=2.0))
    layout = attack.program.runtime.layout if attack.plugin else None
    assert layout is not None
    for value in BAD:
        m = attack.call("PeekWord", attack.call("Goroutine") + layout.offset("runtime.g", "m"))
        attack.ends("PokeWord", m + layout.offset("runtime.m", field), value)
        use(attack)


@pytest.mark.parametrize("name", GLOBALS)
def test_variables(hostile: Hostile, name: str) -> None:
    attack = hostile(limits=limits(seconds=2.0))
    address = attack.program.symbol(f"runtime.{name}") if attack.plugin else 0
    if address is None:
        pytest.skip("this version has no such variable, or not in this program")
    for content in (bytes(256), b"\xff" * 256, (0x4_0000_0000).to_bytes(8, "little") * 32):
        attack.ends("Poke", address, content)
        use(attack)
