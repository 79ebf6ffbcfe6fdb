"""What ``plugin.Lookup`` finds: ``moduledata.ptab``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from emuplugin.errors import FormatError
from emuplugin.inspection.descriptors import Descriptors
from emuplugin.inspection.module import Module
from emuplugin.values.names import read_string

_ENTRY: Final = struct.Struct("<ii")


@dataclass(frozen=True)
class Export:
    """An exported name. ``kind`` is ``func`` or ``var``; ``type`` the Go type of the function, or
    of what the variable holds; ``symbol`` the linker's name, ``address`` where it lies (0 where
    the file has no such symbol: ``plugin.Open`` then fails)."""

    name: str
    kind: str
    type: str
    symbol: str
    address: int


def exports(module: Module, descriptors: Descriptors) -> Iterator[Export]:
    """The exported names in the order of the table."""
    prefix = escaped_path(module.plugin_path)
    for name_offset, type_offset in _ENTRY.iter_unpack(module.slice("ptab", _ENTRY.size)):
        name = read_string(module.image, module.types + name_offset)
        go_type = descriptors.read(module.types + type_offset)
        is_function = go_type.kind == "func"
        if not is_function and go_type.kind != "ptr":
            raise FormatError(f"the export {name} is of type {go_type.string}, not a pointer")
        symbol = module.file.symbols.find(f"{prefix}.{name}")
        yield Export(
            name,
            "func" if is_function else "var",
            go_type.signature if is_function else go_type.elem.string,
            f"{prefix}.{name}",
            symbol.value if symbol is not None else 0,
        )


def escaped_path(path: str) -> str:
    """An import path as symbols have it (cmd/internal/objabi: PathToPrefix)."""
    folder, slash, last = path.rpartition("/")
    safe = "!#$&'()*+,-/:;<=>?@[\\]^_`{|}~"

    def escape(text: str, dots: bool) -> str:
        done = quote(text, safe=safe)
        done = "".join(
            part.lower() if part.startswith("%") else part for part in _split_escapes(done)
        )
        return done.replace(".", "%2e") if dots else done

    return escape(folder, False) + slash + escape(last, True)


def _split_escapes(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        size = 3 if text[at] == "%" else 1
        yield text[at : at + size]
        at += size
