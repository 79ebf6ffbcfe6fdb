"""Binding of C library symbols to places where the guest stops for the host.

Every Go plugin names some fifty functions of libc, because ``runtime/cgo`` is linked into it; only
plugins with C code of their own ever call one. What such code needs to compute, allocate and print
is answered here (:data:`FUNCTIONS`); calling anything else ends the machine, by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE
from emuplugin.errors import EmulationError, OpenError

from ..process import Process
from .call import CCall, CFunction
from .functions import FUNCTIONS
from .heap import CHeap

_BASE = 0x3_8000_0000
_SIZE = 16 * PAGE_SIZE
_DATA = _BASE + 2 * _SIZE
_HEAP = 0x3_9000_0000
_SLOT = 16
_HLT = b"\xf4"
#: Variables, and what they hold: pointers to the standard streams (any non-null address that
#: stdio's functions recognise).
_STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}


class CLibrary:
    """Addresses for the undefined symbols of plugins, and the C functions behind them."""

    def __init__(self, process: Process, names: Sequence[str] | None = None) -> None:
        """``names`` are those that an earlier library had resolved, whose memory is to come."""
        self.process = process
        self.memory = process.memory
        self.heap = CHeap(process.space, _HEAP)
        self._addresses: dict[str, int] = {}
        self._functions: dict[int, tuple[str, CFunction | None]] = {}
        self._call = CCall(self)
        self._control = process.engine.batch(reg.RAX, reg.RSP, reg.RIP)
        self.errno = _DATA
        self._addresses.update(
            (name, _DATA + 64 + 16 * number) for name, number in _STREAMS.items()
        )
        if names is None:
            process.space.map(_BASE, _SIZE, PROT_READ | PROT_EXEC, "[libc]")
            process.space.map(_DATA, PAGE_SIZE, PROT_READ | PROT_WRITE, "[libc data]")
            for name, number in _STREAMS.items():
                self.memory.write_u64(self._addresses[name], self.stream(number))
        else:
            for name in names:
                self._addresses[name] = self.place(name, FUNCTIONS.get(name), there=True)

    def stream(self, number: int) -> int:
        """The ``FILE *`` of a standard stream."""
        return _DATA + 256 + 16 * number

    def stream_number(self, address: int) -> int:
        """Which standard stream a ``FILE *`` is; -1 for none."""
        number, rest = divmod(address - self.stream(0), 16)
        return number if 0 <= number <= 2 and not rest else -1

    @property
    def names(self) -> list[str]:
        """The names that were resolved, in order; resolving them again gives the same addresses."""
        return [name for name in self._addresses if name not in _STREAMS]

    def resolve(self, name: str) -> int:
        """The address that stands for ``name``, the same for every plugin of the machine."""
        address = self._addresses.get(name)
        if address is None:
            address = self._addresses[name] = self.place(name, FUNCTIONS.get(name))
        return address

    def place(self, name: str, function: CFunction | None, *, there: bool = False) -> int:
        """The address of a C function that the host carries out. ``there``: memory that is to come
        holds it."""
        address = _BASE + _SLOT * len(self._functions)
        if address >= _BASE + _SIZE:
            raise OpenError(f"the plugin needs more than {_SIZE // _SLOT} C functions")
        if not there:
            self.memory.write(address, _HLT)
        self._functions[address] = (name, function)
        self.process.trap(address, self._called)
        return address

    def _called(self) -> bool:
        address = self.process.engine.rip
        name, function = self._functions[address]
        rsp = self.process.engine.read_register(reg.RSP)
        back = self.memory.read_u64(rsp)
        if function is None:
            raise EmulationError(
                f"the plugin called the C function {name} (from {back:#x}), which is not there; "
                "C code in plugins can compute, allocate and print",
                rip=address,
            )
        self._call.begin(rsp)
        result = function(self._call)
        if result is not None:
            values = self._control.values
            values[0], values[1], values[2] = result & 0xFFFFFFFFFFFFFFFF, rsp + 8, back
            self._control.store()
        return False


__all__ = ["CLibrary"]
