"""Reads and writes of variables.

The engine looks at every access of the guest's while memory hooks are there, so all code is several
times slower then; the hook itself is called for the variable's bytes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from emuplugin.cpu.hooks import Hooks
from emuplugin.cpu.memory import GuestMemoryError
from emuplugin.errors import SymbolNotFoundError

from .code import until_end_of_block
from .events import Watched
from .functions import NOWHERE
from .guest import TracedGuest
from .observer import FS_BASE, RIP, RSP, Observer
from .show import TypeLike, show
from .variables import find_variable

if TYPE_CHECKING:
    from .recorder import Recorder

# An access of so many bytes before the variable may reach into it.
_WIDEST = 8


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: ``type`` is None where nobody knows it; then its bytes are shown."""

    name: str
    address: int
    size: int
    type: TypeLike | None


class Watch(Observer):
    """See the module."""

    def __init__(self, recorder: Recorder, guest: TracedGuest, names: tuple[str, ...]) -> None:
        super().__init__(recorder, guest)
        self._names = names
        self._blocks: dict[int, int] = {}

    def install(self, hooks: Hooks) -> None:
        for name in self._names:
            variable = find_variable(self.guest, name)
            if variable is None:
                raise SymbolNotFoundError(name, self.guest.modules[0].plugin_path)
            address, size, go_type = variable
            watched = Variable(name, address, size, go_type)
            start = self.guest.memory.physical(address, size)
            hooks.accesses(
                start - _WIDEST + 1, start + size, partial(self._accessed, watched, start)
            )

    def _accessed(
        self, variable: Variable, start: int, write: bool, at: int, size: int, value: int
    ) -> None:
        offset = at - start
        if offset + size <= 0 or offset >= variable.size:
            return
        values = self.registers.load()
        rip = values[RIP]
        stops = self._stops
        executed = stops.executed
        if stops.exact:
            if rip not in self._blocks:
                self._blocks[rip] = until_end_of_block(self.guest, rip)
            executed -= self._blocks[rip]
        try:
            old = self.guest.memory.read(variable.address, variable.size)
        except GuestMemoryError:
            return
        new = bytearray(old)
        if write:
            data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
            first = max(-offset, 0)
            last = min(size, variable.size - offset)
            new[offset + first : offset + last] = data[first:last]
        place = self.stacks.take(rip, values[RSP])
        frame = next((f for f in place if not f.function.startswith("runtime.")), None)
        goroutine = self.guest.goroutine(self.g(values[FS_BASE]))
        self.emit(
            Watched(
                *self.moment(executed, goroutine),
                variable.name,
                "write" if write else "read",
                variable.address + offset,
                size,
                self._text(variable, old),
                self._text(variable, bytes(new)),
                frame or (place[0] if place else NOWHERE._replace(pc=rip)),
            )
        )

    def _text(self, variable: Variable, data: bytes) -> str:
        if variable.type is not None:
            return show(self.guest, variable.type, data)
        if variable.size <= 8:
            return f"{int.from_bytes(data, 'little'):#x}"
        return data[:64].hex(" ", 8)
