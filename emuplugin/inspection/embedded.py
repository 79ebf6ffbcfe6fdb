"""Files that ``//go:embed`` put into the plugin, in variables of type ``embed.FS``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from emuplugin.elf.image import Image
from emuplugin.errors import FormatError
from emuplugin.inspection.data_symbols import DataSymbols
from emuplugin.inspection.module import Module

_SLICE_SIZE: Final = 24
_FILE_SIZE: Final = 48
_MAX_FILES: Final = 1 << 20
_MAX_NAME: Final = 1 << 12


@dataclass(frozen=True)
class EmbeddedFile:
    """A file or, with a name that ends in ``/``, a folder of an ``embed.FS``.

    ``variable`` is the linker's name of the FS, empty where no symbol tells it. ``sha256`` is
    that of the contents, in hexadecimal; empty for folders. (The compiler notes a hash too, but
    mangles it: cmd/internal/hash.)
    """

    variable: str
    name: str
    size: int
    sha256: str
    data: bytes = field(repr=False)

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")


def embedded_files(module: Module, symbols: DataSymbols) -> Iterator[EmbeddedFile]:
    """The files of all ``embed.FS``, in their order.

    The compiler writes a slice header and right behind it the array that it points to
    (``cmd/compile/internal/staticdata: WriteEmbed``): a pointer to what follows 24 bytes later,
    which nothing else in a plugin looks like. Variables of type ``string`` and ``[]byte`` with
    embedded contents look like any others.
    """
    image = module.image
    owners: dict[int, list[int]] = {}
    headers = []
    for place in image.relocated:
        if not image.holds(place, 8):
            continue
        target = image.read_u64(place)
        if target == place + _SLICE_SIZE:
            headers.append(place)
        elif module.in_data(place):
            owners.setdefault(target, []).append(place)
    for header in headers:
        files = _read_files(image, header)
        if files is None:
            continue
        variable = _owner(symbols, owners.get(header, []))
        for name, data in files:
            digest = "" if name.endswith("/") else hashlib.sha256(data).hexdigest()
            yield EmbeddedFile(variable, name, len(data), digest, data)


def _owner(symbols: DataSymbols, places: list[int]) -> str:
    """The variable that points to a list of files: the one word that an ``embed.FS`` is."""
    for place in places:
        symbol = symbols.at(place)
        if symbol is not None and symbol.address == place:
            return symbol.name
    return ""


def _read_files(image: Image, header: int) -> list[tuple[str, bytes]] | None:
    """The files behind a slice header: ``{name, data string; hash [16]byte}`` each; None where
    it is something else."""
    start, count, capacity = image.words(header, 3)
    if not 0 < count == capacity <= _MAX_FILES or not image.holds(start, count * _FILE_SIZE):
        return None
    files = []
    for at in range(start, start + count * _FILE_SIZE, _FILE_SIZE):
        name_at, name_size, data_at, data_size = image.words(at, 4)
        if not 0 < name_size <= _MAX_NAME or not image.holds(name_at, name_size):
            return None
        if data_size and not image.holds(data_at, data_size):
            return None
        try:
            name = image.read(name_at, name_size).decode()
            data = image.read(data_at, data_size) if data_size else b""
        except (UnicodeDecodeError, FormatError):
            return None
        files.append((name, data))
    return files
