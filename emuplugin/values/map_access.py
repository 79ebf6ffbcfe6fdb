"""MapAccess: what Go code does with a map, done for Python.

By the runtime's own functions where the plugin holds them. The linker leaves out those that no
code of the plugin calls; then :class:`MapWriter` does their work.
"""

from __future__ import annotations

import struct
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

from emuplugin.values.bucket_maps import BucketMapMemory
from emuplugin.values.bucket_writer import BucketWriter
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
from emuplugin.values.map_memory import MapMemory
from emuplugin.values.map_writer import MapWriter
from emuplugin.values.swiss_maps import SwissMapMemory
from emuplugin.values.swiss_writer import SwissWriter

if TYPE_CHECKING:
    from emuplugin.values.context import Context

_FAST_ELEM = 128
"""``abi.MapMaxElemBytes``: maps with larger elements have no fast functions."""

_MANY = 3
"""Entries from which on it is quicker to set them together."""

_AT_ONCE = 1 << 16
"""Bytes of entries that are set by one call, so that Ctrl-C need not wait for long."""

_WORDS = 16
"""Bytes that are read of a key that goes in registers, even if it has less."""

_STATE = struct.Struct("<QQQQQQQQQQq")
"""What the loop over entries is given; :mod:`emuplugin.runtime_shims.map_stubs` tells the words."""

_GOLDEN = 0x9E3779B97F4A7C15
_MASK64 = (1 << 64) - 1


class MapAccess:
    """Operations on maps of one type. Maps are addresses, keys are images whose references the
    caller keeps alive; elements are addresses."""

    _seeds = count(1)

    def __init__(self, context: Context, go_type: GoType) -> None:
        self.context = context
        self.type = go_type
        layout = go_type.types.map_layout
        self.memory: MapMemory = (SwissMapMemory if layout.swiss else BucketMapMemory)(
            layout, go_type
        )
        self._swiss = layout.swiss

    def make(self, size: int = 0) -> Root:
        """A new map with room for ``size`` entries."""
        guest, heap = self.context.guest, self.context.heap
        pointers = self.memory.header_pointers
        with Allocations(guest) as allocations:
            size_of = self.memory.header_size
            header = heap.descriptors.of(size_of, pointers)
            root = guest.hold(allocations.raw(size_of, header))
            seed = next(self._seeds) * _GOLDEN & _MASK64
            image = seed.to_bytes(8, "big")[: self.memory.seed_size]
            guest.memory.write(root.address + self.memory.seed_offset, image)
            if size:
                self._writer(allocations).room(root.address, size)
        return root

    def find(self, address: int, key: bytes) -> int:
        """The address of the element of a key, 0 where there is none."""
        access, missing = self._access
        if not access:
            with Allocations(self.context.guest) as allocations:
                entry = self._writer(allocations).find(address, key)
            return 0 if entry is None else entry.elem
        # runtime: mapaccess2(typ *abi.MapType, m, key unsafe.Pointer) (unsafe.Pointer, bool)
        words = (self.type.address, address, self.context.heap.scratch(key))
        found = self.context.guest.call_words(access, 0, words)
        return 0 if found == missing else found

    def assign(self, address: int, key: bytes) -> int:
        """Where the element of a key is to be stored; the key is added where it is missing."""
        guest, heap = self.context.guest, self.context.heap
        heap.reserve(max(self.type.key.size, self.type.elem.size))
        if self._assign:
            # runtime: mapassign(typ *abi.MapType, m, key unsafe.Pointer) unsafe.Pointer
            return guest.call_words(
                self._assign, 0, (self.type.address, address, heap.scratch(key))
            )
        if self._fast_assign:
            values = [int.from_bytes(key[at : at + 8], "little") for at in range(0, len(key), 8)]
            return guest.call_words(self._fast_assign, 0, (self.type.address, address, *values))
        with Allocations(guest) as allocations:
            writer = self._writer(allocations)
            entry = writer.find(address, key)
            return writer.insert(address, key) if entry is None else entry.elem

    def assign_many(
        self, address: int, keys: bytes, elems: bytes, count: int, allocations: Allocations
    ) -> None:
        """Set ``count`` entries, whose images lie one after the other.

        In one call of the guest for many of them, which keep it busy for some milliseconds."""
        key_size, elem_size = self.type.key.size, self.type.elem.size
        if count < _MANY or not self._batch:
            store, elem_type = self.context.heap.store, self.type.elem
            for number in range(count):
                key = keys[number * key_size : (number + 1) * key_size]
                elem = elems[number * elem_size : (number + 1) * elem_size]
                store(self.assign(address, key), elem, elem_type)
            return
        guest, (loop, function, move) = self.context.guest, self._batch
        most = min(count, max(_AT_ONCE // (key_size + elem_size + 1), 1))
        # Memory of its own: in the middle of it Python may be called, by a finalizer.
        allocations.protect()
        room = _STATE.size + most * (key_size + elem_size) + _WORDS + 8
        state = guest.hold(allocations.raw(room, 0))
        first_key = state.address + _STATE.size
        for start in range(0, count, most):
            stop = min(start + most, count)
            part = keys[start * key_size : stop * key_size]
            # Room behind the last key, and elements where the barrier wants them: aligned.
            part += bytes(_WORDS + -len(part) % 8)
            first_elem = first_key + len(part)
            image = _STATE.pack(
                function, self.type.address, address, first_key, key_size,
                move, self.type.elem.address, first_elem, elem_size,
                0, stop - start,
            )  # fmt: skip
            part += elems[start * elem_size : stop * elem_size]
            guest.memory.write(state.address, image + part)
            guest.call_words(loop, 0, (state.address,))
        state.release()

    def delete(self, address: int, key: bytes) -> bool:
        """Take a key out; whether it was there."""
        guest, scratch = self.context.guest, self.context.heap.scratch
        before = self.memory.count(address)
        runtime, method = self._delete
        if runtime:
            # runtime: mapdelete(typ *abi.MapType, m, key unsafe.Pointer)
            guest.call_words(runtime, 0, (self.type.address, address, scratch(key)))
        elif method:
            # maps: (m *Map) Delete(typ *abi.MapType, key unsafe.Pointer)
            guest.call_words(method, 0, (address, self.type.address, scratch(key)))
        else:
            with Allocations(guest) as allocations:
                return self._writer(allocations).delete(address, key)
        return self.memory.count(address) < before

    def clear(self, address: int) -> None:
        """Take everything out, keys that do not equal themselves too."""
        guest = self.context.guest
        runtime, method = self._clear
        if runtime:
            guest.call_words(runtime, 0, (self.type.address, address))
        elif method:
            guest.call_words(method, 0, (address, self.type.address))
        else:
            with Allocations(guest) as allocations:
                self._writer(allocations).clear(address)

    def _writer(self, allocations: Allocations) -> MapWriter:
        kind = SwissWriter if self._swiss else BucketWriter
        return kind(self.context, self.type, self.memory, allocations)

    def _symbol(self, name: str) -> int:
        return self.context.guest.symbol(name) or 0

    @cached_property
    def _access(self) -> tuple[int, int]:
        """The function that looks up, and what it returns for keys that are not there."""
        missing = self._symbol("runtime.zeroVal")
        access = self._symbol("runtime.mapaccess2") or self._symbol("runtime.mapaccess1")
        return (access, missing) if access and missing else (0, 0)

    @cached_property
    def _assign(self) -> int:
        return self._symbol("runtime.mapassign")

    @cached_property
    def _fast_assign(self) -> int:
        """As the compiler chooses (``cmd/compile/internal/walk: mapfast``), for keys in words."""
        key, elem = self.type.key, self.type.elem
        if elem.size > _FAST_ELEM:
            return 0
        if key.kind == "string":
            return self._symbol("runtime.mapassign_faststr")
        if key.kind in ("ptr", "chan", "unsafe.Pointer"):
            return self._symbol("runtime.mapassign_fast64ptr")
        if key.kind in ("int", "uint", "int64", "uint64", "uintptr"):
            return self._symbol("runtime.mapassign_fast64")
        if key.kind in ("int32", "uint32"):
            return self._symbol("runtime.mapassign_fast32")
        return 0

    @cached_property
    def _batch(self) -> tuple[int, int, int] | None:
        """The loop over entries (see :mod:`~emuplugin.runtime_shims.map_stubs`), what it calls to
        assign a key, and what to store an element."""
        loop = "emuplugin.mapassign_words" if self._fast_assign else "emuplugin.mapassign"
        function = self._fast_assign or self._assign
        if not function:
            return None
        return self._symbol(loop), function, self._symbol("runtime.typedmemmove")

    @cached_property
    def _delete(self) -> tuple[int, int]:
        swiss = self._symbol("internal/runtime/maps.(*Map).Delete") if self._swiss else 0
        return self._symbol("runtime.mapdelete"), swiss

    @cached_property
    def _clear(self) -> tuple[int, int]:
        swiss = self._symbol("internal/runtime/maps.(*Map).Clear") if self._swiss else 0
        return self._symbol("runtime.mapclear"), swiss
