"""Trace itself: bounds, callbacks, files, repeated runs, and when it cannot be taken."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import emuplugin
from emuplugin.tracing import Trace
from emuplugin.tracing.events import Call, Event, Instruction, Output
from tests.conftest import PluginPath
from tests.support.garbage import nothing_collected
from tests.tracing.support import quiet


def test_default(go_version: str, plugin_path: PluginPath) -> None:
    taken = emuplugin.trace(plugin_path("traced", go_version), "Print", "x", sandbox=quiet())
    kinds = {event.kind for event in taken}
    assert kinds >= {"syscall", "call", "return", "goroutine created", "output"}
    assert taken.what == {
        "syscalls": True, "calls": True, "goroutines": True, "panics": True, "output": True,
    }  # fmt: skip
    assert taken.go_version == f"go{go_version}"
    assert taken.plugins == (str(plugin_path("traced", go_version)),)
    assert (taken.result, taken.error) == (None, None)
    assert repr(taken).startswith("<Trace of ")
    assert list(taken) == taken.events == taken[:]
    assert len(taken) == len(taken.events)
    assert [event.text for event in taken.of(Output)] == ["x\n", "to stderr: x\n"]


def test_unknown_observers() -> None:
    with pytest.raises(TypeError, match="no observer named 'sycalls'; there are syscalls, calls"):
        emuplugin.trace("x.so", sycalls=True)
    for wrong in ({"profile": -1}, {"profile": True}, {"limit": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            emuplugin.Machine().trace(**wrong)


def test_limit(go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version)
    whole = emuplugin.trace(plugin, "Fib", 8, calls=True)
    part = emuplugin.trace(plugin, "Fib", 8, calls=True, limit=10)
    assert part.events == whole.events[:10]
    assert part.dropped == len(whole) - 10
    assert part.result == whole.result == 21
    assert "dropped" in repr(part)


def test_on_event(go_version: str, plugin_path: PluginPath) -> None:
    seen: list[Event] = []
    plugin = plugin_path("traced", go_version)
    taken = emuplugin.trace(plugin, "Add", 1, 2, calls=True, on_event=seen.append)
    assert seen == taken.events


def test_on_event_raises(go_version: str, plugin_path: PluginPath) -> None:
    """It ends the call, and the error is raised as it is."""

    def complain(event: Event) -> None:
        if isinstance(event, Call) and event.function == "main.add":
            raise ValueError("enough")

    with emuplugin.Machine() as machine:
        add = machine.open(plugin_path("traced", go_version)).lookup("Add")
        with (
            pytest.raises(ValueError, match="enough"),
            machine.trace(calls=True, on_event=complain) as taken,
        ):
            add(1, 2)
        assert len(taken) == 2
        assert machine.state == "dead"


def test_interrupt(go_version: str, plugin_path: PluginPath) -> None:
    """Ctrl-C while an observer works is no other than Ctrl-C."""

    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    with emuplugin.Machine() as machine:
        opened = machine.open(plugin_path("traced", go_version))
        with (
            pytest.raises(KeyboardInterrupt),
            machine.trace(calls="main.fib", on_event=interrupt),
        ):
            opened.lookup("Fib")(30)


@pytest.mark.parametrize(
    "what", [{"calls": "main.fib"}, {"instructions": "main.fib"}, {"watch": "Counter"},
             {"profile": 500_000}]
)  # fmt: skip
def test_ctrl_c(what: dict[str, Any], go_version: str, plugin_path: PluginPath) -> None:
    """The call ends, and the machine goes on; not always, on a host that is too busy to let the
    plugin panic in time."""
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        pytest.skip("signals come to the main thread")
    path = plugin_path("traced", go_version)
    assert any(_goes_on_after_ctrl_c(path, what) for _ in range(5))


def _goes_on_after_ctrl_c(path: Path, what: dict[str, Any]) -> bool:
    with emuplugin.Machine() as machine:
        fib = machine.open(path).lookup("Fib")
        timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
        with nothing_collected(), machine.trace(**what, limit=10):
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                fib(60)
        timer.join()
        if machine.state != "running":
            return False
        assert fib(10) == 55
        return True


def test_not_inside_a_call(go_version: str, plugin_path: PluginPath) -> None:
    with emuplugin.Machine() as machine:
        later = machine.open(plugin_path("callbacks", go_version)).lookup("CallLater")
        errors = []

        def begin() -> None:
            try:
                machine.trace(gc=True).start()
            except emuplugin.BusyError as error:
                errors.append(str(error))

        later(begin, 1)
        machine.run_goroutines(1)
        assert errors == ["a trace cannot begin inside a call into its machine"]


def test_one_at_a_time(go_version: str, plugin_path: PluginPath) -> None:
    with emuplugin.Machine() as machine:
        machine.open(plugin_path("add", go_version))
        with machine.trace(gc=True), pytest.raises(emuplugin.BusyError, match="traced already"):
            machine.trace(gc=True).start()
        trace = machine.trace(gc=True)
        with trace:
            pass
        with pytest.raises(emuplugin.BusyError, match="started once"):
            trace.start()


def test_after_the_machine(go_version: str, plugin_path: PluginPath) -> None:
    """A trace ends with its machine's life; it can be looked at afterwards."""
    machine = emuplugin.Machine()
    add = machine.open(plugin_path("traced", go_version)).lookup("Add")
    taken = machine.trace(calls=True, blocks=True).start()
    add(1, 2)
    machine.close()
    add = None
    taken.stop()
    assert len(taken) == 4
    assert "main.add" in taken.coverage.functions()
    assert taken.functions.frame(taken.of(Call)[0].pc).function == "main.Add"
    with pytest.raises(emuplugin.ClosedError):
        machine.trace(calls=True).start()


def test_reset_ends_a_trace(go_version: str, plugin_path: PluginPath) -> None:
    with emuplugin.Machine() as machine:
        plugin = machine.open(plugin_path("traced", go_version))
        with machine.trace(calls=True) as taken:
            plugin.lookup("Add")(1, 2)
            machine.reset()
            assert plugin.lookup("Add")(1, 2) == 3
        assert len(taken) == 4


def test_nothing_left_behind(go_version: str, plugin_path: PluginPath) -> None:
    """Afterwards no hook is there, and nobody is told anything."""
    with emuplugin.Machine() as machine:
        opened = machine.open(plugin_path("traced", go_version))
        kernel = machine.program.process.kernel
        before = kernel.engine.on_syscall
        with machine.trace(calls=True, watch="Counter", profile=100, syscalls=True) as taken:
            opened.lookup("Bump")(1)
        assert kernel.engine.on_syscall == before
        assert kernel.threads.on_wake is None
        assert machine.life.recorder is None
        count, samples = len(taken), len(taken.samples)
        opened.lookup("Bump")(1)
        assert (len(taken), len(taken.samples)) == (count, samples)


def test_file_is_written_meanwhile(
    go_version: str, plugin_path: PluginPath, tmp_path: Path
) -> None:
    from emuplugin.tracing.formats.json_lines import read

    file = tmp_path / "trace.jsonl"
    taken = emuplugin.trace(
        plugin_path("traced", go_version), "Recover", 1, calls=True, panics=True, file=file
    )
    assert list(read(file)) == taken.events


def test_other_files_at_the_end(go_version: str, plugin_path: PluginPath, tmp_path: Path) -> None:
    plugin = plugin_path("traced", go_version)
    emuplugin.trace(plugin, "Fib", 5, file=tmp_path / "trace.json")
    assert (tmp_path / "trace.json").stat().st_size > 1000
    with pytest.raises(emuplugin.ConfigurationError, match="names no format"):
        emuplugin.trace(plugin, "Fib", 5, file=tmp_path / "trace.xyz")
    assert not (tmp_path / "trace.xyz").exists()


def test_rerun(go_version: str, plugin_path: PluginPath) -> None:
    taken = emuplugin.trace(plugin_path("traced", go_version), "Fib", 9, calls=True)
    again = taken.rerun(instructions="main.fib")
    assert isinstance(again, Trace)
    assert again.result == taken.result
    assert again.ended == taken.ended
    assert [event for event in again if not isinstance(event, Instruction)] == taken.events
    assert len(again.of(Instruction)) > 109 * 5
    assert again.rerun().events == again.events


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"clock": "host"}, "clock is the host's"),
        ({"seed": None}, "randomness is the host's"),
        ({"network": emuplugin.Network(connect=("*:*",))}, "network"),
    ],
)
def test_what_does_not_repeat(
    changes: dict[str, Any], reason: str, go_version: str, plugin_path: PluginPath
) -> None:
    taken = emuplugin.trace(
        plugin_path("add", go_version), "Add", 1, 2, sandbox=quiet(**changes), gc=True
    )
    with pytest.raises(emuplugin.ConfigurationError, match=reason):
        taken.rerun(calls=True)


def test_with_block_does_not_repeat(go_version: str, plugin_path: PluginPath) -> None:
    with emuplugin.Machine() as machine:
        machine.open(plugin_path("hello", go_version))
        with machine.trace() as taken:
            pass
    with pytest.raises(emuplugin.ConfigurationError, match=r"emuplugin\.trace"):
        taken.rerun()


def test_errors_of_the_plugin_and_others(go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version)
    assert isinstance(emuplugin.trace(plugin, "Fail", 1, panics=True).error, emuplugin.GoPanic)
    assert isinstance(emuplugin.trace(plugin, "Mixed", gc=True).error, emuplugin.GoError)
    failed = emuplugin.trace(plugin_path("initpanic", go_version), panics=True)
    assert isinstance(failed.error, emuplugin.InitError)
    assert len(failed) >= 1
    with pytest.raises(emuplugin.SymbolNotFoundError):
        emuplugin.trace(plugin, "Missing")
    with pytest.raises(emuplugin.OpenError):
        emuplugin.trace("no such file.so", "F")
    with pytest.raises(emuplugin.ConversionError):
        emuplugin.trace(plugin, "Fib", "text")


def test_isolated(go_version: str, plugin_path: PluginPath) -> None:
    with (
        emuplugin.Machine(isolate="process") as machine,
        pytest.raises(emuplugin.IsolationError, match="without isolate"),
    ):
        machine.trace()
