"""Type descriptors made at run time, where the runtime finds the names and code they refer to.

A descriptor names things by 32-bit offsets, which the runtime resolves against the module whose
``types`` to ``etypes`` holds the descriptor (``runtime/type.go: resolveNameOff, resolveTypeOff``).
So descriptors of ours lie in a range that is the stub module's, close enough above the plugins that
a negative offset reaches the plugins' own types.
"""

from __future__ import annotations

from emuplugin.cpu.address_space import PROT_READ, PROT_WRITE
from emuplugin.errors import EmulationError

from .goruntime import GoRuntime
from .image import IMAGE_BASE
from .stubs import STUBS_BASE

_BASE = IMAGE_BASE + 0x7000_0000
_SIZE = 1 << 24
_STEP = 1 << 16
# Offset 0 means "none", and the walkers of Go 1.27 skip the first word.
_FIRST = 16


class TypeArea:
    """Memory for descriptors, names, masks and itabs. It is never freed."""

    start = _BASE
    end = _BASE + _SIZE
    #: What text offsets count from.
    text = STUBS_BASE

    def __init__(self, runtime: GoRuntime) -> None:
        self._runtime = runtime
        self._next, self._mapped = _BASE + _FIRST, _BASE
        self._reserve(_STEP)
        module = runtime.stubs.moduledata
        runtime.set_at(module, "runtime.moduledata", "types", self.start)
        runtime.set_at(module, "runtime.moduledata", "etypes", self.end)

    @property
    def used(self) -> int:
        """The address behind all that is there."""
        return self._next

    def store(self, data: bytes) -> int:
        """The address of a copy of ``data``, a multiple of 16."""
        address = self.allocate(len(data))
        self._runtime.memory.write(address, data)
        return address

    def allocate(self, size: int) -> int:
        """The address of ``size`` zeroed bytes, a multiple of 16."""
        address = self._next
        self._next += -(-size // 16) * 16
        self._reserve(self._next - self._mapped)
        return address

    def offset(self, address: int) -> int:
        """How a descriptor here refers to a name or type at ``address``."""
        offset = address - self.start
        if not -(1 << 31) <= offset < _SIZE:
            raise EmulationError(f"the type at {address:#x} is out of reach of {self.start:#x}")
        return offset

    def _reserve(self, size: int) -> None:
        if size <= 0:
            return
        size = -(-size // _STEP) * _STEP
        if self._mapped + size > self.end:
            raise EmulationError(f"Python objects of too many classes: {_SIZE} bytes of types")
        space = self._runtime.process.space
        space.map(self._mapped, size, PROT_READ | PROT_WRITE, "[emuplugin types]")
        self._mapped += size
