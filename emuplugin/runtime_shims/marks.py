"""Marks: which objects of the Go heap the collector found in use when it last looked.

What the collector marks in one cycle becomes, when it sweeps the object's span, the span's
``allocBits`` (``runtime/mgcsweep.go: sweep``). Until then the marks are in ``gcmarkBits``, or, for
small objects of newer versions, at the end of the span's page.
"""

from __future__ import annotations

from .goruntime import GoRuntime

_PAGE_BITS = 13  # runtime/sizeclasses.go: pageShift
_ARENA_BITS = 26  # runtime/malloc.go: logHeapArenaBytes
_ARENA_BASE = 0xFFFF_8000_0000_0000  # runtime/malloc.go: arenaBaseOffset
_IN_USE = 1  # runtime/mheap.go: mSpanInUse
_INLINE_SIZE, _INLINE_MARKS = 128, 64  # runtime/mgcmark_greenteagc.go: spanInlineMarkBits


class Marks:
    """The marks of one program's heap."""

    def __init__(self, runtime: GoRuntime) -> None:
        self._runtime, self._memory = runtime, runtime.memory

    @property
    def cycle(self) -> int:
        """A number that changes when the collector ends marking, and begins to free the rest."""
        return self._runtime.get("runtime.mheap_", "sweepgen")

    def has(self, address: int) -> bool:
        """Whether an object begins at ``address`` that the collector found in use when it last
        ended marking. Objects that were made since have no mark."""
        arena = self._arena(address)
        page = address >> _PAGE_BITS & ((1 << _ARENA_BITS - _PAGE_BITS) - 1)
        span = arena and self._memory.read_u64(
            arena + self._runtime.layout.offset("runtime.heapArena", "spans") + 8 * page
        )
        if not span or self._of(span, "state") & 0xFF != _IN_USE:
            return False
        offset = address - self._of(span, "startAddr")
        index, rest = divmod(offset, self._of(span, "elemsize"))
        if rest or not 0 <= index < self._of(span, "nelems"):
            return False
        bits = self._bits(arena, page, span)
        return bool(self._memory.read(bits + index // 8, 1)[0] >> index % 8 & 1)

    def _arena(self, address: int) -> int:
        table = self._runtime.get("runtime.mheap_", "arenas[0]")
        index = ((address - _ARENA_BASE) & (1 << 64) - 1) >> _ARENA_BITS
        return self._memory.read_u64(table + 8 * index)

    def _bits(self, arena: int, page: int, span: int) -> int:
        # Swept spans in a processor's cache are three ahead (runtime/mheap.go: mspan).
        if (self._of(span, "sweepgen") - self.cycle) & 0xFFFF_FFFF in (0, 3):
            return self._of(span, "allocBits")
        layout = self._runtime.layout
        if layout.has("runtime.heapArena", "pageUseSpanInlineMarkBits"):
            pages = arena + layout.offset("runtime.heapArena", "pageUseSpanInlineMarkBits")
            if self._memory.read(pages + page // 8, 1)[0] >> page % 8 & 1:
                end = self._of(span, "startAddr") + (1 << _PAGE_BITS)
                return end - _INLINE_SIZE + _INLINE_MARKS
        return self._of(span, "gcmarkBits")

    def _of(self, span: int, field: str) -> int:
        return self._runtime.get_at(span, "runtime.mspan", field)
