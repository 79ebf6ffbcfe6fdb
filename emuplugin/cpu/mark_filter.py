"""A filter in front of a hook: only instructions at marked addresses reach Python.

A call into Python costs a hundred times what an instruction does. On x86-64 hosts the engine calls
a few bytes of machine code for each instruction of a range, which look the address up in a table
of bytes; elsewhere Python has to look.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

from .host_code import HostCode, placed
from .listing import assemble

# The hook's arguments: engine, address, size, cells. A cell each: the table minus the range's
# first address; where to go for a marked one.
UNIX = """
    488b01     | mov rax, qword ptr [rcx]
    803c3000   | cmp byte ptr [rax + rsi], 0
    7501       | jne 0xa
    c3         | ret
    ff6108     | jmp qword ptr [rcx + 8]
"""
WINDOWS = """
    498b01     | mov rax, qword ptr [r9]
    803c1000   | cmp byte ptr [rax + rdx], 0
    7501       | jne 0xa
    c3         | ret
    41ff6108   | jmp qword ptr [r9 + 8]
"""


class _Cells(ctypes.Structure):
    _fields_ = (("table", ctypes.c_uint64), ("target", ctypes.c_uint64))


class MarkFilter:
    """Passes instructions at marked addresses of ``[start, end)`` on to the hook at ``target``.

    ``function`` is the address of the filter, ``cells`` that of the data for it. It must live as
    long as the hook does.
    """

    def __init__(self, start: int, end: int, target: int) -> None:
        """Raises HostCodeError where the host runs no code of ours."""
        self.start, self.end = start, end
        self.function = _filter_code().code
        self._table = (ctypes.c_uint8 * (end - start))()
        table = (ctypes.addressof(self._table) - start) & 0xFFFFFFFFFFFFFFFF
        self._cells = _Cells(table, target)
        self.cells = ctypes.addressof(self._cells)

    def add(self, address: int) -> None:
        """Mark one more address of the range."""
        self._table[address - self.start] = 1


@cache
def _filter_code() -> HostCode:
    """The code; one copy serves all filters."""
    listing = WINDOWS if sys.platform == "win32" else UNIX
    return placed(assemble(listing, 0, {}, {}))
