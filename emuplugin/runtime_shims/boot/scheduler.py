"""Threads, processors and goroutines."""

from __future__ import annotations

from struct import pack

from .. import environment
from ..monitor import Monitor
from .state import MAX_UINT64, Boot

_MAX_STACK_SIZE = 1_000_000_000  # runtime/proc.go: main


def scheduler_variables(boot: Boot) -> None:
    """What schedinit sets before anything runs."""
    runtime, layout = boot.runtime, boot.layout
    runtime.set("runtime.sched", 10000, "maxmcount")
    # Without a time of the last poll findRunnable never polls, and timers never fire.
    runtime.set("runtime.sched", boot.kernel.clock.monotonic(), "lastpoll")
    runtime.set_if_present("runtime.crashFD", MAX_UINT64)
    if layout.has("runtime.m", "idleNode"):
        boot.init_list("runtime.sched", "midle", layout.offset("runtime.m", "idleNode"))


def first_thread(boot: Boot) -> None:
    """``mcommoninit`` for m0."""
    boot.call("runtime.mcommoninit", boot.runtime.address("runtime.m0"), MAX_UINT64)


def processors(boot: Boot) -> None:
    """``procresize``: the Ps, as many as GOMAXPROCS says."""
    runtime = boot.runtime
    count = environment.gomaxprocs(boot.env, boot.kernel.sandbox.cpus)
    if "GOMAXPROCS" in boot.env:
        runtime.set_if_present("runtime.sched", 1, "customGOMAXPROCS")
    boot.call("runtime.procresize", count)


def main_variables(boot: Boot) -> None:
    """What ``runtime.main`` sets before it runs init functions."""
    runtime = boot.runtime
    runtime.set("runtime.maxstacksize", _MAX_STACK_SIZE)
    runtime.set_if_present("runtime.maxstackceiling", 2 * _MAX_STACK_SIZE)
    runtime.set("runtime.runtimeInitTime", boot.kernel.clock.monotonic())
    runtime.set_if_present("runtime.mainInitDone", 1)


def monitor(boot: Boot) -> None:
    """The thread of ``sysmon``."""
    boot.monitor = Monitor(boot.runtime)
    value = boot.store(pack("<Q", boot.monitor.entry))
    boot.call("runtime.newm", value, 0, MAX_UINT64)
    boot.call("runtime.osyield.abi0")


def caller_goroutine(boot: Boot) -> None:
    """A goroutine of the host's, entered through the scheduler (``newproc``, ``mstart``)."""
    runtime = boot.runtime
    stubs = runtime.stubs
    boot.call("runtime.newproc", stubs.idle_value)
    top = runtime.process.stack[1]
    rsp = top - 128
    boot.memory.write_u64(rsp, stubs.calls[0].back)
    runtime.start(runtime.function("runtime.mstart.abi0"), boot.g0, rsp)


def world(boot: Boot) -> None:
    """``gcenable``, and from here on new goroutines may start threads."""
    boot.runtime.set("runtime.mainStarted", 1)
    boot.runtime.set("runtime.memstats", 1, "enablegc")
