"""malloc's heap: blocks of rounded sizes with free lists."""

from __future__ import annotations

from typing import Any

from emuplugin.cpu.address_space import PROT_READ, PROT_WRITE, AddressSpace, NoMemoryError

_CHUNK = 1 << 20
_SMALLEST = 32


class CHeap:
    """``allocate`` and ``release``; addresses are 16-byte aligned, content is not cleared."""

    def __init__(self, space: AddressSpace, base: int) -> None:
        self._space = space
        self._next = self._end = base
        self._free: dict[int, list[int]] = {}
        self._sizes: dict[int, int] = {}

    @property
    def state(self) -> list[Any]:
        """What :meth:`resume` needs, as plain data."""
        free = [[size, list(blocks)] for size, blocks in self._free.items()]
        return [self._next, self._end, free, [*self._sizes.items()]]

    def resume(self, state: list[Any]) -> None:
        """Take it that memory holds these blocks."""
        self._next, self._end, free, sizes = state
        self._free = {size: list(blocks) for size, blocks in free}
        self._sizes = dict(sizes)

    def allocate(self, size: int) -> int:
        """A block of at least ``size`` bytes; 0 where there is no memory."""
        rounded = max(_SMALLEST, 1 << (size - 1).bit_length() if size > 1 else 1)
        blocks = self._free.get(rounded)
        if blocks:
            address = blocks.pop()
        else:
            if self._next + rounded > self._end:
                grown = max(_CHUNK, rounded)
                try:
                    self._space.map(self._end, grown, PROT_READ | PROT_WRITE, "[malloc]")
                except NoMemoryError:
                    return 0
                self._next = self._end
                self._end += grown
            address = self._next
            self._next += rounded
        self._sizes[address] = rounded
        return address

    def size(self, address: int) -> int:
        """The size of a block; 0 for what is none."""
        return self._sizes.get(address, 0)

    def release(self, address: int) -> bool:
        """Give a block back. False for an address that is not one."""
        size = self._sizes.pop(address, 0)
        if size:
            self._free.setdefault(size, []).append(address)
        return bool(size)
