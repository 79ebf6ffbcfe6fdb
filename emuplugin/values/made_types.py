"""Types that Python values need in ``any``, for plugins that have none of them.

The linker keeps only the types that a plugin's code uses. What a list and a dict become in an
interface (``[]interface {}``, ``map[string]interface {}``) may not be among them: then a descriptor
is made, as ``reflect.SliceOf`` and ``reflect.MapOf`` make it. Code that was linked without the type
cannot ask for it by name; package reflect, and so fmt and encoding/json, take it like any other.
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import TYPE_CHECKING

from emuplugin.values.map_memory import SLOTS
from emuplugin.values.type_maker import TypeMaker

if TYPE_CHECKING:
    from emuplugin.values.context import Context
    from emuplugin.values.gotype import GoType

LIST, DICT = "[]interface {}", "map[string]interface {}"

# internal/abi/map_noswiss.go: OldMapReflexiveKey, OldMapNeedKeyUpdate; map.go: MapNeedKeyUpdate
_OLD_STRING_KEY, _SWISS_STRING_KEY = 4 | 8, 1
_STRING, _ANY = (16, (0,)), (16, (0, 1))
"""Bytes, and which words are pointers, of a key and an element."""


class MadeTypes:
    """The types made in one machine."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._made: dict[str, GoType] = {}

    def find(self, name: str) -> GoType | None:
        """The type of that name: the plugin's own, or else one that is made, or None."""
        context = self._context
        if name in context.index:
            self._made.pop(name, None)  # a plugin that was opened later has brought it
            return context.index.find(name)
        found = self._made.get(name)
        if found is None and name in (LIST, DICT):
            address = self._slice() if name == LIST else self._map()
            found = self._made[name] = context.types.at(address)
        return found

    def _slice(self) -> int:
        return self._maker.composite(
            LIST, "slice", 24, (0,), struct.pack("<Q", self._type("interface {}"))
        )

    def _map(self) -> int:
        context = self._context
        layout = context.types.map_layout
        split = "mapsplitgroup" in context.guest.experiments
        size, words = _swiss_group(split) if layout.swiss else _bucket()
        block = context.heap.descriptors.of(size, words)
        hash_string = context.guest.symbol("runtime.strhash")
        assert hash_string is not None  # the runtime itself hashes strings
        hasher = context.guest.type_area.store(struct.pack("<Q", hash_string))
        key, elem = self._type("string"), self._type("interface {}")
        rest = struct.pack("<QQQQ", key, elem, block, hasher)
        slot = _STRING[0] + _ANY[0]
        if not layout.swiss:
            rest += struct.pack("<BBHI", _STRING[0], _ANY[0], size, _OLD_STRING_KEY)
        elif layout.keys_off is None:
            rest += struct.pack("<QQQI4x", size, slot, _STRING[0], _SWISS_STRING_KEY)
        else:
            strides = (SLOTS, slot, SLOTS + _STRING[0], slot, _STRING[0])
            if split:
                strides = (SLOTS, _STRING[0], SLOTS + SLOTS * _STRING[0], _ANY[0], 0)
            rest += struct.pack("<6QI4x", size, *strides, _SWISS_STRING_KEY)
        return self._maker.composite(DICT, "map", 8, (0,), rest)

    def _type(self, name: str) -> int:
        return self._context.index.find(name).address

    @cached_property
    def _maker(self) -> TypeMaker:
        return TypeMaker(self._context.guest)


def _bucket() -> tuple[int, list[int]]:
    """Size and pointer words of ``struct {tophash [8]uint8; keys [8]string; elems [8]any;
    overflow unsafe.Pointer}``."""
    size, words = _arrays()
    return size + 8, [*words, size // 8]


def _swiss_group(split: bool) -> tuple[int, list[int]]:
    """Those of ``struct {ctrl uint64; slots [8]struct {key string; elem any}}``, or with the keys
    and elements in arrays of their own."""
    if split:
        return _arrays()
    return _repeated(SLOTS, [_STRING, _ANY], SLOTS)


def _arrays() -> tuple[int, list[int]]:
    size, keys = _repeated(SLOTS, [_STRING], SLOTS)
    size, elems = _repeated(size, [_ANY], SLOTS)
    return size, keys + elems


def _repeated(
    start: int, parts: list[tuple[int, tuple[int, ...]]], count: int
) -> tuple[int, list[int]]:
    """The end of ``count`` times some parts from ``start`` on, and their pointer words."""
    at, words = start, []
    for _ in range(count):
        for size, pointers in parts:
            words += [at // 8 + pointer for pointer in pointers]
            at += size
    return at, words
