"""NameOff, TypeOff and TextOff: the 32-bit offsets by which descriptors refer to things.

As ``runtime/type.go: resolveNameOff, resolveTypeOff, (rtype).textOff``: they count from the start
of the module's types section (code: from its text). Types that package reflect made at run
time lie on the heap; their offsets are keys of a table that only the runtime can look up.
"""

from __future__ import annotations

from emuplugin.values.guest import TypeSource
from emuplugin.values.names import NO_NAME, Name, read_name

UNREACHABLE = -1
"""What the linker writes for code and types that it left out."""


class Offsets:
    """Resolves the offsets in the descriptors of one machine."""

    def __init__(self, source: TypeSource) -> None:
        self._source = source

    def name(self, descriptor: int, offset: int) -> Name:
        """The name at ``offset``, which is written in the descriptor at address ``descriptor``."""
        if offset == 0:
            return NO_NAME
        module = self._source.module_of(descriptor)
        if module is not None:
            return read_name(self._source.memory, module.types + offset)
        address = self._source.call_runtime("resolveNameOff", descriptor, offset & 0xFFFFFFFF)
        return read_name(self._source.memory, address)

    def type(self, descriptor: int, offset: int) -> int | None:
        """The address of the type at ``offset``, or None where there is none."""
        if offset in (0, UNREACHABLE):
            return None
        module = self._source.module_of(descriptor)
        if module is not None:
            address = module.types + offset
            return module.typemap.get(address, address)
        return self._source.call_runtime("resolveTypeOff", descriptor, offset & 0xFFFFFFFF) or None

    def text(self, descriptor: int, offset: int) -> int | None:
        """The address of the code at ``offset``, or None where the linker left it out."""
        if offset == UNREACHABLE:
            return None
        module = self._source.module_of(descriptor)
        if module is not None:
            return module.text + offset
        return self._source.call_runtime("rtype.textOff", descriptor, offset & 0xFFFFFFFF) or None
