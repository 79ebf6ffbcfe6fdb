"""Places for code that calls a function many times (:mod:`emuplugin.cpu.loop_code`).

They are Go functions of the stub module, ``func(state *[...]uintptr)``, all with the same head and
the same frame, so that the runtime knows how to unwind them before they hold any code. It may
preempt them anywhere, as it may other code of Go's: what is in registers or in the frame then keeps
objects alive, whatever it is (``runtime/mgcmark.go: scanConservative``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from emuplugin.cpu.address_space import PAGE_SIZE, PROT_EXEC, PROT_READ
from emuplugin.cpu.engine import Engine
from emuplugin.cpu.loop_code import HEAD_FRAMES, IN_BODY, head

if TYPE_CHECKING:
    from .process import Process

#: Bytes of a place, and how many there are.
SLOT, SLOTS = 1024, 40
_AREA = -(-SLOT * SLOTS // PAGE_SIZE) * PAGE_SIZE


def frames() -> tuple[tuple[int, int], ...]:
    """Up to which offset in a place which frame size holds; see :mod:`stubs`."""
    return (*HEAD_FRAMES, (SLOT, IN_BODY))


# What code lies in which place, by engine. A place gets other code only when all translations are
# thrown away, even where memory goes back to how it was before: so those stay right.
_placed: WeakKeyDictionary[Engine, dict[bytes, int]] = WeakKeyDictionary()


class Loops:
    """The places of one process, from ``base`` on."""

    def __init__(self, process: Process, base: int, morestack: int) -> None:
        self._process = process
        self._base = base
        self._head = head(morestack)

    def place(self, body: bytes) -> int | None:
        """The address of the function with this body; None if it is too long, or there is no place
        while others may run."""
        code = self._head + body
        placed = _placed.setdefault(self._process.engine, {})
        if len(code) > SLOT:
            return None
        space, memory = self._process.space, self._process.memory
        if body not in placed and len(placed) == SLOTS:
            if self._process.kernel.watchdog.running:  # perhaps one of them
                return None
            placed.clear()
            space.code_changed()
        number = placed.setdefault(body, len(placed))
        if space.find(self._base) is None:
            executable = PROT_READ | PROT_EXEC
            # Present from the start, as the other stubs are.
            space.map(self._base, _AREA, executable, "[emuplugin loops]", populate=True)
        address = self._base + SLOT * number
        if memory.read(address, len(code)) != code:
            memory.write(address, code)
        return address
