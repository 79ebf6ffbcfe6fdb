"""Memory that the kernel itself writes to counts as used, like memory that the guest touches."""

from __future__ import annotations

from emuplugin.cpu.address_space import PAGE_SIZE, AddressSpace


def make_present(space: AddressSpace, at: int, size: int) -> None:
    """Make the pages of ``[at, at + size)`` present as far as there are any. Raises NoMemoryError
    where the limit does not allow it."""
    entry = space.tables.entry
    for page in range(at & -PAGE_SIZE, at + size, PAGE_SIZE):
        if not entry(page):
            space.touch(page)
