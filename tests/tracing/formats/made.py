"""Traces that no plugin made: events of all kinds, as Hypothesis invents them."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from emuplugin.tracing.events import KINDS, Event, Frame, Sample
from emuplugin.tracing.trace import Trace

#: What a hostile plugin would have in its names: markup, controls, what is no character.
NASTY = (
    "</script><script>alert(1)</script>",
    "]]></svg>",
    'a"b\\',
    "x\ny\x1b[31m;z",
    "\udc80\udcff",
    "\ufffe\uffff\0",
    "main.Map[go.shape.struct { A int; B int }]",
    "{{data}}",
)

_TEXT = st.one_of(st.sampled_from(("main.F", "main.g", "", *NASTY)), st.text(max_size=8))
_NUMBER = st.one_of(st.integers(0, 3), st.integers(0, (1 << 64) - 1))
_FRAME = st.builds(Frame, _TEXT, _TEXT, st.integers(0, 5000), _NUMBER)

st.register_type_strategy(Frame, _FRAME)


def _of_kind(kind: type[Event]) -> st.SearchStrategy[Event]:
    few = st.integers(0, 3)
    return st.builds(
        kind,
        time=st.integers(0, 40),
        instructions=_NUMBER,
        thread=few,
        goroutine=few,
        **{name: few for name in ("id", "by", "parent", "depth") if name in kind.__slots__},
        **{"function": st.sampled_from(("main.F", "main.g"))} if "depth" in kind.__slots__ else {},
        **{"duration": st.integers(0, 20)} if "duration" in kind.__slots__ else {},
    )


#: Any event.
EVENTS = st.one_of([_of_kind(kind) for kind in KINDS.values()])
#: Any sequence of them, in order of time or not.
SEQUENCES = st.lists(EVENTS, max_size=60)


def trace_of(events: Iterable[Event], samples: Iterable[Sample] = (), every: int = 0) -> Trace:
    """A trace with these events."""
    trace = Trace({})
    trace.events = list(events)
    trace.samples = list(samples)
    trace.sample_every = every
    trace.go_version = "go1.27.3"
    trace.plugins = ("made.so",)
    trace.duration = max((event.time for event in trace.events), default=0)
    return trace
