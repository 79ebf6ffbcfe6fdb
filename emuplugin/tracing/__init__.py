"""Observers of a machine that runs, and what they have seen; see :class:`Trace`."""

from .coverage import Block, Coverage
from .events import Argument, Event, Frame, Sample
from .trace import Trace

__all__ = ["Argument", "Block", "Coverage", "Event", "Frame", "Sample", "Trace"]
