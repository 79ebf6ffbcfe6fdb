"""A trace: what observers have seen of a run, in order, and the aggregates they have made."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from emuplugin.errors import ClosedError, ConfigurationError

from .coverage import Coverage
from .events import Event, Sample
from .functions import FunctionTable

if TYPE_CHECKING:
    from .runs import Run

E = TypeVar("E", bound=Event)


class Trace(Sequence[Event]):
    """The events of a run, oldest first; docs/trace.md tells of the kinds.

    :meth:`Machine.trace` makes one that observes while it is used in a ``with`` block, or between
    :meth:`start` and :meth:`stop`; :func:`emuplugin.trace` makes a finished one. It outlives the
    machine.

    ``events``: what was kept. ``dropped``: how many came after the limit. ``samples``: stacks, one
    for each ``sample_every`` instructions. ``coverage``: the blocks that ran. ``functions``: which
    place an address belongs to. ``go_version``: as ``go1.27.3``. ``plugins``: the paths of the
    opened files. ``began`` and ``ended``: instructions that the machine had executed then.
    ``duration``: nanoseconds of the guest's clock. ``what``: the observers and their filters.
    ``result`` and ``error``: how the call of :func:`emuplugin.trace` ended.
    """

    def __init__(self, what: dict[str, Any] | None = None, run: Run | None = None) -> None:
        self.what = what or {}
        self.events: list[Event] = []
        self.dropped = 0
        self.samples: list[Sample] = []
        self.sample_every = 0
        self.functions = FunctionTable()
        self.coverage = Coverage({}, self.functions)
        self.go_version = ""
        self.plugins: tuple[str, ...] = ()
        self.began = 0
        self.ended = 0
        self.duration = 0
        self.result: Any = None
        self.error: BaseException | None = None
        self._run = run

    # --- a sequence of events ---------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        return self.events[index]

    def __repr__(self) -> str:
        counts = Counter(event.kind for event in self.events)
        shown = ", ".join(f"{count} {kind}" for kind, count in counts.most_common(4))
        more = f": {shown}" if shown else ""
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        return f"<Trace of {len(self.events)} events{dropped}{more}>"

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind: ``trace.of(Call)``."""
        return [event for event in self.events if isinstance(event, kind)]

    # --- observing --------------------------------------------------------------------------

    def start(self) -> Trace:
        """Begin to observe. Raises BusyError from inside a call, or where the machine is traced
        already; ClosedError and DeadMachineError."""
        if self._run is None:
            raise ClosedError("a finished trace cannot be started; use rerun(), or trace again")
        self._run.start(self)
        return self

    def stop(self) -> None:
        """Observe no longer. The machine is as fast as before."""
        if self._run is not None:
            self._run.stop()

    def __enter__(self) -> Trace:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def rerun(self, **what: Any) -> Trace:
        """Let the same happen once more, in a machine of its own, and observe ``what`` too: a new
        trace, of the same run in more detail. What the plugin prints then is not shown.

        Runs repeat exactly where nothing comes from outside. Raises ConfigurationError where that
        is not so, with the reason, and where there is nothing to repeat.
        """
        if self._run is None:
            raise ConfigurationError("this trace does not know how its run came about")
        return self._run.again({**self.what, **what})

    def _repr_html_(self) -> str:
        from emuplugin.explaining.notebook import trace_html

        return trace_html(self)

    def save(self, path: str | os.PathLike[str], format: str | None = None, **options: Any) -> None:
        """Write the trace to a file. The format is told by the path's ending, or named; see
        docs/trace.md for the formats and their options. Raises ConfigurationError for a format
        that there is not, or that needs what was not observed; and OSError."""
        from .formats import save

        save(self, path, format, **options)
