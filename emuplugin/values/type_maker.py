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
_PTR_TO_THIS = 44  # abi.Type.PtrToThis
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
        self._memory = guest.memory
        self._direct_in_flags = guest.go_minor >= (1, 26)
        # Of one word, a pointer, and compared like one.
        self._pointer_mask = area.store(b"\1".ljust(8, b"\0"))
        model = guest.symbol("type:uintptr")
        if model is None:
            raise EmulationError("the plugin's runtime does not describe the type uintptr")
        self._equal = abi.TYPE.unpack(guest.memory.read(model, abi.TYPE.size))[7]
        self._package = area.offset(self._name("python", exported=False))

    def pointer_to_opaque(self, name: str, size: int, methods: Sequence[MadeMethod]) -> int:
        """``*NAME``, with methods, where ``NAME`` is a struct of ``size`` bytes whose contents are
        nobody's business: it has no fields."""
        area, text = self._area, self._text(name)
        methods = sorted(methods, key=lambda method: method.name.encode())
        struct_type = abi.TYPE.pack(
            size, 0, crc32(f"{name} {text}".encode()), abi.TFLAG_UNCOMMON | abi.TFLAG_NAMED, 8, 8,
            abi.KINDS.index("struct"), 0, 0, text, 0,
        )  # fmt: skip
        # Package path and fields are nil, and there are no methods.
        struct_type = struct_type.ljust(abi.BASE_SIZES["struct"], b"\0")
        element = area.store(struct_type + self._uncommon(0))
        descriptor = self._word(f"*{name}", "ptr", abi.TFLAG_UNCOMMON) + struct.pack("<Q", element)
        descriptor += self._uncommon(len(methods))
        for method in methods:
            code = method.code - area.text
            descriptor += abi.METHOD.pack(
                self._text(method.name), area.offset(method.type), code, code
            )
        pointer = area.store(descriptor)
        self._memory.write_u32(element + _PTR_TO_THIS, area.offset(pointer))
        return pointer

    def function(self, params: Sequence[int]) -> int:
        """``func(PARAMS)``."""
        descriptor = self._word("func", "func", 0) + _FUNC_COUNTS.pack(len(params), 0)
        return self._area.store(descriptor + struct.pack(f"<{len(params)}Q", *params))

    def composite(
        self, name: str, kind: str, size: int, pointers: Sequence[int], rest: bytes
    ) -> int:
        """A type literal of ``size`` bytes whose words ``pointers`` are pointers, without ``==``;
        ``rest`` is what its kind has behind ``abi.Type``."""
        if (size, tuple(pointers)) == (8, (0,)):
            return self._area.store(self._word(name, kind, 0, equal=0) + rest)
        mask = self._area.store(sum(1 << word for word in pointers).to_bytes(8, "little"))
        text = self._text(name)
        number = abi.KINDS.index(kind)
        ptr_bytes = 8 * (max(pointers) + 1)
        descriptor = abi.TYPE.pack(
            size, ptr_bytes, crc32(f"{name} {text}".encode()), 0, 8, 8, number, 0, mask, text, 0
        )
        return self._area.store(descriptor + rest)

    def _word(self, name: str, kind: str, flags: int, equal: int | None = None) -> bytes:
        """``abi.Type`` of a kind that is one pointer."""
        number = abi.KINDS.index(kind)
        if self._direct_in_flags:
            flags |= abi.TFLAG_DIRECT_IFACE
        else:
            number |= abi.KIND_DIRECT_IFACE
        text = self._text(name)
        return abi.TYPE.pack(
            8, 8, crc32(f"{name} {text}".encode()), flags | _TFLAG_REGULAR_MEMORY, 8, 8, number,
            self._equal if equal is None else equal, self._pointer_mask, text, 0,
        )  # fmt: skip

    def _uncommon(self, methods: int) -> bytes:
        """``abi.UncommonType``, with the methods right behind it."""
        return abi.UNCOMMON.pack(self._package, methods, methods, abi.UNCOMMON.size, 0)

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
