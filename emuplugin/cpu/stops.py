"""Ends of runs that the host decides: on request, or when a number of instructions have run.

On hosts with an x86-64 processor each block of translated code counts itself and looks whether it
should stop, in a few instructions of ours (:mod:`counting_code`); that is exact, repeats, and
costs less than the engine's own question. Elsewhere the engine is asked to stop, and instructions
are estimated: see :meth:`Stops.lapse`.
"""

from __future__ import annotations

import warnings
from typing import Protocol

import unicorn

from .counted_stops import CountedStops
from .counting_code import ZERO_ARGUMENT
from .engine_internals import Internals, helper_called, last_block
from .estimated_stops import EstimatedStops
from .host_code import HostCodeError, is_supported


class Stops(Protocol):
    """``exact``: whether instructions are counted rather than estimated."""

    exact: bool

    @property
    def left_at(self) -> int:
        """The host's address of a word that is not 0 if the last run has ended because of a stop,
        where that is known."""

    @property
    def executed(self) -> int:
        """Instructions that have run, as far as that is known between runs."""

    passed: int
    """Nanoseconds that have passed without instructions; see :meth:`tell_time`."""

    def tell_time(self, tick: int) -> bool:
        """Let RDTSC answer ``passed`` and the executed instructions, after ``passed`` was increased
        by ``tick``. False where that cannot be: there the instruction remains a fault."""

    def accelerate(self, memory: int, tables: int) -> None:
        """From the next translation on, let the host run loops that it knows: guest-physical
        memory is at the host's address ``memory``, the page tables at the guest-physical address
        ``tables``. With ``memory`` 0 the engine runs everything."""

    def arm(self, instructions: int) -> None:
        """Stop before the block with which more than ``instructions`` would have run from now."""

    def request(self) -> None:
        """Stop the run that is on, or the next, soon. Any thread may ask."""

    def request_at_once(self) -> None:
        """Stop the run before its next block. For callbacks from the run, and between runs."""

    def keep(self) -> tuple[int, int, int]:
        """How many instructions have run, how many are left until a stop, and ``passed``, for
        :meth:`show`. Between runs only."""

    def show(self, kept: tuple[int, int, int]) -> None:
        """Count on as if it were that moment again. No stop is due."""

    def take(self) -> bool:
        """Whether a stop was due; from now on it no longer is."""

    def withdraw(self) -> None:
        """The run has ended for good: no stop is due that was requested."""

    def take_expired(self) -> bool:
        """Whether the armed number of instructions was used up; see :meth:`arm`."""

    def trapped(self) -> None:
        """The run has ended at a trap: its one instruction counts, though a stop may have come
        before it."""

    def lapse(self) -> None:
        """Some time has passed: called now and then by whoever keeps the host's time."""

    def forget(self) -> None:
        """The guest's addresses may lead elsewhere: nothing may be known of where blocks are."""

    def flushed(self) -> None:
        """All translations were thrown away."""

    def close(self) -> None:
        """The engine is gone."""


def stops(uc: unicorn.Uc, buffer_size: int, internals: Internals) -> Stops:
    """The best way to stop ``uc``, which has run one block and has ``buffer_size`` bytes for
    translations."""
    places = internals.translations if is_supported() else None
    if places is not None:
        block = last_block(uc, places)
        asked = helper_called(block, places, ZERO_ARGUMENT) if block else 0
        if asked:
            try:
                return CountedStops(uc, internals, block, asked, buffer_size)
            except HostCodeError as error:
                warnings.warn(
                    f"instructions are estimated, and runs do not repeat: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
    return EstimatedStops(uc)
