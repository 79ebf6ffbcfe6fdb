"""What ends a machine: exit, fatal errors, deadlock, limits; each its own class, and dead after."""

from __future__ import annotations

import io
from typing import Any

import pytest

import emuplugin
from emuplugin import (
    DeadMachineError,
    GoDeadlock,
    GoExit,
    GoFatal,
    GoroutinePanic,
    GoStackOverflow,
    Limits,
    OutputLimitExceeded,
    TimeLimitExceeded,
)
from emuplugin.plugin import Plugin
from tests.conftest import PluginPath
from tests.runtime.conftest import Open, run
from tests.support.oracle import NativeExit, NativePlugin, can_run_natively

SLEEP = "fatal error: all goroutines are asleep - deadlock!"
FATAL: list[tuple[str, tuple[Any, ...], type[GoFatal], str]] = [
    ("Deadlock", (), GoDeadlock, SLEEP),
    ("DeadlockAll", (3,), GoDeadlock, SLEEP),
    ("PanicElsewhere", ("string",), GoroutinePanic, "panic: plain text"),
    ("PanicElsewhere", ("custom error",), GoroutinePanic, "panic: "),
    ("PanicElsewhere", ("nil read",), GoroutinePanic, "panic: runtime error: invalid memory"),
    ("ConcurrentMapWrites", (), GoFatal, "fatal error: concurrent map writes"),
    ("Unlock", (), GoFatal, "fatal error: sync: unlock of unlocked mutex"),
    ("Fault", (0xDEAD0000,), GoFatal, "fatal error: fault"),
    ("PanicUnprintable", (), GoFatal, "fatal error: panic while printing panic value"),
]


def is_dead(plugin: Plugin, cause: BaseException) -> None:
    """The machine says so wherever it is touched, and why."""
    assert plugin.machine.state == "dead"
    for attempt in (
        lambda: run(plugin, "Version"),
        lambda: plugin.lookup("Inits"),
        lambda: plugin.machine.open(plugin.path),
    ):
        with pytest.raises(DeadMachineError, match="dead") as caught:
            attempt()
        assert caught.value.__cause__ is cause
    plugin.close()
    with pytest.raises(emuplugin.ClosedError):
        run(plugin, "Version")


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "start"), FATAL, ids=[f"{n}{a}" for n, a, _, _ in FATAL]
)
def test_fatal_errors(
    name: str, arguments: tuple[Any, ...], kind: type[GoFatal], start: str, open_runtime: Open
) -> None:
    out, err = io.BytesIO(), io.BytesIO()
    plugin = open_runtime(stdout=out, stderr=err)
    with pytest.raises(GoFatal) as caught:
        run(plugin, name, *arguments)
    assert type(caught.value) is kind
    assert caught.value.message.startswith(start)
    assert start in str(caught.value)
    assert f"example.com/runtime.{name}" in caught.value.text
    assert "fatal.go:" in caught.value.text
    assert out.getvalue() == b""
    is_dead(plugin, caught.value)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("PanicElsewhere", ("string",)),
        ("PanicElsewhere", ("replaced",)),
        ("ConcurrentMapWrites", ()),
        ("Unlock", ()),
    ],
)
def test_the_text_is_that_of_go(
    name: str,
    arguments: tuple[Any, ...],
    open_runtime: Open,
    plugin_path: PluginPath,
    go_version: str,
) -> None:
    if not can_run_natively():
        pytest.skip("Go's package plugin needs Linux on x86-64")
    with pytest.raises(NativeExit) as native:
        NativePlugin(plugin_path("runtime", go_version), go_version).call(name, *arguments)
    with pytest.raises(GoFatal) as caught:
        run(open_runtime(), name, *arguments)
    # Behind the first empty line come tracebacks, in which numbers and callers differ.
    head = native.value.stderr.decode().split("\n\n")[0]
    assert caught.value.text.split("\n\n")[0] == head


@pytest.mark.parametrize(("name", "code"), [("Exit", 0), ("Exit", 3), ("ExitElsewhere", 255)])
def test_exit(name: str, code: int, open_runtime: Open) -> None:
    plugin = open_runtime()
    with pytest.raises(GoExit) as caught:
        run(plugin, name, code)
    assert caught.value.code == code
    assert str(code) in str(caught.value)
    is_dead(plugin, caught.value)


def test_a_stack_overflow(open_runtime: Open) -> None:
    plugin = open_runtime(stderr=io.BytesIO())
    with pytest.raises(GoStackOverflow) as caught:
        run(plugin, "StackOverflow")
    assert caught.value.message == "fatal error: stack overflow"
    assert "example.com/runtime.overflow" in caught.value.text
    assert "frames elided" in caught.value.text
    is_dead(plugin, caught.value)


def test_tracebacks_can_be_longer(open_runtime: Open) -> None:
    texts = {}
    for level in ("none", "single", "all", "system"):
        with pytest.raises(GoFatal) as caught:
            run(open_runtime(env={"GOTRACEBACK": level}), "PanicElsewhere", "string")
        texts[level] = caught.value.text
    assert "goroutine" not in texts["none"]
    assert texts["single"].count("\ngoroutine ") == 1 < texts["all"].count("\ngoroutine ")
    assert "runtime.gopanic" in texts["system"] or "panic.go" in texts["system"]


def test_the_time_limit(open_runtime: Open) -> None:
    plugin = open_runtime(limits=Limits(seconds=2))
    assert run(plugin, "PingPong", 10) == 10  # each call has the whole time
    with pytest.raises(TimeLimitExceeded) as caught:
        run(plugin, "Hang")
    assert (caught.value.limit, caught.value.allowed) == ("seconds", 2)
    assert caught.value.used >= 2
    is_dead(plugin, caught.value)


def test_virtual_time_does_not_count(open_runtime: Open) -> None:
    plugin = open_runtime(limits=Limits(seconds=5))
    assert run(plugin, "Sleep", 10**15) is True


def test_the_output_limit(open_runtime: Open) -> None:
    out = io.BytesIO()
    plugin = open_runtime(limits=Limits(output=10), stdout=out)
    run(plugin, "Print", "12345")
    run(plugin, "Print", "67890")
    with pytest.raises(OutputLimitExceeded) as caught:
        run(plugin, "Print", "!")
    assert out.getvalue() == b"1234567890"
    assert (caught.value.limit, caught.value.allowed) == ("output", 10)
    is_dead(plugin, caught.value)


def test_the_thread_limit(open_runtime: Open) -> None:
    plugin = open_runtime(limits=Limits(threads=2), stderr=io.BytesIO())
    with pytest.raises(GoFatal, match="newosproc"):
        run(plugin, "Locked", 8)
    assert plugin.machine.state == "dead"


def test_one_machines_death_is_its_own(open_runtime: Open) -> None:
    first, second = open_runtime(), open_runtime()
    with pytest.raises(GoExit):
        run(first, "Exit", 1)
    assert run(second, "Goroutines", 10) == 45
    assert emuplugin.open(second.path).machine is not first.machine
