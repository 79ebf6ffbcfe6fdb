"""A file as it would lie in memory, mapped at address 0 and relocated, where nothing runs.

Relocating comes first because half of what a plugin's tables say stands in its relocations: in the
file itself most pointers are zeros. Everything that another library would define gets an address
of its own past the end of the image, so that a pointer to ``free`` is still known for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final

from emuplugin.elf.file import ElfFile
from emuplugin.elf.relocations import relocate
from emuplugin.elf.segments import Segment
from emuplugin.errors import FormatError

MAX_SIZE: Final = 1 << 29
"""Memory that a file may claim beyond its own bytes: zeroed segments of half a gigabyte."""

_IMPORT_STEP: Final = 16
_MAX_TEXT: Final = 1 << 24


class Image:
    """The relocated bytes, read by address. FormatError for addresses that the file has not.

    Implements the ``Memory`` that the types of :mod:`emuplugin.values` are read from.
    """

    def __init__(self, file: ElfFile) -> None:
        if file.memory_size > len(file.data) + MAX_SIZE:
            raise FormatError(
                f"the file asks for {file.memory_size:,} bytes of memory, but holds "
                f"{len(file.data):,}; no plugin is built like that"
            )
        self.file = file
        data = bytearray(file.memory_size)
        for segment in file.segments:
            data[segment.vaddr : segment.vaddr + segment.filesz] = file.content(segment)
        self._imports: dict[str, int] = {}
        self._end = self.most = len(data)
        self._data = memoryview(data)
        self.relocations: Mapping[str, int] = relocate(
            file,
            self._data,
            0,
            self._import,
            tls_offset=0,
            resolve_tls=lambda name: 0,
        )
        """How many relocations of each kind were applied."""
        self._words = self._data[: len(data) & ~7].cast("Q")

    def _import(self, name: str) -> int:
        place = self._end + _IMPORT_STEP * (len(self._imports) + 1)
        return self._imports.setdefault(name, place)

    def __len__(self) -> int:
        return self._end

    @cached_property
    def imports(self) -> Mapping[int, str]:
        """The addresses that stand for undefined symbols, and their names."""
        return {address: name for name, address in self._imports.items()}

    @cached_property
    def relocated(self) -> list[int]:
        """The addresses of all words that hold an address, ascending."""
        table = self.file.relocations
        return sorted({*table.offsets, *table.relative_offsets()})

    def segment_at(self, address: int, size: int = 1) -> Segment | None:
        """The segment that holds ``size`` bytes at ``address``."""
        return self.file.segment_at(address, size)

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether there is memory there."""
        return address >= 0 and size >= 0 and address + size <= self._end

    def check(self, address: int, size: int) -> None:
        """FormatError unless all of the range could be read."""
        self.view(address, size)

    def view(self, address: int, size: int) -> memoryview:
        """``size`` bytes; FormatError where the file has no memory."""
        if address < 0 or size < 0 or address + size > self._end:
            raise FormatError(f"a pointer leads to {size} bytes at {address:#x}, outside the file")
        return self._data[address : address + size]

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.view(address, size))

    def read_u8(self, address: int) -> int:
        return self.view(address, 1)[0]

    def read_u16(self, address: int) -> int:
        return int.from_bytes(self.view(address, 2), "little")

    def read_u32(self, address: int) -> int:
        return int.from_bytes(self.view(address, 4), "little")

    def read_u64(self, address: int) -> int:
        if 0 <= address < self._end and not address & 7:
            return self._words[address >> 3]
        return int.from_bytes(self.view(address, 8), "little")

    def read_i32(self, address: int) -> int:
        return int.from_bytes(self.view(address, 4), "little", signed=True)

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        self.view(address, len(data))[:] = data

    def write_u8(self, address: int, value: int) -> None:
        self.write(address, value.to_bytes(1, "little"))

    def write_u32(self, address: int, value: int) -> None:
        self.write(address, value.to_bytes(4, "little"))

    def write_u64(self, address: int, value: int) -> None:
        self.write(address, value.to_bytes(8, "little"))

    def words(self, address: int, count: int) -> Iterator[int]:
        """``count`` words from ``address`` on."""
        return iter(self.view(address, 8 * count).cast("Q"))

    def text(self, address: int, size: int) -> str:
        """The Go string of that length; bytes that are no UTF-8 as ``surrogateescape`` has it."""
        if size > _MAX_TEXT:
            raise FormatError(f"a string of {size} bytes at {address:#x}")
        return bytes(self.view(address, size)).decode("utf-8", "surrogateescape")
