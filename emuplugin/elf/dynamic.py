"""The dynamic section: where the tables that loading needs lie in the mapped file."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from emuplugin.elf.constants import DT_NEEDED, DT_NULL
from emuplugin.errors import FormatError

_DYN: Final = struct.Struct("<QQ")
_MAX_ENTRIES: Final = 4096


class Dynamic(Mapping[int, int]):
    """``d_tag`` to ``d_val``; the last one of a repeated tag, as glibc takes it. ``needed`` keeps
    every DT_NEEDED, as offsets into the dynamic string table."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._values: dict[int, int] = {}
        self.needed: list[int] = []
        view = memoryview(data)
        view = view[: min(len(view) // _DYN.size, _MAX_ENTRIES) * _DYN.size]
        for tag, value in _DYN.iter_unpack(view):
            if tag == DT_NULL:
                return
            if tag == DT_NEEDED:
                self.needed.append(value)
            self._values[tag] = value
        raise FormatError("dynamic section has no end: no DT_NULL entry")

    def __getitem__(self, tag: int) -> int:
        return self._values[tag]

    def __iter__(self) -> Iterator[int]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
