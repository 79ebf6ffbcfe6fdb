"""asyncio, threads, goroutines between calls, and interrupted calls."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from emuplugin import DeadMachineError, GoPanic, Limits, Machine, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import PluginPath
from tests.runtime.conftest import run
from tests.support.garbage import nothing_collected
from tests.values.symbols import Symbols, func_of


@pytest.fixture
def plugin(plugin_path: PluginPath, go_version: str) -> Iterator[Plugin]:
    with Machine(Sandbox(limits=Limits(memory=256 << 20, seconds=60))) as machine:
        yield machine.open(plugin_path("callbacks", go_version))


@pytest.fixture
def go(plugin: Plugin) -> Symbols:
    return Symbols(plugin)


# --- asyncio and threads ------------------------------------------------------------------------


def test_await_calls(go: Symbols) -> None:
    async def main() -> Any:
        return await asyncio.gather(*(go.Double.call_async(n) for n in range(20)))

    assert asyncio.run(main()) == [2 * n for n in range(20)]


def test_the_event_loop_goes_on_during_a_call(go: Symbols) -> None:
    async def main() -> int:
        call = asyncio.create_task(go.Garbage.call_async(3000))
        turns = 0
        while not call.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert await call == 300_000_000
        return turns

    assert asyncio.run(main()) > 5


def test_exceptions_of_awaited_calls(go: Symbols) -> None:
    async def main() -> None:
        with pytest.raises(GoPanic, match="oops"):
            await go.Panic.call_async("oops")
        with pytest.raises(ZeroDivisionError):
            await go.Apply.call_async(lambda a, b: a // b, 1, 0)
        with pytest.raises(TypeError, match="takes 1 argument"):
            await go.Double.call_async()

    asyncio.run(main())


def test_cancelled_calls(go: Symbols, plugin: Plugin) -> None:
    async def main() -> None:
        stop = plugin.make("*bool")
        endless = asyncio.create_task(go.Spin.call_async(stop))
        waiting = asyncio.create_task(go.Double.call_async(1))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not endless.done()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(endless, 0.1)
        assert await go.Double.call_async(21) == 42

    asyncio.run(main())
    assert plugin.machine.state == "running"


def test_threads_that_convert_and_collect(go: Symbols) -> None:
    def work(number: int) -> str:
        if number % 7 == 0:
            go.Collect()
        text: str = go.ApplyString(lambda s: f"{s}{go.Garbage(30)}", f"{number}" * 100)
        return text

    with ThreadPoolExecutor(8) as pool:
        for number, text in enumerate(pool.map(work, range(100))):
            assert text == f"{number}" * 100 + "3000000"


# --- goroutines between calls -------------------------------------------------------------------


def test_goroutines_run_between_calls(go: Symbols, plugin: Plugin) -> None:
    go.Work(5)
    go.Block()
    assert go.Count() == 0
    plugin.run_goroutines()
    assert go.Count() == 5


def test_timers_go_off_between_calls(go: Symbols, plugin: Plugin) -> None:
    go.Tick(3)
    before = go.Now()
    plugin.run_goroutines()
    assert go.Count() == 0
    plugin.run_goroutines(2.5)
    assert go.Count() == 2
    assert go.Now() - before == pytest.approx(2.5e9, rel=0.05)
    plugin.run_goroutines(10)
    assert go.Count() == 3
    plugin.run_goroutines(1)


def test_callbacks_of_timers(go: Symbols, plugin: Plugin) -> None:
    called: list[int] = []
    go.CallLater(lambda: called.append(go.Double(4)), 1500)
    plugin.run_goroutines(1)
    assert called == []
    plugin.run_goroutines(1)
    assert called == [8]


# --- interruption -------------------------------------------------------------------------------


class ControlC:
    """``with ControlC():`` presses Ctrl-C after a while; ``seconds`` is how long it took then."""

    def __enter__(self) -> ControlC:
        self._pressed = 0.0
        self._timer = threading.Timer(0.3, self._press)
        self._timer.start()
        return self

    def _press(self) -> None:
        self._pressed = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.seconds = time.perf_counter() - self._pressed
        self._timer.join()


def spin(go: Symbols, plugin: Plugin) -> None:
    go.Spin(plugin.make("*bool"))


def spin_in_a_callback(go: Symbols, plugin: Plugin) -> None:
    go.Recover(lambda: spin(go, plugin))


def python_in_a_callback(go: Symbols, plugin: Plugin) -> None:
    go.Nothing(lambda n: [None for _ in iter(int, 1)])


def calls_in_a_callback(go: Symbols, plugin: Plugin) -> None:
    go.Nothing(lambda n: [go.Double(n) for _ in iter(int, 1)])


def allocate(go: Symbols, plugin: Plugin) -> None:
    go.Garbage(1 << 40)


def system_calls(go: Symbols, plugin: Plugin) -> None:
    go.SpinDeferred(lambda: None)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently there")
@pytest.mark.parametrize(
    "busy",
    [
        spin, spin_in_a_callback, python_in_a_callback, calls_in_a_callback, allocate, system_calls,
    ],
)  # fmt: skip
def test_control_c(go: Symbols, plugin: Plugin, busy: Callable[[Symbols, Plugin], None]) -> None:
    """It ends any call promptly. What is left is usable, or says that it is dead."""
    # The indexes of types are made when they are first needed, which is not what is timed here.
    plugin.make("*bool")
    go.Recover(lambda: [].pop())
    interruption = ControlC()
    with nothing_collected(), pytest.raises(KeyboardInterrupt), interruption:
        busy(go, plugin)
    assert interruption.seconds < 1  # a tenth of that on an idle machine
    if plugin.machine.state == "running":
        go.Collect()
        assert go.Countdown(lambda n: n, 3) == 3
    else:
        with pytest.raises(DeadMachineError):
            go.Double(1)


def test_deferred_functions_of_an_interrupted_call_run(go: Symbols, plugin: Plugin) -> None:
    after: list[str] = []
    threading.Timer(0.2, plugin.machine.interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        go.Deferred(lambda: spin(go, plugin), lambda: after.append("deferred"))
    assert after == ["deferred"]
    assert run(plugin, "Double", 3) == 6


def test_interrupting_nothing(plugin: Plugin) -> None:
    plugin.machine.interrupt()
    assert func_of(plugin, "Double")(3) == 6
