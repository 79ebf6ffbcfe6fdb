"""All types of one machine."""

from __future__ import annotations

from emuplugin.errors import CorruptDataError
from emuplugin.values import abi_type as abi
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Memory, TypeSource
from emuplugin.values.offsets import Offsets
from emuplugin.values.soundness import has_right_size


class Types:
    """All types of one machine, one :class:`GoType` per descriptor."""

    def __init__(self, source: TypeSource) -> None:
        self._source = source
        self.offsets = Offsets(source)
        self.map_layout = abi.map_layout(source.go_minor, source.experiments)
        self._direct_in_flags = source.go_minor >= (1, 26)
        self._types: dict[int, GoType] = {}

    @property
    def memory(self) -> Memory:
        """Guest memory. Asked of the machine each time, which refuses once it is closed."""
        return self._source.memory

    def at(self, address: int) -> GoType:
        """The type whose descriptor is at ``address``.

        Raises CorruptDataError if what lies there cannot be a type descriptor.
        """
        found = self._types.get(address)
        return found if found is not None else self._types.setdefault(address, self._read(address))

    def forget(self, start: int, end: int) -> None:
        """There are no descriptors in ``[start, end)`` any more."""
        for address in [address for address in self._types if start <= address < end]:
            del self._types[address]

    def _read(self, address: int) -> GoType:
        (
            size, ptr_bytes, hash_, flags, align, field_align, kind, equal, gcdata,
            str_offset, ptr_to_this,
        ) = abi.TYPE.unpack(self.memory.read(address, abi.TYPE.size))  # fmt: skip
        number = kind & abi.KIND_MASK
        if not 0 < number < len(abi.KINDS):
            raise CorruptDataError(f"no Go type descriptor at {address:#x}: kind {kind:#x}")
        if not has_right_size(abi.KINDS[number], size):
            raise CorruptDataError(
                f"no Go type descriptor at {address:#x}: {abi.KINDS[number]} of {size} bytes"
            )
        direct = (
            flags & abi.TFLAG_DIRECT_IFACE
            if self._direct_in_flags
            else kind & abi.KIND_DIRECT_IFACE
        )
        return GoType(
            types=self,
            address=address,
            size=size,
            ptr_bytes=ptr_bytes,
            hash=hash_,
            flags=flags,
            align=align,
            field_align=field_align,
            kind=abi.KINDS[number],
            is_direct_iface=bool(direct),
            equal=equal,
            gcdata=gcdata,
            str_offset=str_offset,
            ptr_to_this_offset=ptr_to_this,
        )
