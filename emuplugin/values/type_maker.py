"""Go types of our own: descriptors in the machine's type area, complete enough for reflection.

Unlike :mod:`descriptors`, which serves the allocator, these have names and methods, and Go
programs meet them as dynamic types of interfaces.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from emuplugin.errors import EmulationError
from emuplugin.values import abi_type as abi

if TYPE_CHECKING:
    from emuplugin.values.guest import Guest

_TFLAG_REGULAR_MEMORY = 1 << 3
_NAME_EXPORTED = abi.NAME_EXPORTED
_FUNC_COUNTS = struct.Struct("<HH4x")


class MadeMethod(NamedTuple):
    """A method of a made type: its func type without receiver, and its code, which takes the
    receiver in the first integer register."""

    name: str
    type: int
    code: int


class TypeMaker:
    """Makes types in one machine; they stay as long as it does."""

    def __init__(self, guest: Guest) -> None:
        self._area = area = guest.type_area
        self._direct_in_flags = guest.go_minor >= (1, 26)
        # Of one word, a pointer, and compared like one.
        self._pointer_mask = area.store(b"\1".ljust(8, b"\0"))
        model = guest.symbol("type:uintptr")
        if model is None:
            raise EmulationError("the plugin's runtime does not describe the type uintptr")
        self._equal = abi.TYPE.unpack(guest.memory.read(model, abi.TYPE.size))[7]
        self._package = area.offset(self._name("python", exported=False))

    def opaque(self, name: str, methods: Sequence[MadeMethod]) -> int:
        """A named type whose values are single pointers that nobody looks behind, with methods:
        ``type NAME unsafe.Pointer``, as far as reflection is concerned."""
        area = self._area
        methods = sorted(methods, key=lambda method: method.name.encode())
        flags = abi.TFLAG_UNCOMMON | abi.TFLAG_NAMED
        descriptor = self._word(name, "unsafe.Pointer", flags)
        count = len(methods)
        descriptor += abi.UNCOMMON.pack(self._package, count, count, abi.UNCOMMON.size, 0)
        for method in methods:
            code = method.code - area.text
            name_offset = area.offset(self._name(method.name))
            descriptor += abi.METHOD.pack(name_offset, area.offset(method.type), code, code)
        return area.store(descriptor)

    def pointer_to_bytes(self, size: int) -> int:
        """``*[SIZE]byte``, or rather a pointer to something of that size without pointers."""
        element = abi.TYPE.pack(
            size, 0, 0, 0, 8, 8, abi.KINDS.index("struct"), 0, 0, self._text("struct {}"), 0
        )
        # struct {}: package path and fields are nil.
        target = self._area.store(element + bytes(abi.BASE_SIZES["struct"] - len(element)))
        return self._area.store(self._word("*struct {}", "ptr", 0) + struct.pack("<Q", target))

    def function(self, params: Sequence[int]) -> int:
        """``func(PARAMS)``."""
        descriptor = self._word("func", "func", 0) + _FUNC_COUNTS.pack(len(params), 0)
        return self._area.store(descriptor + struct.pack(f"<{len(params)}Q", *params))

    def _word(self, name: str, kind: str, flags: int) -> bytes:
        """``abi.Type`` of a kind that is one pointer."""
        number = abi.KINDS.index(kind)
        if self._direct_in_flags:
            flags |= abi.TFLAG_DIRECT_IFACE
        else:
            number |= abi.KIND_DIRECT_IFACE
        text = self._text(name)
        return abi.TYPE.pack(
            8, 8, crc32(f"{name} {text}".encode()), flags | _TFLAG_REGULAR_MEMORY, 8, 8, number,
            self._equal, self._pointer_mask, text, 0,
        )  # fmt: skip

    def _text(self, name: str) -> int:
        return self._area.offset(self._name(name))

    def _name(self, name: str, *, exported: bool = True) -> int:
        """``abi.Name`` without tag and package path."""
        data, length = name.encode(), bytearray()
        size = len(data)
        while size >= 0x80:
            length.append(size & 0x7F | 0x80)
            size >>= 7
        length.append(size)
        return self._area.store(bytes([_NAME_EXPORTED * exported]) + length + data)
