"""Type descriptors of our own, for what the runtime keeps and the plugin describes nowhere.

The allocator and the collector need of a type its size and which of its words are pointers
(``internal/abi.Type``: Size_, PtrBytes, GCData). A descriptor made here tells just that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emuplugin.values import abi_type as abi

if TYPE_CHECKING:
    from emuplugin.values.guest import Guest, Root

_STRUCT = abi.KINDS.index("struct")


class Descriptors:
    """Makes descriptors in the guest, each layout once; they stay as long as the machine."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._made: dict[tuple[int, tuple[int, ...]], Root] = {}

    def of(self, size: int, pointers: Sequence[int]) -> int:
        """The address of a descriptor: ``size`` bytes whose words ``pointers`` are pointers."""
        key = (size, tuple(pointers))
        root = self._made.get(key)
        if root is None:
            root = self._made[key] = self._make(size, key[1])
        return root.address

    @property
    def pointer(self) -> int:
        """The descriptor of a single pointer."""
        return self.of(8, (0,))

    def _make(self, size: int, pointers: tuple[int, ...]) -> Root:
        bits = sum(1 << word for word in pointers)
        # The runtime reads masks a word at a time.
        mask = bits.to_bytes(-(-size // 512) * 8, "little")
        root = self._guest.hold(self._guest.malloc(abi.TYPE.size + len(mask), 0))
        ptr_bytes = 8 * (max(pointers) + 1) if pointers else 0
        descriptor = abi.TYPE.pack(
            size, ptr_bytes, 0, 0, 8, 8, _STRUCT, 0, root.address + abi.TYPE.size, 0, 0
        )
        self._guest.memory.write(root.address, descriptor + mask)
        return root
