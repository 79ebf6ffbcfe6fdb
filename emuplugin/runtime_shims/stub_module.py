"""The tables of a small Go module: what the runtime wants to know of code that is ours.

The runtime unwinds every stack it meets (to grow it, to collect, to print it), and a frame whose
pc is in no module is fatal. So the code has a ``moduledata`` and a ``pclntab`` with frame sizes and
stack maps. Formats: ``runtime/symtab.go`` and ``runtime/runtime2.go: _func``, the same from Go 1.20
to 1.27.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from .layouts import Layout

_PCLNTAB_MAGIC = 0xFFFFFFF1  # internal/abi/symtab.go: Go120PCLnTabMagic
_HEADER_SIZE = 80
_FUNC_ID_NORMAL = 0
_NO_FUNCDATA = 0xFFFFFFFF
_NAME = b"emuplugin"


class StubFunction(NamedTuple):
    """``frames`` says which frame size holds up to which offset from ``start``, ascending."""

    name: str
    start: int
    frames: tuple[tuple[int, int], ...]


class StubModule:
    """The tables of ``functions``, whose code lies from ``text`` to ``etext``, to be placed at the
    address ``at``. ``moduledata`` is the address of that struct, ``pclntab`` what its ``pcHeader``
    points to; ``data`` is where the module's data segment begins, which is empty."""

    def __init__(
        self, functions: Sequence[StubFunction], text: int, etext: int, at: int, data: int
    ) -> None:
        self._text, self._etext, self._at, self._data = text, etext, at, data
        starts = [function.start - text for function in functions]
        names, frames, index = _tables(functions, starts, etext - text)
        # struct stackmap {n, nbit}: one map of no bits, as runtime.no_pointers_stackmap.
        stack_map = struct.pack("<ii", 2, 0)
        self._addresses: dict[str, int] = {}
        self._lengths: dict[str, int] = {}
        content = bytearray()
        for name, part in (
            ("names", names), ("frames", frames), ("index", index),
            ("buckets", _buckets(starts, etext - text)), ("gofunc", stack_map), ("name", _NAME),
        ):  # fmt: skip
            self._addresses[name] = at + _HEADER_SIZE + len(content)
            self._lengths[name] = len(part)
            content += part + bytes(-len(part) % 16)
        self._count = len(functions)
        header = struct.pack(
            "<IBBBBqQQ5Q",
            _PCLNTAB_MAGIC,
            0,
            0,
            1,  # minimal instruction size
            8,  # pointer size
            len(functions),
            0,  # files
            text,
            *(
                self._addresses[part] - at
                for part in ("names", "names", "names", "frames", "index")
            ),
        )
        self.pclntab = header.ljust(_HEADER_SIZE, b"\0") + content
        self.moduledata = at + len(self.pclntab)

    def content(self, layout: Layout) -> bytes:
        """What is to be written at ``at``."""
        moduledata = bytearray(layout.size("runtime.moduledata"))
        addresses, lengths = self._addresses, self._lengths

        def put(field: str, *values: int) -> None:
            offset = layout.offset("runtime.moduledata", field)
            struct.pack_into(f"<{len(values)}Q", moduledata, offset, *values)

        for field, value in (
            ("pcHeader", self._at),
            ("findfunctab", addresses["buckets"]),
            ("minpc", self._text),
            ("maxpc", self._etext),
            ("text", self._text),
            ("etext", self._etext),
            ("gofunc", addresses["gofunc"]),
            ("data", self._data),
            ("edata", self._data),
        ):
            put(field, value)
        for field, part in (("funcnametab", "names"), ("pctab", "frames"), ("pclntable", "index")):
            put(field, addresses[part], lengths[part], lengths[part])
        put("ftab", addresses["index"], self._count + 1, self._count + 1)
        put("modulename", addresses["name"], lengths["name"])
        return self.pclntab + moduledata


def _tables(
    functions: Sequence[StubFunction], starts: Sequence[int], size: int
) -> tuple[bytes, bytes, bytes]:
    """Names, pc-value tables, and the functions' records behind their index."""
    names, frames, records, entries = bytearray(b"\0"), bytearray(b"\0"), bytearray(), bytearray()
    index_size = 8 * len(functions) + 4
    index_size += -index_size % 8
    for function, start in zip(functions, starts, strict=True):
        entries += struct.pack("<II", start, index_size + len(records))
        records += struct.pack(
            "<IiiIIIIIIiBBBB II",
            start,
            len(names),
            0,  # args: none on the stack
            0,  # deferreturn
            len(frames),  # pcsp
            0,  # pcfile
            0,  # pcln
            0,  # npcdata
            0,  # cuOffset
            0,  # startLine
            _FUNC_ID_NORMAL,
            0,  # flag
            0,
            2,  # nfuncdata
            _NO_FUNCDATA,  # FUNCDATA_ArgsPointerMaps
            0,  # FUNCDATA_LocalsPointerMaps: at gofunc
        )
        records += bytes(-len(records) % 8)
        names += function.name.encode() + b"\0"
        frames += _pc_table(function.frames)
    entries += struct.pack("<I", size)
    return bytes(names), bytes(frames), bytes(entries).ljust(index_size, b"\0") + bytes(records)


def _buckets(starts: list[int], size: int) -> bytes:
    """``runtime.findfunctab``: which function begins last at or before each 256 bytes of code
    (``runtime/symtab.go: findfuncbucket``)."""
    table = bytearray()
    for bucket in range(0, size, 4096):
        found = [bisect_right(starts, bucket + 256 * part) - 1 for part in range(16)]
        table += struct.pack("<I16B", found[0], *(index - found[0] for index in found))
    return bytes(table)


@cache
def _pc_table(frames: tuple[tuple[int, int], ...]) -> bytes:
    """A pc-value table (``runtime/symtab.go: step``): pairs of value and pc differences."""
    table, value, pc = bytearray(), -1, 0
    for end, size in frames:
        difference = size - value
        table += _varint(difference << 1 if difference >= 0 else ~(difference << 1))
        table += _varint(end - pc)
        value, pc = size, end
    return bytes(table + b"\0")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
