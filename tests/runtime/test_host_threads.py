"""Python threads that share a machine, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emuplugin import GoPanic
from emuplugin.plugin import Plugin
from tests.conftest import PluginPath
from tests.runtime.conftest import Open, run

ROOT = Path(__file__).parents[2]


def test_threads_take_turns(runtime: Plugin) -> None:
    def work(number: int) -> int:
        if number % 5 == 0:
            with pytest.raises(GoPanic, match="42"):
                run(runtime, "Panic", "int")
        result: int = run(runtime, "PingPong", number)
        return result

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(60))) == list(range(60))


def test_machines_run_side_by_side(open_runtime: Open) -> None:
    plugins = [open_runtime(seed=number) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda plugin: run(plugin, "AllocTotal", 30 << 20, 1 << 14), plugins)
        assert len(set(results)) == 1
        assert list(pool.map(lambda plugin: run(plugin, "SpinUntilStopped"), plugins)) == [True] * 4


def test_a_machine_made_in_one_thread_used_in_another(open_runtime: Open) -> None:
    with ThreadPoolExecutor(1) as pool:
        plugin = pool.submit(open_runtime).result()
    assert run(plugin, "Goroutines", 10) == 45


SCRIPT = """
import sys
import emuplugin
plugin = emuplugin.open(sys.argv[1])
print("ready", flush=True)
try:
    plugin.lookup("Hang")()
except KeyboardInterrupt:
    print("interrupted", plugin.machine.state, flush=True)
try:
    print(plugin.lookup("PingPong")(3))
except emuplugin.DeadMachineError as error:
    print("dead:", error)
plugin.close()
print(emuplugin.open(sys.argv[1]).lookup("PingPong")(3))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently there")
def test_control_c_ends_a_call(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("runtime", go_version)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killer = threading.Timer(60, process.kill)
    killer.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    finally:
        killer.cancel()
        process.kill()
    lines = out.splitlines()
    assert err == ""
    assert lines[0].startswith("interrupted ")
    # Either it is dead and says so, or it works on.
    state = lines[0].split()[1]
    assert (state, lines[1][:5]) in (("dead", "dead:"), ("running", "3"))
    assert lines[2] == "3"
    assert process.returncode == 0
