"""Names in type metadata (``internal/abi.Name``).

A flag byte, the name's length as a varint, its bytes; then the tag likewise if it has one; then
the package path as a four-byte name offset if it has one.
"""

from __future__ import annotations

from typing import NamedTuple

from emuplugin.values import abi_type as abi
from emuplugin.values.guest import Memory


class Name(NamedTuple):
    """A name and what stands with it. ``pkg_path_offset`` is None where there is no path."""

    name: str
    tag: str
    exported: bool
    embedded: bool
    pkg_path_offset: int | None


NO_NAME = Name("", "", False, False, None)


def _counted(memory: Memory, address: int) -> tuple[str, int]:
    """The string at ``address`` behind its varint length, and the address after it."""
    length = shift = 0
    while True:
        byte = memory.read_u8(address)
        address += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    return memory.read(address, length).decode("utf-8", "surrogateescape"), address + length


def read_name(memory: Memory, address: int) -> Name:
    """The name at ``address``; address 0 is the empty name."""
    if not address:
        return NO_NAME
    flags = memory.read_u8(address)
    name, address = _counted(memory, address + 1)
    tag = ""
    if flags & abi.NAME_TAG:
        tag, address = _counted(memory, address)
    return Name(
        name,
        tag,
        bool(flags & abi.NAME_EXPORTED),
        bool(flags & abi.NAME_EMBEDDED),
        memory.read_i32(address) if flags & abi.NAME_PKG_PATH else None,
    )


def read_string(memory: Memory, address: int) -> str:
    """Only the text of the name at ``address``."""
    return read_name(memory, address).name
