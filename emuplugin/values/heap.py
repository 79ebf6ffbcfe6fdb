"""Writing to guest memory under the eyes of Go's garbage collector.

Two rules keep the collector's picture of the heap true. An object that only Python knows needs a
root before anything else runs in the guest (:class:`Allocations`). And a pointer that replaces
another while the collector marks must go through the runtime's write barrier (:class:`Heap`);
filling memory that Go has not seen yet needs none, because what is allocated during marking is
born marked.
"""

from __future__ import annotations

from types import TracebackType

from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Guest, Root


class Heap:
    """The Go heap of one machine, seen from Python."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self._write_barrier = guest.symbol("runtime.writeBarrier")
        self._scratch: Root | None = None
        self._scratch_size = 0

    def store(self, address: int, image: bytes, go_type: GoType) -> None:
        """Put the ``image`` of a value of ``go_type`` at ``address``, which already holds one.

        What ``image`` points to must be rooted by the caller.
        """
        if go_type.ptr_bytes and self._marking():
            self.reserve(len(image))
            assert self._scratch is not None
            self.guest.memory.write(self._scratch.address, image)
            # runtime/mbarrier.go: typedmemmove(typ, dst, src) runs the bulk barrier, then copies.
            self.guest.call_runtime("typedmemmove", go_type.address, address, self._scratch.address)
        else:
            self.guest.memory.write(address, image)

    def reserve(self, size: int) -> None:
        """Make sure that a later :meth:`store` of up to ``size`` bytes allocates nothing.

        To be called before pointers arrive that nothing roots yet, such as results of a call.
        """
        if size > self._scratch_size:
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

    def bytes(self, data: bytes | bytearray | memoryview) -> int:
        """The address of a new pointer-free object that holds ``data``; 0 for no data."""
        if not data:
            return 0
        self.protect()
        address = self._guest.malloc(len(data), 0, False)
        self._guest.memory.write(address, data)
        self._newest = address
        return address

    def object(self, size: int, go_type: GoType) -> int:
        """The address of ``size`` zeroed bytes for one value or several of ``go_type``."""
        self.protect()
        pointers = go_type.address if go_type.ptr_bytes else 0
        self._newest = self._guest.malloc(size, pointers)
        return self._newest

    def keep(self, root: Root) -> None:
        """Release ``root`` together with the rest."""
        self._roots.append(root)

    def protect(self) -> None:
        """Root what has no root yet; needed before anything else runs in the guest."""
        if self._newest:
            self._roots.append(self._guest.hold(self._newest))
            self._newest = 0
