"""Who watches a program start, to tell of it later. Without one nothing is noted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .boot import BootStep
    from .image import Image
    from .process import Process


class Witness(Protocol):
    """Is told of each thing right after it was done."""

    def mapped(self, process: Process, image: Image) -> None:
        """The first plugin lies in memory, relocated; nothing of it has run."""

    def wrote(self, name: str, address: int, size: int, value: int) -> None:
        """A step of the boot has set a variable of the runtime, or a field: ``name`` is such as
        ``runtime.sched.maxmcount``; that of a struct elsewhere begins with its type."""

    def called(self, name: str, arguments: Sequence[int], result: int) -> None:
        """A step of the boot has called a function of the runtime; ``result`` is what it left in
        RAX, which means nothing for a function without results."""

    def stepped(self, step: BootStep) -> None:
        """A step of the boot has ended; what was told since the last one belongs to it."""
