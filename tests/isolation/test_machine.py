"""Isolated machines as machines: their beginning, their end, and what they say of themselves."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import emuplugin
from emuplugin import (
    ClosedError,
    ConfigurationError,
    IsolationError,
    Limits,
    Machine,
    Network,
    Sandbox,
    WorkerDied,
)
from emuplugin.isolation.machine import IsolatedMachine
from tests.conftest import PluginPath
from tests.values.symbols import Symbols


@pytest.fixture(autouse=True, scope="module")
def isolated() -> None:
    """Machines here are what they are said to be."""


@pytest.fixture
def path(plugin_path: PluginPath, go_version: str) -> Path:
    return plugin_path("hello", go_version)


def test_how_to_ask_for_it(path: Path) -> None:
    with Machine(isolate="process") as machine:
        assert isinstance(machine, IsolatedMachine)
        assert machine.isolation.kind == "process"
        assert machine.isolation.pid not in (0, os.getpid())
        assert machine.open(path) is machine.open(path)
    plugin = emuplugin.open(path, isolate="process")
    assert isinstance(plugin, emuplugin.Plugin)
    assert isinstance(plugin.machine, IsolatedMachine)
    plugin.close()
    with Machine() as machine:
        assert (type(machine), machine.isolation.kind) == (Machine, "none")
    with pytest.raises(ValueError, match="must be 'process' or None"):
        Machine(isolate="thread")  # type: ignore[arg-type]


def test_symbols_are_of_the_public_classes(path: Path) -> None:
    with emuplugin.open(path, isolate="process").machine as machine:
        (plugin,) = machine.plugins
        assert isinstance(plugin["V"], emuplugin.Variable)
        assert isinstance(plugin["F"], emuplugin.Function)
        assert dict(plugin.exports) == {"F": "func()", "V": "int"}
        assert plugin["F"] is plugin["F"]
        assert plugin.build_info.settings["-buildmode"] == "plugin"
        assert plugin.init_trace[0].package
        assert plugin.relocations["R_X86_64_TPOFF64"] == 1
        assert "int" in plugin.types
        assert repr(plugin["V"].go_type).startswith("<GoType int at 0x")


def test_streams_files_and_report(path: Path) -> None:
    out = io.StringIO()
    with Machine(Sandbox(stdout=out, files={"/etc/given": "x"}), isolate="process") as machine:
        plugin = machine.open(path)
        plugin["V"].value = 7
        plugin["F"]()
        assert out.getvalue() == "Hello, number 7\n"
        machine.files["/tmp/out"].write_text("text")
        assert machine.files["/tmp/out"].read_text() == "text"
        assert machine.files["/tmp/out"].stat().size == 4
        assert machine.files["/etc/given"].read_bytes() == b"x"
        assert "/tmp/out" in [str(entry) for entry in machine.files["/tmp"].iterdir()]
        with pytest.raises(FileNotFoundError, match="/tmp/none"):
            machine.files["/tmp/none"].read_bytes()
        assert machine.report.output_bytes == 16
        calls = machine.report.syscalls["write"]
    assert machine.report.syscalls["write"] == calls
    assert machine.instructions > 0


def test_what_is_not_in_this_process(path: Path) -> None:
    with Machine(isolate="process") as machine:
        machine.open(path)
        for name in ("memory", "program", "context"):
            with pytest.raises(IsolationError, match="in another process"):
                getattr(machine, name)
        with pytest.raises(IsolationError):
            machine.symbol("runtime.main")


def test_closed(plugin_path: PluginPath, go_version: str) -> None:
    machine = Machine(isolate="process")
    go = Symbols(machine.open(plugin_path("values_any", go_version, stripped=True)))
    values: list[Any] = [
        go.Tally, go.Tally.value, go.Sum, go.Points, go.Mixed, go.MakeAdder(1), go.Tally.Add,
        go.Stream, go.plugin.type("chan int"), go.plugin["Heat"], go.plugin["Heat"].go_type,
        go.plugin.types, go.plugin, machine,
    ]  # fmt: skip
    machine.close()
    machine.close()
    for value in values:
        assert repr(value)[0] in "<(", value
        if hasattr(type(value), "_repr_html_"):
            assert "<code>" in value._repr_html_()
    assert repr(values[1]) == "<Go main.Counter of a closed machine>"
    assert repr(values[9]) == "<Go var Heat of a closed machine>"
    assert machine.state == "closed"
    uses: tuple[Callable[[], object], ...] = (
        lambda: values[0].Add,
        lambda: go.plugin["Heat"],
        lambda: values[9].value,
        lambda: values[5](1),
    )
    for use in uses:
        with pytest.raises(ClosedError):
            use()
    with pytest.raises(ClosedError):
        machine.open(go.plugin.path)


def test_the_next_machine_works(path: Path) -> None:
    machine = Machine(isolate="process")
    plugin = machine.open(path)
    os.kill(machine.isolation.pid, 9)
    with pytest.raises(WorkerDied):
        plugin["F"]()
    assert machine.report == emuplugin.Machine().report
    with pytest.raises(emuplugin.DeadMachineError, match="killed by SIGKILL"):
        machine.open(path)
    machine.close()
    with Machine(isolate="process") as other:
        assert other.open(path)["V"].value == 0


def test_values_of_other_machines(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("values_lifetime", go_version)
    with Machine() as near, Machine(isolate="process") as far:
        here, there = Symbols(near.open(path)), Symbols(far.open(path))
        for target, value in ((here, there.Tracked(1)), (there, here.Tracked(1))):
            with pytest.raises(emuplugin.ConversionError):
                target.Holder = {"Data": value}


def test_handlers_cannot_be_there() -> None:
    with pytest.raises(ConfigurationError, match=r"network\.handler"):
        Machine(Sandbox(network=Network(handler=print)), isolate="process")


def test_no_worker_is_left(path: Path) -> None:
    code = (
        "import emuplugin, sys; m = emuplugin.Machine(isolate='process'); m.open(sys.argv[1]);"
        "print(m.isolation.pid)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert found.stderr == ""
    pid = int(found.stdout)
    deadline = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # Where nobody takes note of its end it stays as a zombie.
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_limits_in_there(path: Path) -> None:
    with (
        Machine(Sandbox(limits=Limits(output=5)), isolate="process") as machine,
        pytest.raises(emuplugin.OutputLimitExceeded) as caught,
    ):
        machine.open(path)["F"]()
    assert (caught.value.limit, caught.value.allowed) == ("output", 5)
