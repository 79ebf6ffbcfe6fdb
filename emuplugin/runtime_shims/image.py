"""A plugin's segments in guest memory, relocated and bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emuplugin.cpu.address_space import (
    PAGE_SIZE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    AddressSpace,
    NoMemoryError,
)
from emuplugin.elf.file import ElfFile
from emuplugin.elf.relocations import relocate
from emuplugin.elf.segments import Segment
from emuplugin.errors import OpenError

from .process import LOADER_PAGES, Process
from .relocator import Relocator

#: The first image lies here, the next ones above it.
IMAGE_BASE = 0x4_0000_0000
#: Where ``runtime.tlsg`` lies, counted from the thread pointer.
TLS_G = -8


class Image:
    """One mapped file. ``base`` is what its addresses count from."""

    def __init__(self, file: ElfFile, base: int, size: int, relocations: Mapping[str, int]) -> None:
        self.file = file
        self.base = base
        self.size = size
        self.relocations = relocations
        #: The addresses that were asked for, by name.
        self.known_symbols: dict[str, int | None] = {}

    def symbol(self, name: str) -> int | None:
        """The guest address of a dynamic symbol defined here."""
        try:
            return self.known_symbols[name]
        except KeyError:
            symbol = self.file.symbols.find(name)
            address = None if symbol is None or not symbol.defined else self.base + symbol.value
            self.known_symbols[name] = address
            return address

    def holds(self, address: int) -> bool:
        return self.base <= address < self.base + self.size


def map_image(
    process: Process, file: ElfFile, resolve: Callable[[str], int | None], *, first: bool
) -> Image:
    """Map ``file`` above what is there and apply its relocations.

    ``resolve`` answers for undefined symbols, and, for every file but the first of a machine, for
    all symbols: whoever came first defines. Raises OpenError and what relocation raises.
    """
    space, size = process.space, file.memory_size
    base = space.gap(size, IMAGE_BASE, IMAGE_BASE + (1 << 36), align=max(file.alignment, PAGE_SIZE))
    if base is None:
        raise OpenError("no room in the address space for another plugin")
    try:
        relocations = _fill(process, file, base, resolve, first=first)
    except NoMemoryError:
        space.unmap(base, size)
        raise OpenError(
            f"the file needs {size} bytes of memory, more than the machine has"
        ) from None
    except OpenError:
        space.unmap(base, size)
        raise
    for segment in file.segments:
        _protect(space, base, segment)
    relro = file.relro
    if relro is not None:
        _protect(space, base, relro, PROT_READ)
    return Image(file, base, size, relocations)


def _fill(
    process: Process,
    file: ElfFile,
    base: int,
    resolve: Callable[[str], int | None],
    *,
    first: bool,
) -> Mapping[str, int]:
    """Map it, writable, copy what is in the file, and relocate. How many relocations there were of
    each kind. Raises NoMemoryError too."""
    space = process.space
    area = space.map(base, file.memory_size, PROT_READ | PROT_WRITE, file.path)
    assert area.physical is not None
    content = space.physical.bytes[area.physical : area.physical + file.memory_size]
    filled = max(segment.vaddr + segment.filesz for segment in file.segments)
    space.physical.expect_filled(area.physical, filled)
    for segment in file.segments:
        start, size = segment.vaddr, segment.filesz
        space.provide(base + start, size)
        content[start : start + size] = file.content(segment)
    return relocate(
        file,
        content,
        base,
        resolve,
        tls_offset=TLS_G,
        scope_first=not first,
        resolve_tls=_thread_local,
        in_bulk=Relocator(process.engine, base, LOADER_PAGES),
    )


def _thread_local(name: str) -> int | None:
    return TLS_G if name == "runtime.tlsg" else None


def _protect(space: AddressSpace, base: int, segment: Segment, prot: int | None = None) -> None:
    if prot is None:
        prot = (
            (PROT_READ if segment.readable else 0)
            | (PROT_WRITE if segment.writable else 0)
            | (PROT_EXEC if segment.executable else 0)
        )
        start = segment.vaddr & -PAGE_SIZE
        end = -(-segment.end // PAGE_SIZE) * PAGE_SIZE
    else:
        # As the dynamic loader does: RELRO ends at a page boundary, rounded down.
        start, end = segment.vaddr & -PAGE_SIZE, segment.end & -PAGE_SIZE
    if end > start:
        space.protect(base + start, end - start, prot)
