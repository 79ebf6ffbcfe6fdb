"""RemoteSnapshot: a snapshot that a worker process holds."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from emuplugin.errors import SnapshotError
from emuplugin.machine import Machine

if TYPE_CHECKING:
    from emuplugin.isolation.connection import Connection
    from emuplugin.isolation.plugin import RemotePlugin

# The numbers of those that nobody holds any more, by connection: workers are told when they next
# take a snapshot.
_dropped: WeakKeyDictionary[Connection, list[int]] = WeakKeyDictionary()


class RemoteSnapshot:
    """See :class:`emuplugin.Snapshot`. It lives as long as its machine, which alone can go back to
    it."""

    def __init__(
        self,
        end: Connection,
        number: int,
        instructions: int,
        memory: int,
        opened: dict[str, RemotePlugin],
    ) -> None:
        self._end, self.number, self.opened = end, number, opened
        self.instructions, self.memory = instructions, memory

    def __del__(self) -> None:
        _dropped.setdefault(self._end, []).append(self.number)

    def __repr__(self) -> str:
        return f"<Snapshot of {', '.join(self.opened)} after {self.instructions} instructions>"

    @property
    def plugins(self) -> tuple[RemotePlugin, ...]:
        """The plugins that were open, in order."""
        return tuple(self.opened.values())

    def is_of(self, end: Connection) -> bool:
        """Whether it is that worker's."""
        return self._end is end

    def clone(self) -> Machine:
        """Raises SnapshotError."""
        raise self.refusal()

    @staticmethod
    def refusal() -> SnapshotError:
        """Why there are no clones."""
        return SnapshotError(
            "a machine in a worker process cannot be cloned: its state is in that process, which"
            " confines it; restore the snapshot in the machine itself, or open the plugin in"
            " another one"
        )

    @staticmethod
    def dropped(end: Connection) -> list[int]:
        """Those of a worker that it need not keep any longer."""
        return _dropped.pop(end, [])
