"""The steps of the boot, in their order."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from .heap import collector, heap
from .modules import itabs, modules
from .scheduler import (
    caller_goroutine,
    first_thread,
    main_variables,
    monitor,
    processors,
    scheduler_variables,
    world,
)
from .state import Boot, BootStep
from .surroundings import first_stack, processor, program_variables, randomness

#: The steps in order, with the functions of the runtime that they stand for.
STEPS: tuple[tuple[Callable[[Boot], None], str], ...] = (
    (first_stack, "rt0_go"),
    (processor, "osinit, cpuinit, vdsoauxv"),
    (scheduler_variables, "schedinit"),
    (randomness, "randinit, alginit"),
    (heap, "mallocinit, (*mheap).init"),
    (first_thread, "mcommoninit"),
    (modules, "modulesinit"),
    (itabs, "itabsinit"),
    (program_variables, "goargs, goenvs, parsedebugvars"),
    (collector, "gcinit"),
    (processors, "procresize"),
    (main_variables, "main"),
    (monitor, "newm(sysmon)"),
    (caller_goroutine, "newproc, mstart"),
    (world, "gcenable"),
)


def boot(state: Boot) -> list[BootStep]:
    """Start the runtime; afterwards the caller goroutine waits at ``runtime.stubs.idle``.

    Raises what the guest runs into, which means a plugin that was tampered with.
    """
    done = []
    kernel, witness = state.kernel, state.runtime.witness
    for step, stands_for in STEPS:
        start, began = perf_counter(), kernel.instructions
        step(state)
        seconds = perf_counter() - start
        done.append(
            BootStep(step.__name__, stands_for, seconds, began, kernel.instructions - began)
        )
        if witness is not None:
            witness.stepped(done[-1])
    return done
