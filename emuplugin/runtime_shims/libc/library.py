"""Binding of C library symbols to places where the guest stops for the host.

Every Go plugin names some fifty functions of libc, because ``runtime/cgo`` is linked into it; only
plugins with C code of their own ever call one.
"""

from __future__ import annotations

from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import PAGE_SIZE, PROT_EXEC, PROT_READ
from emuplugin.errors import EmulationError, OpenError

from ..process import Process

_BASE = 0x3_8000_0000
_SIZE = 16 * PAGE_SIZE
_SLOT = 16
_HLT = b"\xf4"


class CLibrary:
    """Addresses for the undefined symbols of plugins."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._addresses: dict[str, int] = {}
        self._names: dict[int, str] = {}
        process.space.map(_BASE, _SIZE, PROT_READ | PROT_EXEC, "[libc]")

    def resolve(self, name: str) -> int:
        """The address that stands for ``name``, the same for every plugin of the machine."""
        address = self._addresses.get(name)
        if address is None:
            address = _BASE + _SLOT * len(self._addresses)
            if address >= _BASE + _SIZE:
                raise OpenError(f"the plugin needs more than {_SIZE // _SLOT} C functions")
            self._addresses[name] = address
            self._names[address] = name
            self._process.memory.write(address, _HLT)
            self._process.trap(address, self._called)
        return address

    def _called(self) -> bool:
        address = self._process.engine.rip
        caller = self._process.memory.read_u64(self._process.engine.read_register(reg.RSP))
        raise EmulationError(
            f"the plugin called the C function {self._names[address]} (from {caller:#x}); "
            "C code in plugins can only compute, the C library is not there",
            rip=address,
        )
