"""Roots: pointers into the Go heap that Python holds, where the collector sees them.

The table is the data segment of the stub module, all of it pointers; it grows with use, and the
collector scans what is in use. Storing into it obeys the write barrier, because the
collector may be marking while the host has control.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from struct import pack

from emuplugin.cpu.address_space import PROT_READ, PROT_WRITE
from emuplugin.errors import EmulationError

from .goruntime import GoRuntime
from .stubs import ROOTS_BASE

_SLOTS = 1 << 20
_GROWTH = 512  # slots; a multiple of the 8 that a byte of the mask covers
_MASK_BASE = ROOTS_BASE + 8 * _SLOTS
_KIND_UNSAFE_POINTER = 26
_numbers = count(1)


class Returned(deque[tuple[int, int]]):
    """Slots of roots that were dropped, and the holders' numbers. It lives on when a machine goes
    back to a snapshot: those who were there then may be gone since."""


class Root:
    """Keeps the heap object at ``address`` alive until it is released or dropped. ``number`` tells
    it from all others that ever had its slot."""

    __slots__ = ("__weakref__", "_number", "_slot", "_table", "address")

    def __init__(self, table: Roots, slot: int, address: int, number: int) -> None:
        self.address = address
        self._slot, self._number = slot, number
        self._table: Roots | None = table

    def release(self) -> None:
        """Let the object go. Further calls do nothing."""
        table, self._table = self._table, None
        if table is not None:
            table.returned.append((self._slot, self._number))

    __del__ = release


class Roots:
    """The table. ``call`` runs a function of the runtime with integer arguments."""

    def __init__(
        self, runtime: GoRuntime, store: Callable[[bytes], int], *, there: bool = False
    ) -> None:
        """``there``: memory holds the table already, or will when it comes; see :meth:`resume`."""
        self._runtime = runtime
        self._memory = runtime.memory
        self._size = 0
        self._free: list[int] = []
        #: Roots are dropped whenever Python likes, in any thread: their slots are queued here.
        self.returned = Returned()
        # Who holds each slot that is in use.
        self._holders: dict[int, int] = {}
        self._write_barrier = runtime.address("runtime.writeBarrier")
        self._store = store
        self._pointer_type = 0
        if not there:
            runtime.process.space.map(
                ROOTS_BASE, 8 * _SLOTS + _SLOTS // 8, PROT_READ | PROT_WRITE, "[emuplugin roots]"
            )
            runtime.set_at(self._module, "runtime.moduledata", "gcdatamask.bytedata", _MASK_BASE)

    @property
    def _module(self) -> int:
        return self._runtime.stubs.moduledata

    def __len__(self) -> int:
        """How many roots are held."""
        return len(self.alive())

    def hold(self, address: int, call: Callable[[str, int, int, int], object]) -> Root:
        """Root the object at ``address``. ``call`` runs a runtime function with integers."""
        self.collect()
        if not self._free:
            self._grow()
        slot = self._free.pop()
        at = ROOTS_BASE + 8 * slot
        if address and self._memory.read_u32(self._write_barrier):
            source = ROOTS_BASE + 8 * _SLOTS - 8  # the last slot is never in use
            self._memory.write_u64(source, address)
            call("runtime.typedmemmove", self._pointer(), at, source)
        else:
            self._memory.write_u64(at, address)
        number = self._holders[slot] = next(_numbers)
        return Root(self, slot, address, number)

    @property
    def state(self) -> tuple[int, list[int]]:
        """What :meth:`resume` needs, where nobody holds any."""
        return self._size, list(self._free)

    def resume(self, state: tuple[int, list[int]]) -> None:
        """Take it that memory holds this table, with no root in it."""
        self._size, self._free = state[0], list(state[1])

    def alive(self) -> dict[int, int]:
        """The slots in use and their holders' numbers."""
        gone = set(self.returned)
        return {
            slot: number for slot, number in self._holders.items() if (slot, number) not in gone
        }

    def went_back(self, alive: dict[int, int]) -> None:
        """The table is as it was in a snapshot; of those who held slots then only these live."""
        for slot, number in self._holders.items():
            if alive.get(slot) != number:
                self.returned.append((slot, number))

    def collect(self) -> None:
        """Clear the slots in ``returned``, so that the collector forgets what they held."""
        # While the collector marks, a pointer may have gone from here to where it has looked
        # already, and then only this slot tells it of the object.
        if self._memory.read_u32(self._write_barrier):
            return
        while self.returned:
            slot, number = self.returned.popleft()
            if self._holders.get(slot) != number:
                continue  # from after the snapshot that the machine went back to, or known already
            del self._holders[slot]
            self._memory.write_u64(ROOTS_BASE + 8 * slot, 0)
            self._free.append(slot)

    def _grow(self) -> None:
        if self._size + _GROWTH >= _SLOTS:
            raise EmulationError(f"Python holds {self._size} Go objects; drop some")
        first = self._size
        self._size += _GROWTH
        self._free = list(range(self._size - 1, first - 1, -1))
        self._memory.write(_MASK_BASE + first // 8, b"\xff" * (_GROWTH // 8))
        runtime, module = self._runtime, self._module
        runtime.set_at(module, "runtime.moduledata", "gcdatamask.n", self._size)
        runtime.set_at(module, "runtime.moduledata", "edata", ROOTS_BASE + 8 * self._size)

    def _pointer(self) -> int:
        """A type descriptor for ``unsafe.Pointer``, enough for typedmemmove."""
        if not self._pointer_type:
            mask = self._store(b"\1")
            descriptor = pack("<QQIBBBBQQII", 8, 8, 0, 0, 8, 8, _KIND_UNSAFE_POINTER, 0, mask, 0, 0)
            self._pointer_type = self._store(descriptor)
        return self._pointer_type
