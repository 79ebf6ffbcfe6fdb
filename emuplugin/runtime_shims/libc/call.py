"""A call of a C function by the System V ABI, as the host sees it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from emuplugin.cpu import registers as reg

if TYPE_CHECKING:
    from .library import CLibrary

_STRING_MAX = 1 << 24


class CCall:
    """Arguments in their order: :meth:`word` and :meth:`double` take the next one of their class,
    in registers first and then from the stack, which is also how variable arguments are passed."""

    def __init__(self, library: CLibrary) -> None:
        self.library = library
        self.memory = library.memory
        engine = library.process.engine
        self._words = engine.batch(reg.RDI, reg.RSI, reg.RDX, reg.RCX, reg.R8, reg.R9)
        self._vectors = engine.batch(wide=reg.XMM[:8])
        self._result = engine.batch(wide=reg.XMM[:1])
        self._word = self._double = self._stack = 0

    def begin(self, rsp: int) -> None:
        """A call has come; ``rsp`` points to its return address."""
        self._words.load()
        self._vectors.load()
        self._word = self._double = 0
        self._stack = rsp + 8

    def word(self) -> int:
        """The next integer or pointer, as 64 unsigned bits."""
        if self._word < 6:
            self._word += 1
            value: int = self._words.values[self._word - 1]
            return value
        self._stack += 8
        return self.memory.read_u64(self._stack - 8)

    def long(self) -> int:
        """The next integer as a signed 64-bit one."""
        value = self.word()
        return value - (1 << 64) if value >> 63 else value

    def double(self) -> float:
        """The next double."""
        if self._double < 8:
            self._double += 1
            word = self._vectors.values[2 * (self._double - 1)]
        else:
            self._stack += 8
            word = self.memory.read_u64(self._stack - 8)
        value: float = struct.unpack("<d", struct.pack("<Q", word))[0]
        return value

    def string(self) -> bytes:
        """The next argument as a C string."""
        return self.memory.read_string(self.word(), _STRING_MAX)

    def return_double(self, value: float) -> int:
        """Put a double where C returns it."""
        self._result.values[0] = struct.unpack("<Q", struct.pack("<d", value))[0]
        self._result.values[1] = 0
        self._result.store()
        return 0


class VariableList:
    """A ``va_list`` (System V ABI, 3.5.7): the arguments that it has not given out yet."""

    def __init__(self, call: CCall, address: int) -> None:
        self.memory = call.memory
        self._address = address

    def _next(self, at: int, limit: int, step: int) -> int:
        offset = self.memory.read_u32(self._address + at)
        if offset < limit:
            self.memory.write_u32(self._address + at, offset + step)
            return self.memory.read_u64(self.memory.read_u64(self._address + 16) + offset)
        stack = self.memory.read_u64(self._address + 8)
        self.memory.write_u64(self._address + 8, stack + 8)
        return self.memory.read_u64(stack)

    def word(self) -> int:
        return self._next(0, 48, 8)

    def double(self) -> float:
        value: float = struct.unpack("<d", struct.pack("<Q", self._next(4, 176, 16)))[0]
        return value

    def string(self) -> bytes:
        return self.memory.read_string(self.word(), _STRING_MAX)


#: What a function returns goes into RAX; None if it has set the registers itself.
CFunction = Callable[[CCall], "int | None"]
