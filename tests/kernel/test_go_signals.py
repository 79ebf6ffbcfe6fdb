"""Signals and timers of a Go plugin, as they are natively, and sent from Python."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from emuplugin import Limits, Machine, Sandbox
from emuplugin.errors import (
    DeadMachineError,
    EmupluginError,
    GoFatal,
    Interrupted,
    TimeLimitExceeded,
)
from emuplugin.plugin import Plugin
from tests.conftest import Native, PluginPath
from tests.oracle.same_calls import check
from tests.support.garbage import nothing_collected
from tests.values.symbols import func_of

Clock = Literal["virtual", "host"]
Open = Callable[..., tuple[Machine, Plugin]]


@pytest.fixture(params=["virtual", "host"])
def clock(request: pytest.FixtureRequest) -> Clock:
    kind: Clock = request.param
    return kind


@pytest.fixture
def open_signals(plugin_path: PluginPath, go_version: str) -> Iterator[Open]:
    machines = []

    def open_it(**settings: Any) -> tuple[Machine, Plugin]:
        settings.setdefault("limits", Limits(memory=256 << 20, seconds=60))
        machines.append(Machine(Sandbox(**settings)))
        return machines[-1], machines[-1].open(plugin_path("signals", go_version))

    yield open_it
    for machine in machines:
        machine.close()


def run(plugin: Plugin, name: str, *arguments: object) -> Any:
    return func_of(plugin, name)(*arguments)


def later(action: Callable[[], object], seconds: float = 0.1) -> threading.Timer:
    """Do something in another thread while a call runs."""
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


SAME = (
    ("NotifySelf", 10, 3), ("NotifySelf", 1, 2), ("NotifySelf", 35, 2), ("SignalByProcess",),
    ("Cancelled",), ("Ignored",), ("IgnoredByDefault",), ("Faults",), ("SigPending",), ("SigFile",),
    ("Order", [600, 200, 400]), ("Ticks", 3, 5), ("Stopped",), ("Deadline", 20), ("Interval", 3),
    ("PosixTimer", 3), ("TimerFile",), ("PILock", 4, 50), ("PIErrors",), ("Requeue", 4),
    ("WakeOp",), ("Robust",), ("Restarted", 3), ("Interrupted",), ("Kill", 99_999_999, 0),
    ("Kill", 0, 0), ("Kill", 1, 99),
)  # fmt: skip


@pytest.mark.parametrize("call", SAME, ids=lambda call: f"{call[0]}{call[1:]}")
def test_what_go_does_natively(
    call: tuple[Any, ...], clock: Clock, open_signals: Open, native: Native, go_version: str
) -> None:
    _, plugin = open_signals(clock=clock)
    check(plugin, native("signals", go_version), *call)


def test_the_virtual_clock_does_not_wait(open_signals: Open) -> None:
    _, plugin = open_signals(epoch=1_000_000_000.0)
    enough, passed = run(plugin, "Sleep", 3_600_000)
    assert enough
    assert 3600 * 10**9 <= passed < 3601 * 10**9
    assert 1_000_003_600 <= run(plugin, "Now") / 1e9 < 1_000_003_610
    # The same again is the same to the nanosecond.
    _, again = open_signals(epoch=1_000_000_000.0)
    assert run(again, "Sleep", 3_600_000) == (enough, passed)


def test_the_host_clock_is_the_hosts(open_signals: Open) -> None:
    import time

    _, plugin = open_signals(clock="host", epoch=0.0)
    before = time.time_ns()
    now = run(plugin, "Now")
    assert before <= now <= time.time_ns()
    start = time.monotonic()
    enough, passed = run(plugin, "Sleep", 60)
    assert enough
    assert 60e6 <= passed <= (time.monotonic() - start) * 1e9


def test_a_cpu_profile_shows_who_worked(clock: Clock, open_signals: Open) -> None:
    _, plugin = open_signals(clock=clock)
    assert run(plugin, "Profile", 20) is True


@pytest.mark.parametrize(
    ("number", "error", "text"),
    [
        (signal.SIGTERM, GoFatal, "killed by SIGTERM"),
        (signal.SIGINT, GoFatal, "killed by SIGINT"),
        (9, GoFatal, "killed by SIGKILL"),
        (19, GoFatal, "killed by SIGSTOP"),
        (3, GoFatal, "SIGQUIT: quit"),  # with a traceback of all goroutines
    ],
)
def test_signals_that_end_the_process(
    number: int, error: type[EmupluginError], text: str, open_signals: Open
) -> None:
    machine, plugin = open_signals()
    with pytest.raises(error, match=text):
        run(plugin, "Die", int(number))
    assert machine.state == "dead"


@pytest.mark.parametrize("number", [10, 17, 20, 28])
def test_signals_that_end_nothing(number: int, open_signals: Open) -> None:
    _, plugin = open_signals()
    run(plugin, "Die", number)


# --- from Python --------------------------------------------------------------------------------


def test_a_call_that_waits_for_a_signal(clock: Clock, open_signals: Open) -> None:
    machine, plugin = open_signals(clock=clock)
    timer = later(lambda: machine.send_signal("SIGINT"))
    assert run(plugin, "WaitFor", 2) == "interrupt"
    timer.join()
    timer = later(lambda: machine.send_signal(35))
    assert run(plugin, "WaitFor", 35) == "signal 35"
    timer.join()


def test_a_call_that_works_meanwhile(clock: Clock, open_signals: Open) -> None:
    machine, plugin = open_signals(clock=clock)
    run(plugin, "Listen", 10)
    timers = [later(lambda: machine.send_signal("SIGUSR1"), 0.1 * count) for count in (1, 2)]
    assert run(plugin, "Spin", 2) == 2
    for timer in timers:
        timer.join()


def test_signals_between_calls(clock: Clock, open_signals: Open) -> None:
    machine, plugin = open_signals(clock=clock)
    run(plugin, "Listen", 10)
    for count in range(1, 4):
        machine.send_signal("SIGUSR1")
        machine.run_goroutines()
        assert run(plugin, "Received") == count


def test_a_signal_that_nobody_handles(open_signals: Open) -> None:
    machine, plugin = open_signals()
    machine.send_signal("SIGWINCH")
    assert run(plugin, "Received") == 0
    machine.send_signal("SIGTERM")
    assert machine.state == "dead"
    with pytest.raises(DeadMachineError, match="killed by SIGTERM"):
        run(plugin, "Received")
    machine, plugin = open_signals()
    timer = later(lambda: machine.send_signal("SIGTERM"))
    with pytest.raises(GoFatal, match="killed by SIGTERM"):
        run(plugin, "Spin", 1)
    timer.join()


def test_stopping_and_continuing(open_signals: Open) -> None:
    machine, plugin = open_signals()
    run(plugin, "Listen", 10)

    def send() -> None:
        for name in ("SIGSTOP", "SIGUSR1", "SIGCONT"):
            machine.send_signal(name)

    timer = later(send)
    assert run(plugin, "Spin", 1) == 1
    timer.join()


def test_names_of_signals(open_signals: Open) -> None:
    machine, _ = open_signals()
    for wrong in ("SIGNONE", "INT", 0, 65, -1):
        with pytest.raises(ValueError, match="is no signal of Linux"):
            machine.send_signal(wrong)
    machine.send_signal(signal.SIGINT.value)
    assert machine.state == "dead"


# --- sleeps that end early ----------------------------------------------------------------------


def test_a_sleep_ends_with_the_limit(open_signals: Open) -> None:
    _, plugin = open_signals(clock="host", limits=Limits(memory=256 << 20, seconds=4))
    with pytest.raises(TimeLimitExceeded) as caught:
        run(plugin, "Sleep", 60_000)
    assert caught.value.used < 50
    _, plugin = open_signals(limits=Limits(memory=256 << 20, seconds=4))
    with pytest.raises(TimeLimitExceeded):
        run(plugin, "WaitFor", 2)


@pytest.mark.parametrize("call", [("Sleep", 60_000), ("WaitFor", 2)])
def test_a_sleep_can_be_interrupted(call: tuple[Any, ...], open_signals: Open) -> None:
    machine, plugin = open_signals(clock="host")
    timer = later(machine.interrupt)
    with pytest.raises(Interrupted):
        run(plugin, *call)
    timer.join()


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there")
def test_control_c_ends_a_sleep(open_signals: Open) -> None:
    _, plugin = open_signals(clock="host")
    with nothing_collected():
        timer = later(lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            run(plugin, "Sleep", 60_000)
        timer.join()


# --- processes ----------------------------------------------------------------------------------


def test_programs_are_not_run(open_signals: Open) -> None:
    machine, plugin = open_signals()
    _, error = func_of(plugin, "Run").results("/bin/sh", ["-c", "true"])
    assert error.message == "fork/exec /bin/sh: operation not permitted"
    assert run(plugin, "Received") == 0  # nothing else happened
    processes = machine.life.program.process.kernel.report.processes.counts
    assert [name for name, _ in processes] == ["clone"]
    call = func_of(plugin, "Call")
    buffer = run(plugin, "Buffer")
    machine.life.memory.write(buffer, b"/bin/sh\0")
    assert call(59, buffer, 0, 0, 0, 0, 0)[1] == 1  # execve: EPERM
    assert ("execve", "/bin/sh") in processes


def test_who_the_process_is(open_signals: Open) -> None:
    _, plugin = open_signals()
    assert run(plugin, "Identity") == (2, 1000, 1000, 1, True)


def test_a_deadlock_is_one_until_signals_are_asked_for(open_signals: Open) -> None:
    machine, plugin = open_signals()
    assert machine.life.program.signalling.awaited() is False
    run(plugin, "Listen", 10)
    assert machine.life.program.signalling.awaited() is True
