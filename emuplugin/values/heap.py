"""Writing to guest memory under the eyes of Go's garbage collector.

Two rules keep the collector's picture of the heap true. An object that only Python knows needs a
root before anything else runs in the guest (:class:`Allocations`). And a pointer that is stored
while the collector marks must go through the runtime's write barrier (:class:`Heap`), also into
memory that is new: that is born marked and not scanned again, so if the pointer's root goes before
the collector has seen it, nothing else tells of the object.
"""

from __future__ import annotations

from types import TracebackType

from emuplugin.values.descriptors import Descriptors
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Guest, Root

_LENT = 4096
"""Bytes of memory for arguments that Go only looks at."""

_TEXTS = 1024
"""Bytes of an object for short texts."""


class Heap:
    """The Go heap of one machine, seen from Python."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.descriptors = Descriptors(guest)
        self._write_barrier = guest.symbol("runtime.writeBarrier")
        self._scratch: Root | None = None
        self._lent: Root | None = None
        self._scratch_size = 0
        self._text: Root | None = None
        self._text_used = 0

    def store(self, address: int, image: bytes | memoryview, go_type: GoType) -> None:
        """Put the ``image`` of a value of ``go_type`` at ``address``, which already holds one.

        What ``image`` points to must be rooted by the caller.
        """
        if go_type.ptr_bytes and self._marking():
            self._move(address, image, go_type.address)
        else:
            self.guest.memory.write(address, image)

    def store_many(self, address: int, image: bytes | memoryview, go_type: GoType) -> None:
        """:meth:`store` of values of ``go_type`` that lie one after the other."""
        if go_type.ptr_bytes and self._marking():
            count = len(image) // go_type.size
            words = (go_type.address, address, count, self.scratch(image), count)
            # runtime/mbarrier.go: typedslicecopy(typ, dstPtr, dstLen, srcPtr, srcLen) int
            self.guest.call_runtime("typedslicecopy", *words)
        else:
            self.guest.memory.write(address, image)

    def store_pointer(self, address: int, pointer: int) -> None:
        """:meth:`store` of a single pointer of any type."""
        image = pointer.to_bytes(8, "little")
        if self._marking():
            self._move(address, image, self.descriptors.pointer)
        else:
            self.guest.memory.write(address, image)

    def scratch(self, image: bytes | memoryview) -> int:
        """Where ``image`` lies for the next call of the runtime. What it points to must be rooted:
        the collector does not look there."""
        self.reserve(len(image))
        assert self._scratch is not None
        self.guest.memory.write(self._scratch.address, image)
        return self._scratch.address

    def lend(self, used: int, data: bytes | bytearray | memoryview) -> int:
        """Where ``data`` lies for the next call, behind ``used`` bytes; 0 if it is too long."""
        if used + len(data) > _LENT:
            return 0
        if self._lent is None:
            self._lent = self.guest.hold(self.guest.malloc(_LENT, 0))
        self.guest.memory.write(self._lent.address + used, data)
        return self._lent.address + used

    def text(self, data: bytes) -> tuple[int, Root]:
        """The address of new pointer-free memory that holds ``data``, a short text, and what
        keeps it alive until a call has it. As the runtime does for tiny objects
        (``runtime/malloc.go: mallocgc``), several share one, which lives as long as any of them.
        """
        end = self._text_used + len(data)
        if self._text is None or end > _TEXTS:
            self._text = self.guest.hold(self.guest.malloc(_TEXTS, 0, False))
            self._text_used, end = 0, len(data)
        at = self._text.address + self._text_used
        self.guest.memory.write(at, data)
        self._text_used = end
        return at, self._text

    def _move(self, address: int, image: bytes | memoryview, type_address: int) -> None:
        # runtime/mbarrier.go: typedmemmove(typ, dst, src) runs the bulk barrier, then copies.
        self.guest.call_runtime("typedmemmove", type_address, address, self.scratch(image))

    def reserve(self, size: int) -> None:
        """Make sure that a later :meth:`store` of up to ``size`` bytes allocates nothing.

        To be called before pointers arrive that nothing roots yet, such as results of a call.
        """
        if size > self._scratch_size or self._scratch is None:
            size = max(size, 256)
            self._scratch = self.guest.hold(self.guest.malloc(size, 0))
            self._scratch_size = size

    def _marking(self) -> bool:
        """``runtime.writeBarrier.enabled``, read as compiled code reads it."""
        flag = self._write_barrier
        return flag is not None and bool(self.guest.memory.read_u32(flag))


class Allocations:
    """Objects made in the guest for one conversion, alive at least until the ``with`` ends.

    Only an allocation or a call in the guest can start the collector, so the newest object needs a
    root only when another is made: most calls never take one.
    """

    __slots__ = ("_guest", "_newest", "_roots")

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._newest = 0
        self._roots: list[Root] = []

    def __enter__(self) -> Allocations:
        # Another thread must not run the guest while an object has no root.
        self._guest.lock.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for root in self._roots:
            root.release()
        self._roots.clear()
        self._guest.lock.release()

    def bytes(self, data: bytes | bytearray | memoryview) -> int:
        """The address of a new pointer-free object that holds ``data``; 0 for no data."""
        if not data:
            return 0
        self.protect()
        address = self._guest.malloc(len(data), 0, False)
        self._guest.memory.write(address, data)
        self._newest = address
        return address

    def room(self, size: int) -> int:
        """The address of ``size`` bytes for what holds no pointers, with anything in them."""
        self.protect()
        self._newest = self._guest.malloc(size, 0, False)
        return self._newest

    def object(self, size: int, go_type: GoType) -> int:
        """The address of ``size`` zeroed bytes for one value or several of ``go_type``."""
        return self.raw(size, go_type.address if go_type.ptr_bytes else 0)

    def raw(self, size: int, type_address: int) -> int:
        """:meth:`object` by the address of a descriptor; 0 means that there are no pointers."""
        self.protect()
        self._newest = self._guest.malloc(size, type_address)
        return self._newest

    def keep(self, root: Root) -> None:
        """Release ``root`` together with the rest."""
        self._roots.append(root)

    def protect(self) -> None:
        """Root what has no root yet; needed before anything else runs in the guest."""
        if self._newest:
            self._roots.append(self._guest.hold(self._newest))
            self._newest = 0


class BorrowedAllocations(Allocations):
    """Allocations for one call that only looks at them: bytes lie in memory that is used again."""

    __slots__ = ("_heap", "_used")

    def __init__(self, heap: Heap) -> None:
        super().__init__(heap.guest)
        self._heap = heap
        self._used = 0

    def bytes(self, data: bytes | bytearray | memoryview) -> int:
        address = self._heap.lend(self._used, data) if data else 0
        if not address:
            return super().bytes(data)
        self._used += len(data)
        return address
