"""Stacks, taken whenever a number of instructions have run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.cpu import registers as reg

from .events import Sample
from .guest import TracedGuest
from .observer import Observer

if TYPE_CHECKING:
    from .recorder import Recorder


class Samples(Observer):
    """The guest stops by itself when enough instructions have run, at the same places in each run;
    between samples it costs nothing."""

    def __init__(self, recorder: Recorder, guest: TracedGuest, every: int) -> None:
        super().__init__(recorder, guest)
        self._place = guest.engine.batch(reg.RIP, reg.RSP, reg.FS_BASE)
        self._m = guest.layout.offset("runtime.g", "m")
        self._curg = guest.layout.offset("runtime.m", "curg")
        recorder.trace.sample_every = every
        guest.kernel.allowance.sample(every, self._take)

    def finish(self) -> None:
        self.guest.kernel.allowance.sample(0, None)

    def _take(self) -> None:
        try:
            self._sample()
        except KeyboardInterrupt as interrupt:
            # With many samples most of the time passes here: as if it had come in the guest.
            self.guest.engine.interrupted(interrupt)

    def _sample(self) -> None:
        rip, rsp, fs_base = self._place.load()
        guest = self.guest
        g = self.g(fs_base)
        stack = self.stacks.take(rip, rsp)
        goroutine = guest.goroutine(g)
        if g and not goroutine:
            # On a scheduler's stack, in the name of a goroutine perhaps.
            current = guest.word(guest.word(g + self._m) + self._curg)
            goroutine = guest.goroutine(current) if current else 0
        self.recorder.trace.samples.append(Sample(stack, self._stops.executed, goroutine))
