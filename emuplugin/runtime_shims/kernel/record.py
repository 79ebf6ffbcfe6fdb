"""What the kernel remembers of what the guest did, for ``machine.report``.

Recording is cheap and bounded: a guest that touches a million files must not fill the host's
memory. Each list holds :data:`MOST` distinct entries; further ones are only counted.
"""

from __future__ import annotations

from collections import Counter
from typing import Generic, Literal, TypeVar

#: Distinct entries of each kind that are remembered.
MOST = 10_000
# Of a text that comes from the guest.
_LONGEST = 4096

#: ``missing``: asked for by this path, and nothing is there.
Access = Literal["read", "write", "create", "remove", "list", "stat", "missing"]
K = TypeVar("K", bound=tuple[str, ...])


class Bounded(Generic[K]):
    """How often each entry was seen; ``left_out`` counts those that came when it was full."""

    def __init__(self) -> None:
        self.counts: Counter[K] = Counter()
        self.left_out = 0

    def add(self, entry: K) -> None:
        if entry in self.counts:
            self.counts[entry] += 1
        elif len(self.counts) < MOST:
            self.counts[entry] = 1
        else:
            self.left_out += 1


class KernelReport:
    """Files, connections and processes that the guest asked for, and what was refused to it."""

    def __init__(self) -> None:
        self.refusals: Bounded[tuple[str, str]] = Bounded()
        self.files: Bounded[tuple[str, str]] = Bounded()
        self.connections: Bounded[tuple[str, str, str]] = Bounded()
        self.processes: Bounded[tuple[str, str]] = Bounded()

    @property
    def has_accesses(self) -> bool:
        """Whether there is anything but refusals."""
        return any(kind.counts for kind in (self.files, self.connections, self.processes))

    def refused(self, name: str, detail: str = "") -> None:
        """Something was asked for and not granted: ``name`` is the system call, ``detail`` what
        it was to do."""
        self.refusals.add((name, detail[:_LONGEST]))

    def file(self, path: str, access: Access) -> None:
        """A file was looked at or changed."""
        self.files.add((path[:_LONGEST], access))

    def connection(self, kind: str, address: str, outcome: str) -> None:
        """A connection was tried: ``kind`` such as ``tcp connect``, ``outcome`` such as
        ``granted`` or ``refused``."""
        self.connections.add((kind, address[:_LONGEST], outcome))

    def process(self, name: str, detail: str = "") -> None:
        """A process was to be started, or something that only processes do."""
        self.processes.add((name, detail[:_LONGEST]))
