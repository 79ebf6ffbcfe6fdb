"""What a call may use up: host time, instructions; and how long a thread's turn is."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from emuplugin.errors import InstructionLimitExceeded, TimeLimitExceeded

if TYPE_CHECKING:
    from emuplugin.cpu.stops import Stops
    from emuplugin.sandbox import Limits

#: Instructions that a thread runs before others get their turn: 10 ms, the time slice of Go's
#: sysmon (forcePreemptNS), on a processor that takes a nanosecond for each.
SLICE = 10_000_000


class Allowance:
    """The limits ``seconds`` and ``instructions`` of the call that runs, and its time slices."""

    def __init__(self, limits: Limits, stops: Stops) -> None:
        self._seconds, self._instructions = limits.seconds, limits.instructions
        self._stops = stops
        #: Whether there is anything to begin anew with each call.
        self.limited = limits.seconds is not None or limits.instructions is not None
        self._deadline: float | None = None
        self._budget_end: int | None = None
        self._slice_end = 0
        self._sample_every = self._sample_at = 0
        self._on_sample: Callable[[], None] | None = None
        self.begin_slice()
        self.begin()

    def begin(self) -> None:
        """A call begins, or the opening of a plugin."""
        # Most calls are over before anybody looks: the time of those is not taken.
        self._deadline = None
        if self._instructions is not None:
            self._budget_end = self._stops.executed + self._instructions
            self.begin_slice()

    @property
    def state(self) -> tuple[int | None, int]:
        """Where the budget of instructions ends, and the time slice."""
        return self._budget_end, self._slice_end

    @state.setter
    def state(self, state: tuple[int | None, int]) -> None:
        self._budget_end, self._slice_end = state

    def begin_slice(self) -> None:
        """Let the guest run to the end of a time slice, or of its instructions."""
        now = self._stops.executed
        self._slice_end = now + SLICE
        if self._budget_end is not None:
            self._slice_end = min(self._slice_end, self._budget_end)
        self._arm(now)

    def _arm(self, now: int) -> None:
        end = self._slice_end
        if self._on_sample is not None:
            end = min(end, self._sample_at)
        self._stops.arm(max(end - now, 0))

    def sample(self, every: int, on_sample: Callable[[], None] | None) -> None:
        """Call ``on_sample`` whenever ``every`` instructions have run; None ends that. Time slices
        end where they end without."""
        self._sample_every, self._on_sample = every, on_sample
        now = self._stops.executed
        self._sample_at = now + every
        self._arm(now)

    def take_sample(self) -> bool:
        """At an armed end: whether it was one for a sample, which was taken then."""
        if self._on_sample is None or self._sample_at > self._slice_end:
            return False
        self._sample_at += self._sample_every
        self._on_sample()
        self._arm(self._stops.executed)
        return True

    def check_instructions(self) -> None:
        """At the end of a slice: raise InstructionLimitExceeded if it was that of the budget, and
        what is left is less than the next block."""
        if self._budget_end is not None and self._slice_end == self._budget_end:
            limit = self._instructions or 0
            raise InstructionLimitExceeded(
                f"the plugin executed more than its limit of {limit} instructions; "
                "grant more with Limits(instructions=...)",
                limit="instructions",
                allowed=limit,
                used=limit - (self._budget_end - self._stops.executed),
            )

    def seconds_left(self) -> float | None:
        """Host time until the limit; None if there is none."""
        if self._seconds is None:
            return None
        if self._deadline is None:
            self._deadline = monotonic() + self._seconds
        return max(self._deadline - monotonic(), 0.0)

    def check_seconds(self) -> None:
        """Raise TimeLimitExceeded if the call has run for too long. Called every few milliseconds
        of a run; the first time sets its start."""
        left = self.seconds_left()
        if left == 0.0:
            seconds = self._seconds or 0.0
            raise TimeLimitExceeded(
                f"the plugin ran longer than its limit of {seconds:g} s; "
                "grant more with Limits(seconds=...)",
                limit="seconds",
                allowed=seconds,
                used=seconds + monotonic() - (self._deadline or 0.0),
            )
