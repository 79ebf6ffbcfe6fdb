"""A run that is traced is the same run: results, output, instructions, and who runs when."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any, cast

import pytest

import emuplugin
from emuplugin.cpu.host_code import HostCodeError
from emuplugin.cpu.mark_filter import MarkFilter
from emuplugin.tracing.events import GoroutineRuns
from tests.conftest import PluginPath

_CALLS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("Add", (2, 3)),
    ("Fib", (11,)),
    ("Mixed", ()),
    ("Methods", ()),
    ("Deep", (20,)),
    ("Recover", (3,)),
    ("Fail", (2,)),
    ("Index", (9,)),
    ("Exit", ()),
    ("Workers", (3,)),
    ("Leave", (3,)),
    ("Sleep", (5,)),
    ("Allocate", (50,)),
    ("Collect", ()),
    ("Bump", (3,)),
    ("Print", ("hé",)),
    ("Write", ("/tmp/x",)),
    ("Spin", (100_000,)),
)
_OBSERVERS: dict[str, dict[str, Any]] = {
    "syscalls": {"syscalls": True},
    "calls": {"calls": True},
    "calls of a package": {"calls": ["strings", "errors.*"]},
    "goroutines": {"goroutines": True},
    "allocations": {"allocations": True},
    "gc": {"gc": True},
    "panics": {"panics": True},
    "inits": {"inits": True},
    "output": {"output": True},
    "instructions": {"instructions": ["main.add", "main.fib", "main.work"]},
    "watch": {"watch": ["Counter", "Totals"]},
    "blocks": {"blocks": True},
    "profile": {"profile": 1000},
    "default": {},
}


def _run(plugin: Path, what: dict[str, Any] | None) -> tuple[list[object], bytes, bytes]:
    """Results with the instructions after each call, and output."""
    out, err = io.BytesIO(), io.BytesIO()
    box = emuplugin.Sandbox(stdout=cast(IO[bytes], out), stderr=cast(IO[bytes], err))
    log: list[object] = []

    def calls(machine: emuplugin.Machine) -> None:
        opened = machine.open(plugin)
        log.append(machine.instructions)
        for name, arguments in _CALLS:
            try:
                result: object = opened.lookup(name)(*arguments)
            except emuplugin.EmupluginError as error:
                result = repr(error)
            log.append((name, repr(result), machine.instructions))

    with emuplugin.Machine(box) as machine:
        if what is None:
            calls(machine)
        else:
            with machine.trace(**what) as taken:
                calls(machine)
            assert taken.began == 0
            assert taken.ended == machine.instructions
        log.append(machine.instructions)
    return log, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("observer", _OBSERVERS)
@pytest.mark.parametrize("stripped", [False, True], ids=["dwarf", "stripped"])
def test_same_run(observer: str, stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    assert _run(plugin, _OBSERVERS[observer]) == _run(plugin, None)


def test_same_schedule(go_version: str, plugin_path: PluginPath) -> None:
    """Goroutines race with preemption, timers and maps: their order is in the result."""
    plugin = plugin_path("determinism", go_version)
    with emuplugin.Machine() as machine:
        expected = machine.open(plugin).lookup("Race")(3)
        instructions = machine.instructions
    for what in ({"profile": 100_000}, {"goroutines": True, "calls": "sync.*"}):
        taken = emuplugin.trace(plugin, "Race", 3, **what)
        assert (taken.result, taken.ended) == (expected, instructions)
    assert len({event.goroutine for event in taken.of(GoroutineRuns)}) > 3


def test_without_code_of_ours(
    go_version: str, plugin_path: PluginPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On hosts that run no machine code of ours Python filters and counts."""
    plugin = plugin_path("traced", go_version)
    expected = emuplugin.trace(plugin, "Fib", 8, sandbox=emuplugin.Sandbox(), calls=True)
    blocks = emuplugin.trace(plugin, "Fib", 8, blocks=True).coverage

    def refuse(self: MarkFilter, start: int, end: int, target: int) -> None:
        raise HostCodeError("refused")

    monkeypatch.setattr(MarkFilter, "__init__", refuse)
    monkeypatch.setattr("emuplugin.cpu.code_counts.is_supported", lambda: False)
    assert emuplugin.trace(plugin, "Fib", 8, calls=True).events == expected.events
    assert dict(emuplugin.trace(plugin, "Fib", 8, blocks=True).coverage) == dict(blocks)
